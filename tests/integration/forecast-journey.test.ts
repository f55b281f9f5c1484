import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { float32Tensor, readSafetensors } from '../../engine/contracts';
import { runCli, succeed, temporaryFolder } from '../kit/cli';

interface Prediction {
  target: string;
  step: number;
  time: string | null;
  value: number;
  lower: number;
  upper: number;
  actual: number | null;
  last: number;
  seasonal: number | null;
}

const lookback = 24;
const rows = 600;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let workspace: string;
let values: number[];

/** A daily swing of an hourly series on a slow drift: a season before is a good forecast, the last value a bad one. */
beforeAll(async () => {
  folder = await temporaryFolder();
  workspace = join(folder.path, 'workspace');
  const lines = ['time,load,temperature'];
  values = [];
  for (let row = 0; row < rows; row += 1) {
    const time = new Date(Date.UTC(2024, 0, 1) + row * 3_600_000).toISOString().slice(0, 19).replace('T', ' ');
    const load = Math.fround(50 + 20 * Math.sin((2 * Math.PI * row) / 24) + 0.01 * row + ((row * 7919) % 13) / 13);
    values.push(load);
    lines.push(`${time},${load},${(10 + Math.cos(row / 40)).toFixed(3)}`);
  }
  await writeFile(join(folder.path, 'load.csv'), `${lines.join('\n')}\n`);
});
afterAll(() => folder.remove());

describe('a time series, from the file to the verified ONNX file', () => {
  it('imports a table and recognises its time and frequency', async () => {
    const line = await succeed(['import', join(folder.path, 'load.csv'), '--task', 'forecast', '--target', 'load', '--covariate', 'temperature', '--lookback', String(lookback), '--horizon', '6', '--split', '400,100,100', '--name', 'load'], workspace);
    expect(line).toMatchObject({ dataset: 'load', rows, frequency: 'hour', season: 24, split: { train: [0, 400], validation: [400, 500], test: [500, 600] } });
  });

  it('trains better than repeating the last value, whose error it prints', async () => {
    const result = await runCli(['train', '--preset', 'forecast-lstm', '--dataset', 'load', '--name', 'hourly', '--set', 'training.maxEpochs=15', '--set', 'model.layers.0.hiddenSize=24', '--set', 'training.optimizer.learningRate=0.005'], workspace);
    expect(result.status).toBe(0);
    expect(result.last).toMatchObject({ event: 'finished', run: 'hourly', status: 'finished' });
    const { test } = result.last['metrics'] as { test: { mse: number; windows: number; baselines: { last: { mse: number }; seasonal: { mse: number; season: number } } } };
    expect(test.mse).toBeLessThan(test.baselines.last.mse / 4);
    expect(test.baselines.seasonal.season).toBe(24);
    // A lookback may read the rows before the split, a target never: every row of it is a first target but the last five.
    expect(test.windows).toBe(95);
  });

  it('reads a configuration file and --set the same way', async () => {
    const config = join(folder.path, 'config.json');
    await writeFile(config, JSON.stringify({ dataset: 'load', task: { horizon: 3 }, model: { layers: [{ cell: 'gru', hiddenSize: 8, bidirectional: true }] }, training: { maxEpochs: 1 } }));
    await succeed(['train', config, '--name', 'from-file', '--set', 'training.batchSize=16'], workspace);
    const written = JSON.parse(await readFile(join(workspace, 'runs', 'from-file', 'config.json'), 'utf8')) as Record<string, unknown>;
    expect(written).toMatchObject({
      task: { kind: 'forecast', lookback, horizon: 3, targets: ['load'], covariates: ['temperature'], subtractLast: true },
      model: { layers: [{ cell: 'gru', hiddenSize: 8, bidirectional: true, dropout: 0 }] },
      training: { batchSize: 16, maxEpochs: 1, optimizer: { kind: 'adam', learningRate: 0.001 } },
      earlyStopping: { patience: 10 },
    });
  });

  it('forecasts raw values with intervals, beside naive ones and what came', async () => {
    const line = await succeed(['forecast', 'hourly', '--split', 'test', '--window', '10'], workspace);
    const predictions = line['predictions'] as Prediction[];
    expect(line).toMatchObject({ level: 0.8, windows: 95, window: 10 });
    expect(predictions).toHaveLength(6);
    predictions.forEach((prediction, step) => {
      const row = 500 + 10 + step;
      expect(prediction.actual).toBeCloseTo(values[row] ?? NaN, 3);
      expect(prediction.last).toBeCloseTo(values[509] ?? NaN, 3);
      expect(prediction.seasonal).toBeCloseTo(values[row - 24] ?? NaN, 3);
      expect(prediction.lower).toBeLessThanOrEqual(prediction.value);
      expect(prediction.upper).toBeGreaterThanOrEqual(prediction.value);
      expect(Math.abs(prediction.value - (prediction.actual ?? NaN))).toBeLessThan(10);
    });
    const at = await succeed(['forecast', 'hourly', '--at', '2024-01-22 05:00:00'], workspace);
    expect((at['predictions'] as Prediction[])[0]?.value).toBe(predictions[0]?.value);
  });

  it('neither reads nor predicts across a jump in time, and takes no time for another', async () => {
    const [header, ...lines] = (await readFile(join(folder.path, 'load.csv'), 'utf8')).trim().split('\n');
    // Rows 550 to 579 (30 hours) are absent.
    await writeFile(join(folder.path, 'jump.csv'), `${[header, ...lines.slice(0, 550), ...lines.slice(580)].join('\n')}\n`);
    const hour = (row: number) => new Date(Date.UTC(2024, 0, 1) + row * 3_600_000).toISOString().slice(0, 16).replace('T', ' ');
    await succeed(['import', join(folder.path, 'jump.csv'), '--task', 'forecast', '--target', 'load', '--lookback', '6', '--horizon', '4', '--split', '400,70,100', '--name', 'jump'], workspace);
    await succeed(['train', '--preset', 'forecast-lstm', '--dataset', 'jump', '--name', 'jumping', '--set', 'training.maxSteps=2', '--set', 'model.layers.0.hiddenSize=4'], workspace);
    const { predictions } = (await succeed(['forecast', 'jumping', '--at', hour(549)], workspace)) as unknown as { predictions: Prediction[] };
    expect(predictions.map(({ time, actual }) => ({ time, actual }))).toEqual([550, 551, 552, 553].map((row) => ({ time: hour(row), actual: null })));
    const refusals = [
      { at: hour(581), message: `reach across a jump in time, from ${hour(549)} to ${hour(580)}; the earliest time after it is ${hour(585)}` },
      { at: hour(560), message: `${hour(560)} is not a time of this table; the nearest are ${hour(549)} and ${hour(580)}` },
      { at: hour(500).replace(':00', ':30'), message: `the nearest are ${hour(500)} and ${hour(501)}` },
    ];
    for (const { at, message } of refusals) {
      const refused = await runCli(['forecast', 'jumping', '--at', at], workspace);
      expect(refused.status).not.toBe(0);
      expect(refused.stdout + refused.stderr).toContain(message);
    }
    expect((await runCli(['forecast', 'jumping', '--at', hour(585)], workspace)).status).toBe(0);
  });

  it('uses no numbers that are not those of the import', async () => {
    const path = join(workspace, 'datasets', 'jump', 'values.bin');
    const whole = await readFile(path);
    await writeFile(path, Buffer.alloc(whole.length, 0x7a));
    for (const command of [['evaluate', 'jumping'], ['forecast', 'jumping'], ['train', '--preset', 'forecast-lstm', '--dataset', 'jump']]) {
      const refused = await runCli(command, workspace);
      expect(refused.status).not.toBe(0);
      expect(refused.stderr).toContain(`${path} is damaged: its content is not what the import wrote. Import the file again.`);
    }
    await writeFile(path, whole);
    await succeed(['evaluate', 'jumping'], workspace);
  });

  it('exports a file that takes raw values and gives the raw forecast', async () => {
    const onnx = join(folder.path, 'hourly.onnx');
    expect(await succeed(['export', 'hourly', '--out', onnx], workspace)).toMatchObject({ verification: { passed: true } });
    const { predictions } = (await succeed(['forecast', 'hourly', '--split', 'end'], workspace)) as unknown as { predictions: Prediction[] };
    const table = (await readFile(join(folder.path, 'load.csv'), 'utf8')).trim().split('\n');
    const tail = join(folder.path, 'tail.csv');
    await writeFile(tail, `load,temperature\n${table.slice(-lookback).map((line) => line.split(',').slice(1).join(',')).join('\n')}\n`);
    const { outputs } = (await succeed(['infer', onnx, '--input', tail], workspace)) as unknown as { outputs: Record<string, { shape: number[]; data: number[] }> };
    expect(outputs['forecast']?.shape).toEqual([1, 6, 1]);
    outputs['forecast']?.data.forEach((value, step) => expect(value).toBeCloseTo(predictions[step]?.value ?? NaN, 3));
  });

  it('traces a window of the dataset with gradients, and a table of its own', async () => {
    const out = join(folder.path, 'window.safetensors');
    await succeed(['trace', 'hourly', '--split', 'test', '--window', '0', '--out', out, '--gradients'], workspace);
    const file = readSafetensors(new Uint8Array(await readFile(out)));
    expect(float32Tensor(file, 'l0.c')?.shape).toEqual([1, lookback, 24]);
    expect([...(float32Tensor(file, 'grad.l0.c')?.data ?? [])].some((value) => value !== 0)).toBe(true);
    const table = await succeed(['trace', 'hourly', '--input', join(folder.path, 'load.csv'), '--out', join(folder.path, 'all.safetensors')], workspace);
    expect(table['tensors']).toContainEqual({ name: 'l0.h', shape: [1, rows, 24] });
  });
});
