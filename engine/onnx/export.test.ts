import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { exportBench, forecastModel, languageModel, layer, riverValues, type Trained } from '../../tests/kit/export-bench';
import { readModel } from './reader';

type Bench = Awaited<ReturnType<typeof exportBench>>;
const open: Bench[] = [];
const bench = async (...given: Parameters<typeof exportBench>): Promise<Bench> => {
  const made = await exportBench(...given);
  open.push(made);
  return made;
};
afterEach(async () => {
  for (const made of open.splice(0)) await made.close();
});

const models: [string, Trained][] = [
  ['a language model', languageModel(layer('lstm', 4), layer('gru', 3), layer('rnn-tanh', 3))],
  ['a forecast in one direction', forecastModel(false, layer('gru', 4), layer('lstm', 3))],
  ['a forecast in both directions without its last value', forecastModel(true, layer('lstm', 3, true), layer('gru', 2, true))],
];

describe.each(models)('exporting %s', (_, trained) => {
  it.each([
    [false, false],
    [true, true],
  ])('is compared over every shape and kept with its report (stateful %s, gates %s)', async (stateful, gates) => {
    const { service, exports, job } = await bench(trained);
    const report = await service.create({ run: 'run-1', stateful, gates }, job);
    const { verification } = report;
    expect(verification.passed).toBe(true);
    expect(verification.cases).toHaveLength(36);
    expect(new Set(verification.cases.map(({ batch, time }) => `${batch}×${time}`)).size).toBe(12);
    expect(Math.max(...verification.cases.map(({ boundShare }) => boundShare))).toBeLessThanOrEqual(1);
    expect(verification.maxAbsoluteError).toBeGreaterThan(0);
    const isText = report.task === 'language-model';
    const canSplit = stateful && !(trained.data.kind === 'series' && trained.data.subtractLast);
    expect([verification.greedyEqual, verification.splitEqual]).toEqual([isText ? true : null, canSplit ? true : null]);
    const name = `run-1${stateful ? '-stateful-gates' : ''}`;
    expect((await readdir(exports)).sort()).toEqual([`${name}.onnx`, `${name}.onnx.report.json`]);
    expect(await service.list({})).toEqual([report]);
    const model = await readModel(report.path);
    expect(model.metadata['sluice.format']).toBe('sluice-onnx/1');
    expect(JSON.parse(model.metadata['sluice.task']!)).toEqual(trained.config.task);
    expect(model.outputs).toEqual(report.outputs);
  }, 60_000);
});

describe('an export that differs from the engine', () => {
  it('is refused with the shape where it differs, and leaves nothing', async () => {
    const { service, exports, job } = await bench(languageModel(layer('lstm', 4)), { engineSeed: 6 });
    await expect(service.create({ run: 'run-1' }, job)).rejects.toMatchObject({ code: 'ONNX_MISMATCH', details: { output: 'logits', batch: 1, time: 1, weights: 'trained' } });
    expect(await readdir(exports)).toEqual([]);
  });

  it('keeps the export that was there before', async () => {
    const good = await bench(languageModel(layer('lstm', 4)));
    await mkdir(join(good.folder, 'out'));
    const out = join(good.folder, 'out', 'model.onnx');
    const report = await good.service.create({ run: 'run-1', out }, good.job);
    const bad = await bench(languageModel(layer('lstm', 4)), { engineSeed: 6 });
    await expect(bad.service.create({ run: 'run-1', out }, bad.job)).rejects.toMatchObject({ code: 'ONNX_MISMATCH' });
    expect(JSON.parse(await readFile(`${out}.report.json`, 'utf8'))).toEqual(report);
    expect((await readdir(join(good.folder, 'out'))).sort()).toEqual(['model.onnx', 'model.onnx.report.json']);
  });
});

describe('exports', () => {
  it('have names of their own that are free and could be files', async () => {
    const { service, job } = await bench(languageModel(layer('gru', 2)));
    expect((await service.create({ run: 'run-1', name: '강물' }, job)).id).toBe('run-1/강물');
    await expect(service.create({ run: 'run-1', name: '강물' }, job)).rejects.toMatchObject({ code: 'NAME_TAKEN' });
    await expect(service.create({ run: 'run-1', name: '../x' }, job)).rejects.toMatchObject({ code: 'NAME_INVALID' });
    expect((await service.create({ run: 'run-1' }, job)).id).toBe('run-1/run-1');
    expect((await service.create({ run: 'run-1' }, job)).id).toBe('run-1/run-1 2');
  });

  it('are deleted and come back with their report', async () => {
    const { service, job, exports, events } = await bench(languageModel(layer('gru', 2)));
    const report = await service.create({ run: 'run-1' }, job);
    const { trashed } = await service.delete({ id: report.id });
    expect([await service.list({}), await readdir(exports)]).toEqual([[], []]);
    await expect(service.delete({ id: report.id })).rejects.toMatchObject({ code: 'EXPORT_NOT_FOUND' });
    const second = await service.create({ run: 'run-1' }, job);
    expect(second.id).toBe(report.id);
    expect(await service.restore({ trashed })).toEqual({ id: 'run-1/run-1 2' });
    expect((await service.list({})).map(({ id }) => id).sort()).toEqual(['run-1/run-1', 'run-1/run-1 2']);
    expect(events.filter(({ type }) => type === 'exportsChanged')).toHaveLength(4);
  });

  it('are cancelled without a trace', async () => {
    const { service, exports, job } = await bench(languageModel(layer('gru', 2)));
    const cancel = new AbortController();
    const work = service.create({ run: 'run-1' }, { ...job, signal: cancel.signal, progress: ({ phase }) => phase === 'comparing' && cancel.abort() });
    await expect(work).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await readdir(exports)).toEqual([]);
  });
});

describe('running an export', () => {
  it.each([false, true])('writes the text the engine writes, stateful %s', async (stateful) => {
    const { service, job, engine } = await bench(languageModel(layer('lstm', 4)));
    const { id } = await service.create({ run: 'run-1', stateful }, job);
    const { text, provider } = await service.sample({ id, prompt: 'ab강', length: 60, device: 'cpu', temperature: 0 });
    const expected = await engine.sample({ prompt: Uint32Array.of(2, 3, 4), length: 60, temperature: 0, topK: 0, topP: 1, seed: 1 });
    const { vocabulary } = await import('../../tests/kit/export-bench');
    expect(text).toBe(Array.from(expected, (token) => vocabulary[token]).join(''));
    expect(provider).toBe('cpu');
    const drawn = await service.sample({ id, prompt: 'a', length: 60, device: 'cpu', temperature: 2, seed: 3 });
    expect(await service.sample({ id, prompt: 'a', length: 60, device: 'cpu', temperature: 2, seed: 3 })).toMatchObject({ text: drawn.text });
    expect(Array.from(drawn.text.replaceAll('<unk>', '?'))).toHaveLength(60);
  });

  it('forecasts a test window in raw units, beside what the run knows of it', async () => {
    const { service, job, engine } = await bench(forecastModel(true, layer('lstm', 4)));
    const { id } = await service.create({ run: 'run-1', stateful: true }, job);
    const result = await service.forecast({ id, window: 3, device: 'cpu' });
    // Window 3 of [14, 16) and [20, 24) begins in row 21; inputs are flow, level, rain.
    const { mean, deviation } = { mean: [1000, -3, 0.5], deviation: [20, 0.25, 4] };
    const at = (t: number, input: number): number => (riverValues[(21 + t) * 3 + [1, 2, 0][input]!]! - mean[input]!) / deviation[input]!;
    const series = Float32Array.from({ length: 18 }, (_, k) => at(Math.floor(k / 3), k % 3) - at(5, k % 3));
    const { output } = await engine.forward({ time: 6, batch: 1, tokens: null, series, states: {} });
    result.targets.forEach(({ predictions }, target) =>
      predictions.forEach(({ value, actual }, step) => {
        expect((value - mean[target]!) / deviation[target]!).toBeCloseTo(output[step * 2 + target]! + at(5, target), 4);
        expect(actual).toBe(1);
      }),
    );
  });

  it('says plainly what it takes when something is missing', async () => {
    const { service, job, folder } = await bench(forecastModel(false, layer('gru', 2)));
    const { path, id } = await service.create({ run: 'run-1' }, job);
    const csv = join(folder, 'rows.csv');
    await writeFile(csv, 'time,rain,flow\n2024-01-01,1,2\n');
    await expect(service.infer({ path, input: { file: csv } }, job)).rejects.toMatchObject({ code: 'COLUMN_NOT_FOUND', where: expect.stringContaining('level') });
    await writeFile(csv, 'time,rain,level,flow\n2024-01-01,1,2,3\n');
    await expect(service.infer({ path, input: { file: csv } }, job)).rejects.toThrow('1 rows; the model reads the last 6');
    await writeFile(csv, `time,rain,level,flow\n${Array.from({ length: 8 }, (_, k) => `2024-01-0${k + 1},${k},${-k},${1000 + k}`).join('\n')}\n`);
    const { outputs, provider } = await service.infer({ path, input: { file: csv } }, job);
    expect([outputs['forecast']!.shape, provider]).toEqual([[1, 4, 2], 'cpu']);
    const rows = Array.from({ length: 6 }, (_, k) => [1002 + k, -2 - k, 2 + k]);
    const direct = await service.infer({ path, input: { tensors: { series: { shape: [1, 6, 3], data: rows.flat() } } } }, job);
    expect(outputs['forecast']!.data).toEqual(direct.outputs['forecast']!.data);
    await expect(service.infer({ path, input: { tensors: {} } }, job)).rejects.toThrow('series (float32 [batch, time, 3])');
    await expect(service.sample({ id, prompt: 'a', length: 3, device: 'cpu' })).rejects.toMatchObject({ code: 'INPUT_INVALID' });
  });

  it('times calls for one sequence and for 64', async () => {
    const { service, job } = await bench(languageModel(layer('gru', 2)));
    const { path } = await service.create({ run: 'run-1' }, job);
    const { rows, time } = await service.latency({ job: 'j', path, device: 'cpu', time: 5 }, job);
    expect([time, rows.map(({ batch }) => batch)]).toEqual([5, [1, 64]]);
    for (const { minMs, medianMs, p95Ms } of rows) expect(minMs <= medianMs && medianMs <= p95Ms).toBe(true);
  });
});

describe('a file that is no model', () => {
  it.each([
    ['empty', ''],
    ['text', 'to be or not to be'],
  ])('is named: %s', async (_, content) => {
    const { service, folder } = await bench(languageModel(layer('gru', 2)));
    await mkdir(folder, { recursive: true });
    const path = join(folder, 'not.onnx');
    await writeFile(path, content);
    await expect(service.open({ path })).rejects.toMatchObject({ code: 'ONNX_INVALID', where: path });
    await expect(service.open({ path: `${path}.gone` })).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });
});
