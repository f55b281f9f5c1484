import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { float32Tensor, readSafetensors, type RunEvent } from '../../engine/contracts';
import { createWorkbench, type LocalWorkbench } from '../../engine/workbench';
import { samples, temporaryFolder } from '../kit/cli';

/** Values from sequences, vectors of zeros and ones, and labels: from a file to a verified export. */
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let workbench: LocalWorkbench;
const file = (name: string) => join(folder.path, name);
const write = async (name: string, content: string) => {
  await writeFile(file(name), content);
  return file(name);
};
const load = (request: Parameters<typeof workbench.call<'datasets.import'>>[1]['request']) => workbench.call('datasets.import', { job: 'i', request });

async function trained(dataset: string, name: string, maxSteps = 30): Promise<Extract<RunEvent, { event: 'finished' }>> {
  const ended = new Promise<RunEvent>((resolve) => {
    const stop = workbench.on((one) => {
      if (one.type !== 'run' || one.event.run !== name || (one.event.event !== 'finished' && one.event.event !== 'failed')) return;
      stop();
      resolve(one.event);
    });
  });
  const config = { dataset, model: { embeddingSize: 4, layers: [{ cell: 'lstm', hiddenSize: 8 }, { cell: 'gru', hiddenSize: 6 }] }, training: { batchSize: 8, maxSteps, maxEpochs: null, threads: 1, seed: 3 }, evaluation: { everySteps: 10 }, checkpoint: { everySteps: 10 } };
  await workbench.call('runs.start', { config, name });
  const last = await ended;
  if (last.event !== 'finished') throw new Error(JSON.stringify(last));
  return last;
}

/** Sequences of two to five steps; the value to learn is the sum of `x`, written on the last row alone. */
const longTable = (count: number) =>
  ['id,t,x,note,y', ...Array.from({ length: count }, (_, id) => Array.from({ length: 2 + (id % 4) }, (_, t) => {
    const xs = Array.from({ length: 2 + (id % 4) }, (_, k) => ((id * 7 + k * 3) % 10) / 10);
    return `s${id},${t},${xs[t]},n,${t === 1 + (id % 4) ? xs.reduce((sum, x) => sum + x, 0).toFixed(3) : ''}`;
  })).flat()].join('\n');

const pieces = (count: number, shift: number) => Array.from({ length: count }, (_, piece) => Array.from({ length: 4 + (piece % 3) }, (_, frame) => [60 + ((frame + piece + shift) % 5), 67]));
const roll = () => ({ train: pieces(12, 0), valid: pieces(4, 1), test: pieces(4, 2) });

beforeAll(async () => {
  folder = await temporaryFolder();
  workbench = createWorkbench({ workspace: file('workspace'), samples });
  await load({ files: [await write('long.csv', longTable(60))], name: 'long', task: 'regress', sequence: 'id', targets: ['y'], inputs: ['x'] });
  await load({ files: [await write('roll.json', JSON.stringify(roll()))], name: 'roll' });
  await workbench.call('datasets.generate', { job: 'g', request: { task: 'recall-name', name: 'tom', length: 6, count: 60 } });
});
afterAll(async () => {
  await workbench.shutdown();
  await folder.remove();
});

describe('a long table', () => {
  it('becomes sequences of their own lengths with one value each', async () => {
    const dataset = await workbench.call('datasets.get', { id: 'long' });
    expect(dataset).toMatchObject({ kind: 'sequences', sequences: 60, shortest: 2, longest: 5, split: { train: [0, 42], validation: [42, 48], test: [48, 60] }, task: { kind: 'regress', inputs: ['x'], targets: ['y'], scaling: 'standard' } });
    const page = await workbench.call('datasets.page', { id: 'long', offset: 3, limit: 1 });
    if (page.kind !== 'sequences') throw new Error(page.kind);
    const [row] = page.sequences;
    expect(row).toMatchObject({ number: 3, split: 'train', length: 5 });
    expect(row!.targets![0]).toBeCloseTo(row!.values!.reduce((sum, [x]) => sum + x!, 0), 3);
  });

  it('is put in the order that a column says', async () => {
    const path = await write('order.csv', ['id,t,x,y', ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9].flatMap((id) => [`${id},2,20,1`, `${id},1,10,1`])].join('\n'));
    await load({ files: [path], name: 'order', task: 'regress', sequence: 'id', targets: ['y'], timeColumn: 't' });
    const page = await workbench.call('datasets.page', { id: 'order', offset: 0, limit: 1 });
    expect(page.kind === 'sequences' && page.sequences[0]?.values).toEqual([[10], [20]]);
  });

  it.each([
    ['two values of one sequence', 'id,x,y\na,1,2\na,2,3\n', { code: 'DATASET_PARSE_FAILED', where: 'bad.csv, row 3, column y' }],
    ['no value of a sequence', 'id,x,y\na,1,2\nb,2,\n', { code: 'DATASET_PARSE_FAILED', where: 'bad.csv, row 3, column y' }],
    ['a missing input', 'id,x,y\na,1,2\na,,2\n', { code: 'DATASET_PARSE_FAILED', where: 'bad.csv, row 3, column x' }],
    ['a row of no sequence', 'id,x,y\na,1,2\n,1,2\n', { code: 'DATASET_PARSE_FAILED', where: 'bad.csv, row 3, column id' }],
    ['text as an input', 'id,x,y\na,one,2\nb,two,2\n', { code: 'COLUMN_NOT_NUMERIC' }],
    ['too few sequences', 'id,x,y\na,1,2\nb,2,2\n', { code: 'DATASET_TOO_SHORT', where: 'split' }],
  ])('with %s is refused at its place', async (_, content, error) => {
    const path = await write('bad.csv', content);
    await expect(load({ files: [path], name: 'bad', task: 'regress', sequence: 'id', targets: ['y'], inputs: ['x'] })).rejects.toMatchObject(error);
    await expect(workbench.call('datasets.get', { id: 'bad' })).rejects.toMatchObject({ code: 'DATASET_NOT_FOUND' });
  });

  it('needs its columns named', async () => {
    await expect(load({ files: [file('long.csv')], task: 'regress', targets: ['y'] })).rejects.toMatchObject({ code: 'CONFIG_INVALID', where: 'sequence' });
    await expect(load({ files: [file('long.csv')], task: 'regress', sequence: 'id' })).rejects.toMatchObject({ code: 'CONFIG_INVALID', where: 'targets' });
    await expect(load({ files: [file('long.csv')], task: 'regress', sequence: 'who', targets: ['y'] })).rejects.toMatchObject({ code: 'CONFIG_INVALID', where: 'sequence' });
    await expect(load({ files: [file('long.csv')], task: 'regress', sequence: 'id', targets: ['y'], lookback: 3 })).rejects.toMatchObject({ code: 'CONFIG_INVALID', where: 'lookback' });
    await expect(load({ files: [file('long.csv')], task: 'forecast', sequence: 'id' })).rejects.toMatchObject({ code: 'CONFIG_INVALID', where: 'sequence' });
  });
});

describe('a piano roll', () => {
  it('is recognised, keeps the split of its file and has the 88 keys', async () => {
    const dataset = await workbench.call('datasets.get', { id: 'roll' });
    expect(dataset).toMatchObject({ kind: 'sequences', task: { kind: 'binary-vectors' }, sequences: 20, lowest: 21, split: { train: [0, 12], validation: [12, 16], test: [16, 20] } });
    expect(dataset.kind === 'sequences' && dataset.columns).toHaveLength(88);
    const page = await workbench.call('datasets.page', { id: 'roll', offset: 1, limit: 1 });
    expect(page.kind === 'sequences' && page.sequences[0]?.ones?.slice(0, 2)).toEqual([[40, 46], [41, 46]]);
    expect(await workbench.call('datasets.preview', { files: [file('roll.json')] })).toMatchObject({ kind: 'sequences', entries: 88, sequences: { train: 12, validation: 4, test: 4 } });
  });

  it.each([
    ['no JSON', '{"train": [[[60', {}],
    ['a part that is not there', JSON.stringify({ train: pieces(2, 0), test: pieces(2, 0) }), { message: expect.stringContaining('"valid"') as string }],
    ['a note outside the keys', JSON.stringify({ ...roll(), test: [[[60], [20]]] }), { where: 'bad.json, test, piece 1, frame 2' }],
    ['a note that is no number', JSON.stringify({ ...roll(), valid: [[['C4'], [60]]] }), { where: 'bad.json, valid, piece 1, frame 1' }],
    ['a piece of one frame', JSON.stringify({ ...roll(), train: [[[60]]] }), { where: 'bad.json, train, piece 1' }],
  ])('with %s is refused at its place', async (_, content, error) => {
    const path = await write('bad.json', content);
    await expect(load({ files: [path], name: 'bad', task: 'binary-vectors' })).rejects.toMatchObject({ code: 'DATASET_PARSE_FAILED', ...error });
  });

  it('may have other entries', async () => {
    const path = await write('drums.json', JSON.stringify({ train: [[[0, 3], [1]]], valid: [[[0], [1]]], test: [[[0], [1]]] }));
    expect(await load({ files: [path], name: 'drums', task: 'binary-vectors', lowest: 0, highest: 3 })).toMatchObject({ lowest: 0, shortest: 2 });
    await expect(load({ files: [path], name: 'drums2', task: 'binary-vectors', split: { shares: [0.5, 0.2, 0.3] } })).rejects.toMatchObject({ code: 'CONFIG_INVALID', where: 'split' });
  });
});

describe('a training', { timeout: 120_000 }, () => {
  it('on values learns, predicts, traces a sequence and exports what it computes', async () => {
    const { metrics } = await trained('long', 'sums', 300);
    const test = metrics.test!;
    if (!('r2' in test)) throw new Error('no regression');
    expect(test.mse).toBeLessThan(test.baseline.mse / 4);
    expect(test.r2).toBeGreaterThan(0.7);
    expect((await workbench.call('runs.evaluate', { id: 'sums' })).metrics).toEqual(test);

    const { sequences, total, targets } = await workbench.call('runs.predict', { id: 'sums', limit: 5 });
    expect({ total, targets, count: sequences.length }).toEqual({ total: 12, targets: ['y'], count: 5 });
    const all = (await workbench.call('runs.predict', { id: 'sums', limit: 100 })).sequences;
    const mse = all.reduce((sum, { prediction, target }) => sum + (prediction[0]! - target[0]!) ** 2, 0) / all.length;
    expect(mse).toBeCloseTo(test.mse, 5);

    const out = file('sums.safetensors');
    await workbench.call('runs.record', { id: 'sums', input: { split: 'test', window: 2 }, out, gradients: true });
    const trace = readSafetensors(await readFile(out));
    expect(float32Tensor(trace, 'prediction')!.data[0]).toBeCloseTo(all[2]!.prediction[0]!, 4);
    expect(float32Tensor(trace, 'target')!.data[0]).toBeCloseTo(all[2]!.target[0]!, 5);
    expect(float32Tensor(trace, 'grad.l0.c')!.shape).toEqual([1, all[2]!.length, 8]);
    await expect(workbench.call('runs.record', { id: 'sums', input: { split: 'test', window: 12 }, out, gradients: false })).rejects.toMatchObject({ code: 'INPUT_INVALID', where: 'window' });

    for (const stateful of [false, true]) {
      const report = await workbench.call('exports.create', { job: 'e', request: { run: 'sums', stateful, gates: true } });
      expect(report).toMatchObject({ task: 'regress', verification: { passed: true, greedyEqual: null } });
      expect(report.outputs[0]).toEqual({ name: 'prediction', type: 'float32', shape: ['batch', 1] });
      const series = sequenceValues((await workbench.call('datasets.page', { id: 'long', offset: 48 + 2, limit: 1 })));
      const answer = await workbench.call('exports.infer', { job: 'e', request: { path: report.path, input: { tensors: { series: { shape: [1, series.length, 1], data: series } } } } });
      expect(answer.outputs['prediction']!.data[0]).toBeCloseTo(all[2]!.prediction[0]!, 4);
    }
  });

  it('on vectors is measured in nats per vector and exports probabilities', async () => {
    const { metrics } = await trained('roll', 'chords', 120);
    const test = metrics.test!;
    if (!('frames' in test)) throw new Error('no vectors');
    expect(test.frames).toBe(3 + 4 + 5 + 3);
    expect(test.loss).toBeLessThan(test.baseline);
    const report = await workbench.call('exports.create', { job: 'e', request: { run: 'chords', stateful: true, gates: true } });
    expect(report).toMatchObject({ task: 'binary-vectors', verification: { passed: true, splitEqual: true } });
    expect(report.outputs.slice(0, 2).map(({ name }) => name)).toEqual(['logits', 'probabilities']);
    await expect(workbench.call('runs.start', { config: { dataset: 'roll', model: { layers: [{ bidirectional: true }] } }, name: null })).rejects.toMatchObject({ where: 'model.layers.0.bidirectional' });
    const trace = readSafetensors(await workbench.call('runs.trace', { id: 'chords', step: 0 }));
    expect(float32Tensor(trace, 'target')!.shape).toEqual([1, 3, 88]);
  });

  it('on labels counts the answers that are asked for and exports logits', async () => {
    const { metrics } = await trained('tom', 'names');
    const test = metrics.test!;
    if (!('accuracy' in test)) throw new Error('no labels');
    expect(test).toMatchObject({ labels: 3, sequences: 3 });
    expect(test.sequencesRight).toBe(test.accuracy);
    const report = await workbench.call('exports.create', { job: 'e', request: { run: 'names' } });
    expect(report).toMatchObject({ task: 'label', verification: { passed: true } });
    expect(report.outputs).toEqual([{ name: 'logits', type: 'float32', shape: ['batch', 'time', 10] }]);
    await expect(workbench.call('runs.sample', { id: 'names', prompt: 'Tom', length: 3 })).rejects.toMatchObject({ code: 'INPUT_INVALID' });
    await expect(workbench.call('runs.predict', { id: 'names' })).rejects.toMatchObject({ code: 'INPUT_INVALID' });
  });

  it('of another seed is another, of the same the same', async () => {
    const bytes = async (name: string) => readFile(file(`workspace/runs/${name}/checkpoints/step-30/model.safetensors`));
    await trained('tom', 'names-2');
    expect(await bytes('names-2')).toEqual(await bytes('names'));
  });

  it('is refused on files that were damaged since', async () => {
    await truncate(file('workspace/datasets/tom/targets.bin'), 10);
    await expect(workbench.call('runs.start', { config: { dataset: 'tom' }, name: null })).rejects.toMatchObject({ code: 'DATASET_DAMAGED', where: file('workspace/datasets/tom/targets.bin') });
  });
});

function sequenceValues(page: Awaited<ReturnType<typeof workbench.call<'datasets.page'>>>): number[] {
  if (page.kind !== 'sequences') throw new Error(page.kind);
  return page.sequences[0]!.values!.flat();
}
