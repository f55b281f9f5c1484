import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadEngine } from '../../engine/binding';
import type { ModelSpec } from '../../engine/binding/types';
import { OnnxRuntime } from '../../engine/inference';
import { buildModel, type ForecastScaling } from '../../engine/onnx/build';
import { verifyExport } from '../../engine/onnx/verify';
import { exportModel } from '../../engine/onnx/weights';
import { writeCheckpoint } from '../kit/checkpoint';

/** The exporter against the engine that trains, with weights it drew itself. */
const engine = loadEngine();
/** Every form of every cell, with the options that choose it. */
const forms = engine.cells().flatMap((cell) => (cell.variants.length > 0 ? cell.variants : [cell]).map((form) => ({ cell: cell.name, options: Object.fromEntries(form.choice), said: [cell.name, ...form.choice.map(([, value]) => value)].join(' '), clock: form.step.some(({ inputs }) => inputs.includes('t')) })));
const runtime = new OnnxRuntime();
const folders: string[] = [];
afterAll(async () => {
  await runtime.dispose();
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

type Layer = ModelSpec['layers'][number];
const layer = ({ cell, options }: Pick<Layer, 'cell' | 'options'>, hiddenSize: number, bidirectional = false): Layer => ({ cell, ...(options && { options }), hiddenSize, bidirectional, dropout: 0.2 });

/** Above the lowest layer, such a cell adds a state of the layer below and has its size. */
const readsBelow = (cell: string): boolean => engine.cells().some(({ name, further }) => name === cell && further?.bottom);

/** `change` gives the drawn weights other values. */
async function verified(spec: ModelSpec, forecast: ForecastScaling | null, stateful: boolean, gates: boolean, change?: (name: string, data: Float32Array) => Float32Array) {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-native-'));
  folders.push(directory);
  const fresh = await engine.randomModel(spec, 3);
  const tensors = Object.fromEntries(Object.entries(fresh.tensors()).map(([name, { shape, data }]) => [name, { shape, data: change?.(name, data) ?? data }]));
  if (change) await writeCheckpoint(join(directory, 'checkpoint'), tensors);
  const drawn = change ? await engine.loadModel(join(directory, 'checkpoint'), spec) : fresh;
  const model = exportModel(spec, tensors, engine.cells());
  const random = await engine.randomModel(spec, 1);
  const build = { model, stateful, gates, opset: 17, forecast, metadata: {}, producerVersion: 'test' };
  const path = join(directory, 'model.onnx');
  await writeFile(path, buildModel(build).bytes);
  return verifyExport({
    runtime,
    threads: 1,
    path,
    stateful,
    gates,
    model,
    engine: drawn,
    forecast,
    tokens: null,
    random: { engine: random, model: exportModel(spec, random.tensors(), engine.cells()) },
    build: (weights, withStates, withGates) => buildModel({ ...build, model: weights, stateful: withStates, gates: withGates }).bytes,
    progress: () => undefined,
    throwIfAborted: () => undefined,
  });
}

const forecast: ForecastScaling = { horizon: 6, columns: ['a', 'b'], targetCount: 1, scaler: { mean: [400, -1], deviation: [20, 0.5] }, subtractLast: true };

describe('files exported from the native engine', () => {
  it.each(forms)('write text like the engine: $said', async (form) => {
    const cell = form.clock ? { ...form, options: { periods: [1, 3] } } : form;
    const spec: ModelSpec = { input: { kind: 'tokens', vocabularySize: 31, embeddingSize: 9 }, layers: [layer(cell, 18), layer(cell, readsBelow(cell.cell) ? 18 : 16)], head: { outputSize: 31, mode: 'everyStep' } };
    const plain = await verified(spec, null, false, false);
    expect([plain.passed, plain.greedyEqual]).toEqual([true, true]);
    const full = await verified(spec, null, true, true);
    expect([full.passed, full.greedyEqual, full.splitEqual]).toEqual([true, true, true]);
    expect(full.maxAbsoluteError).toBeGreaterThan(0);
  });

  it.each(forms)('forecast like the engine in both directions: $said', async (form) => {
    const cell = form.clock ? { ...form, options: { periods: [1, 2, 5] } } : form;
    const spec: ModelSpec = { input: { kind: 'series', inputSize: 2 }, layers: [layer(cell, 6, true), ...(readsBelow(cell.cell) ? [layer(cell, 6, true)] : []), layer({ cell: 'lstm' }, 5, true)], head: { outputSize: 6, mode: 'lastStep' } };
    const full = await verified(spec, forecast, true, true);
    expect([full.passed, full.greedyEqual, full.splitEqual]).toEqual([true, null, null]);
  });

  /** Cells whose states are kept one by one: the engine refuses zoneout for the others. */
  const keeping = forms.filter(({ cell }) => engine.cells().some(({ name, names, states }) => name === cell && names.recurrent !== null && states.length < 3));
  it.each(keeping)('mix their states like the engine under zoneout: $said', async (form) => {
    const zoned = (hiddenSize: number): Layer => ({ ...layer(form, hiddenSize, true), ...(form.clock && { options: { periods: [1, 2] } }), zoneoutHidden: 0.2, zoneoutCell: 0.3 });
    const spec: ModelSpec = { input: { kind: 'series', inputSize: 2 }, layers: [zoned(6), zoned(6)], head: { outputSize: 6, mode: 'lastStep' } };
    const full = await verified(spec, forecast, true, true);
    expect(full.passed).toBe(true);
  });

  // ONNX Runtime's logistic function is 0 from some -18 on: a step must not divide by it.
  it.each(forms.filter(({ cell }) => cell !== 'lstm-layernorm'))('compute like the engine where all gates are shut: $said', async (form) => {
    const cell = form.clock ? { ...form, options: { periods: [1, 3] } } : form;
    const spec: ModelSpec = { input: { kind: 'series', inputSize: 2 }, layers: [layer(cell, 6)], head: { outputSize: 6, mode: 'lastStep' } };
    const shut = await verified(spec, forecast, true, true, (name, data) => (/\.(bias_ih|b)_l0$/.test(name) ? data.map((value) => value - 20) : data));
    expect(shut.passed).toBe(true);
  });
});
