import { SluiceError, type MethodInput, type NumberFormat } from '../contracts';
import { cancellable, type Context } from './context';
import { metricsTable } from './metrics-lines';
import { count, figure, table } from './output';

export async function evaluate(context: Context, run: string, options: { split: 'train' | 'validation' | 'test' }): Promise<void> {
  const { metrics, checkpoint } = await context.workbench.call('runs.evaluate', { id: run, split: options.split });
  context.output.object({ event: 'evaluated', run, split: options.split, checkpoint, metrics });
  context.output.line(`run ${run}, checkpoint of step ${checkpoint}`);
  for (const line of metricsTable({ [options.split]: metrics })) context.output.line(line);
}

export interface SampleOptions {
  prompt: string;
  length: number;
  weights: NumberFormat;
  temperature: number;
  topK: number;
  topP: number;
  seed: number;
}

export async function sample(context: Context, run: string, options: SampleOptions): Promise<void> {
  const { text, checkpoint, seed } = await context.workbench.call('runs.sample', { id: run, ...options });
  context.output.object({ event: 'sample', run, checkpoint, seed, prompt: options.prompt, text });
  context.output.line(options.prompt + text);
}

export async function forecast(context: Context, run: string, options: { at?: string; split: 'train' | 'validation' | 'test' | 'end'; window: number }): Promise<void> {
  const result = await context.workbench.call('runs.forecast', { id: run, split: options.split, window: options.window, at: options.at ?? null });
  const first = result.targets[0]?.lookback.length ?? 0;
  const predictions = result.targets.flatMap(({ name, predictions: steps }) =>
    steps.map((step, index) => ({ target: name, step: index + 1, time: result.times?.[first + index] || null, ...step })),
  );
  context.output.object({ event: 'forecast', run, checkpoint: result.checkpoint, level: result.level, window: result.window, windows: result.windows, predictions });
  const shown = (value: number | null): string => (value === null ? '' : figure(value));
  context.output.line(`run ${run}, checkpoint of step ${result.checkpoint}${result.level === null ? '' : `, intervals hold ${count(result.level * 100)} % of the validation windows`}`);
  const rows = predictions.map((step) => [step.time ?? String(step.step), step.target, shown(step.value), shown(step.lower), shown(step.upper), shown(step.actual), shown(step.last), shown(step.seasonal)]);
  for (const line of table([['', 'target', 'forecast', 'lower', 'upper', 'actual', 'last value', 'seasonal'], ...rows])) context.output.line(line);
}

export interface PredictOptions {
  split: 'train' | 'validation' | 'test';
  offset: number;
  limit: number;
}

export async function predict(context: Context, run: string, options: PredictOptions): Promise<void> {
  const { targets, total, sequences, checkpoint } = await context.workbench.call('runs.predict', { id: run, ...options });
  context.output.object({ event: 'predicted', run, checkpoint, split: options.split, total, targets, predictions: sequences });
  context.output.line(`run ${run}, checkpoint of step ${checkpoint}, ${sequences.length} of ${count(total)} sequences`);
  const rows = sequences.map(({ number, length, prediction, target }) => [String(number), String(length), ...targets.flatMap((_, k) => [figure(prediction[k] ?? NaN), figure(target[k] ?? NaN)])]);
  for (const line of table([['', 'steps', ...targets.flatMap((name) => [name, 'actual'])], ...rows])) context.output.line(line);
}

export interface TraceOptions {
  input?: string;
  text?: string;
  split?: 'train' | 'validation' | 'test';
  window: number;
  out: string;
  gradients?: boolean;
}

export async function trace(context: Context, run: string, options: TraceOptions): Promise<void> {
  const given = [options.input, options.text, options.split].filter((value) => value !== undefined);
  if (given.length !== 1) throw new SluiceError({ code: 'USAGE', message: 'give one of --input FILE, --text T, or --split S with --window N' });
  const input: MethodInput<'runs.record'>['input'] =
    options.text !== undefined
      ? { text: options.text }
      : options.input !== undefined
        ? { file: context.path(options.input) }
        : { split: options.split ?? 'test', window: options.window };
  const result = await context.workbench.call('runs.record', { id: run, input, out: context.path(options.out), gradients: options.gradients === true });
  context.output.object({ event: 'traced', run, ...result });
  context.output.line(`${result.path}, checkpoint of step ${result.checkpoint}`);
  for (const line of table(result.tensors.map(({ name, shape }) => [name, shape.join(' × ')]))) context.output.line(line);
}

export async function exportOnnx(context: Context, run: string, options: { out?: string; stateful?: boolean; gates?: boolean; opset: number }): Promise<void> {
  const out = options.out === undefined ? null : context.path(options.out);
  const request = { run, out, stateful: options.stateful === true, gates: options.gates === true, opset: options.opset };
  const report = await cancellable(context, () => context.workbench.call('exports.create', { job: 'cli', request }));
  const { path, opset, inputs, outputs, verification, step, sizeBytes } = report;
  context.output.object({ event: 'exported', run, path, opset, step, sizeBytes, inputs, outputs, verification });
  context.output.line(`${path}  ${count(sizeBytes)} bytes, opset ${opset}, checkpoint of step ${step}`);
  const shape = ({ name, type, shape: sizes }: (typeof inputs)[number]): string[] => [name, type, sizes.join(' × ')];
  for (const line of table([...inputs.map((one) => ['in ', ...shape(one)]), ...outputs.map((one) => ['out', ...shape(one)])])) context.output.line(line);
  context.output.line(`verified: ${verification.cases.length} cases, largest difference ${figure(verification.maxAbsoluteError)} (${verification.bound}), ${verification.runtime}`);
}

export async function infer(context: Context, file: string, options: { input: string; device: 'cpu' | 'cuda' }): Promise<void> {
  const request = { path: context.path(file), input: { file: context.path(options.input) }, device: options.device };
  const result = await cancellable(context, () => context.workbench.call('exports.infer', { job: 'cli', request }));
  context.output.object({ event: 'inferred', outputs: result.outputs, provider: result.provider, fallbackReason: result.fallbackReason, milliseconds: result.milliseconds });
  const rows = Object.entries(result.outputs).map(([name, { shape, data }]) => [name, shape.join(' × '), `${data.slice(0, 6).map(figure).join('  ')}${data.length > 6 ? '  …' : ''}`]);
  for (const line of table(rows)) context.output.line(line);
  context.output.line(`${result.provider}, ${figure(result.milliseconds)} ms`);
}
