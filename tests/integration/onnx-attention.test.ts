import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadEngine } from '../../engine/binding';
import type { ModelSpec } from '../../engine/binding/types';
import { attentionKinds } from '../../engine/contracts';
import { OnnxRuntime } from '../../engine/inference';
import { buildModel, type ForecastScaling } from '../../engine/onnx/build';
import { verifyExport } from '../../engine/onnx/verify';
import type { SequenceBorder } from '../../engine/onnx/sequence-border';
import { exportModel } from '../../engine/onnx/weights';

/** Attention in exported files against the engine that trains, with weights it drew itself. */
const engine = loadEngine();
const runtime = new OnnxRuntime();
const folders: string[] = [];
afterAll(async () => {
  await runtime.dispose();
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

async function verified(spec: ModelSpec, forecast: ForecastScaling | null, opset: number, sequences: SequenceBorder | null = null) {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-attention-'));
  folders.push(directory);
  const drawn = await engine.randomModel(spec, 3);
  const model = exportModel(spec, drawn.tensors(), engine.cells());
  const random = await engine.randomModel(spec, 1);
  const build = { model, stateful: false, gates: true, opset, forecast, sequences, metadata: {}, producerVersion: 'test' };
  const path = join(directory, 'model.onnx');
  const built = buildModel(build);
  await writeFile(path, built.bytes);
  const report = await verifyExport({
    runtime,
    threads: 1,
    path,
    stateful: false,
    gates: true,
    model,
    engine: drawn,
    forecast,
    sequences,
    tokens: null,
    random: { engine: random, model: exportModel(spec, random.tensors(), engine.cells()) },
    build: (weights, stateful, gates) => buildModel({ ...build, model: weights, stateful, gates }).bytes,
    progress: () => undefined,
    throwIfAborted: () => undefined,
  });
  return { report, outputs: built.outputs };
}

const layer = (cell: string, hiddenSize: number, bidirectional: boolean): ModelSpec['layers'][number] => ({ cell, hiddenSize, bidirectional, dropout: 0 });

describe.each(attentionKinds.filter((kind) => kind !== 'none'))('a file with attention of kind %s', (attention) => {
  it('writes text like the engine', async () => {
    const spec: ModelSpec = { input: { kind: 'tokens', vocabularySize: 13, embeddingSize: 5 }, layers: [layer('lstm', 17, false)], head: { outputSize: 13, mode: 'everyStep' }, options: { attention } };
    const { report, outputs } = await verified(spec, null, 17);
    expect([report.passed, report.greedyEqual]).toEqual([true, true]);
    expect(outputs.find(({ name }) => name === 'attention.weights')?.shape).toEqual(['batch', 'time', 'time']);
  }, 120_000);

  it('forecasts like the engine, in both directions', async () => {
    const spec: ModelSpec = { input: { kind: 'series', inputSize: 2 }, layers: [layer('gru', 5, true), layer('minlstm', 7, true)], head: { outputSize: 6, mode: 'lastStep' }, options: { attention } };
    const forecast = { horizon: 6, columns: ['a', 'b'], targetCount: 1, scaler: { mean: [400, -1], deviation: [20, 0.5] }, subtractLast: true };
    const { report, outputs } = await verified(spec, forecast, 14);
    expect(report.passed).toBe(true);
    expect(outputs.find(({ name }) => name === 'attention.weights')?.shape).toEqual(['batch', 1, 'time']);
  }, 120_000);
});

it('a file for sequences attends past a norm and a residual connection', async () => {
  const layers = [layer('mingru', 4, true), { ...layer('gru', 4, true), layerNorm: true, residual: true }];
  const options = { attention: 'general', initialState: 'learned' } as const;
  const scaled = { columns: ['a', 'b'], scaler: { mean: [3, -1], deviation: [2, 0.5] } };
  const regress: ModelSpec = { input: { kind: 'series', inputSize: 2 }, layers, head: { outputSize: 2, mode: 'lastStep' }, options };
  const values = await verified(regress, null, 15, { kind: 'values', inputs: scaled, targets: scaled });
  expect([values.report.passed, values.outputs.find(({ name }) => name === 'attention.weights')?.shape]).toEqual([true, ['batch', 1, 'time']]);
  const label: ModelSpec = { input: { kind: 'tokens', vocabularySize: 9, embeddingSize: 3 }, layers, head: { outputSize: 4, mode: 'everyStep' }, options };
  const labels = await verified(label, null, 17, { kind: 'labels', symbols: [...'abcdefghi'], labels: [...'wxyz'] });
  expect([labels.report.passed, labels.outputs.find(({ name }) => name === 'attention.weights')?.shape]).toEqual([true, ['batch', 'time', 'time']]);
}, 120_000);
