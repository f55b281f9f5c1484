import type { WeightsKind } from '../contracts';
import { applyAssignments } from '../workbench';
import type { Context } from './context';
import { count, table } from './output';
import { untilTrained, weightsOption } from './train';

export interface ExportWeightsOptions {
  out: string;
  as: WeightsKind;
  checkpoint: 'best' | 'last' | number;
}

export async function exportWeights(context: Context, run: string, options: ExportWeightsOptions): Promise<void> {
  const { output } = context;
  const written = await context.workbench.call('runs.weights', { run, as: options.as, checkpoint: options.checkpoint, out: context.path(options.out) });
  output.object({ event: 'weights', run, ...written });
  output.line(`${written.path}  ${count(written.sizeBytes)} bytes, checkpoint of step ${written.checkpoint}`);
  for (const line of table(written.tensors.map(({ name, shape }) => [name, shape.join(' × ')]))) output.line(line);
  for (const line of written.modules) output.line(line);
}

export interface ImportModelOptions {
  dataset: string;
  name?: string;
  set?: string[];
  weightsFrom?: WeightsKind;
  vocabulary?: string;
}

/** A run of ready weights: the model is what the file holds, no step is taken, and all parts of the data are measured. */
export async function importModel(context: Context, file: string, options: ImportModelOptions): Promise<void> {
  const { workbench, output } = context;
  const weights = weightsOption(context, { ...options, weights: file });
  const base = applyAssignments({ dataset: options.dataset, training: { maxSteps: 0 } }, options.set ?? []);
  const { proposed, kind, notes } = await workbench.call('models.weights', { source: weights!, config: base });
  output.message(`weights of ${kind === 'torch' ? 'PyTorch' : kind === 'keras' ? 'Keras' : 'Sluice'}`);
  for (const note of notes) output.message(note.message);
  await untilTrained(context, () => workbench.call('runs.start', { config: proposed ?? base, name: options.name ?? null, weights }));
}
