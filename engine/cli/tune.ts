import { SluiceError } from '../contracts';
import { cancellable, type Context } from './context';
import { figure, table } from './output';
import { readConfiguration } from './train';

/** Changes settings of a run that trains, here or in another process. */
export async function tune(context: Context, run: string, options: { set?: string[] }): Promise<void> {
  if (!options.set?.length) throw new SluiceError({ code: 'USAGE', message: 'give what to change with --set, for example --set training.optimizer.learningRate=0.001' });
  const { changes } = await context.workbench.call('runs.tune', { id: run, set: options.set });
  context.output.object({ event: 'tuned', run, changes });
  for (const { step, field, from, to } of changes) context.output.line(`${field} is ${to ?? 'off'} after step ${step}, it was ${from ?? 'off'}`);
  if (changes.length === 0) context.output.line('nothing to change: the run has these settings already');
}

export interface RateTestOptions {
  preset?: string;
  dataset?: string;
  set?: string[];
  from: number;
  to: number;
  steps: number;
}

/** Trains for a moment with a growing learning rate and says which one to take. Nothing is kept. */
export async function rateTest(context: Context, file: string | undefined, options: RateTestOptions): Promise<void> {
  const { output, workbench } = context;
  const config = await readConfiguration(context, file, options);
  workbench.on((event) => {
    if (event.type !== 'rateTest') return;
    for (const point of event.points) output.object({ event: 'point', ...point });
  });
  const { from, to, steps } = options;
  const { points, suggestion, lowest, diverged } = await cancellable(context, () => workbench.call('models.rateTest', { job: 'cli', config, from, to, steps }));
  output.object({ event: 'rateTested', steps: points.length, suggestion, lowest, diverged });
  const shown = points.filter((_, index) => index % Math.ceil(points.length / 20) === 0);
  for (const line of table([['rate', 'loss', 'smoothed'], ...shown.map(({ rate, loss, smoothed }) => [figure(rate), figure(loss), figure(smoothed)])])) output.line(line);
  if (diverged !== null) output.line(`the loss ran away at ${figure(diverged)}`);
  output.line(suggestion === null ? 'the loss never fell: begin at a lower rate (--from) or take more steps (--steps)' : `suggested: --set training.optimizer.learningRate=${Number(suggestion.toPrecision(2))}`);
}
