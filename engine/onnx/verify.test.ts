import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { ModelSpec } from '../binding/types';
import { OnnxRuntime } from '../inference';
import { drawTensors, judgedCells, judgedModel } from '../../tests/kit/float64-judge';
import { buildModel } from './build';
import { verifyExport } from './verify';
import { exportModel, type NamedTensor } from './weights';

const runtime = new OnnxRuntime();
afterAll(() => runtime.dispose());

const spec: ModelSpec = { input: { kind: 'tokens', vocabularySize: 9, embeddingSize: 4 }, layers: [{ cell: 'lstm', hiddenSize: 16, bidirectional: false, dropout: 0 }], head: { outputSize: 9, mode: 'everyStep' } };

/** Weights so large that a rounding of float32 grows over the steps of a sequence. */
const touchy = (): Record<string, NamedTensor> => {
  const tensors = drawTensors(spec, 5, 1.8);
  const head = tensors['head.weight']!;
  return { ...tensors, 'head.weight': { ...head, data: head.data.map((value) => value * 12) } };
};

async function verify(tensors: Record<string, NamedTensor>, engineTensors: Record<string, NamedTensor>) {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-verify-'));
  const model = exportModel(spec, tensors, judgedCells);
  const drawn = drawTensors(spec, 1, 0.3);
  const build = { opset: 17, forecast: null, metadata: {}, producerVersion: 'test' };
  const path = join(folder, 'model.onnx');
  await writeFile(path, buildModel({ ...build, model, stateful: false, gates: true }).bytes);
  try {
    return await verifyExport({
      runtime,
      threads: 1,
      path,
      stateful: false,
      gates: true,
      model,
      engine: judgedModel(spec, engineTensors),
      forecast: null,
      tokens: null,
      random: { engine: judgedModel(spec, drawn), model: exportModel(spec, drawn, judgedCells) },
      build: (weights, stateful, gates) => buildModel({ ...build, model: weights, stateful, gates }).bytes,
      progress: () => undefined,
      throwIfAborted: () => undefined,
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe('a model that amplifies the rounding of float32', () => {
  it('passes by what float32 leaves open at the shapes where it does, and by the bound alone elsewhere', async () => {
    const { cases, passed } = await verify(touchy(), touchy());
    expect(passed).toBe(true);
    const rounded = cases.filter(({ rounding }) => rounding > 0);
    expect(rounded.length).toBeGreaterThan(0);
    expect(rounded.every(({ time, weights }) => time > 2 && weights !== 'random')).toBe(true);
    expect(Math.max(...cases.map(({ boundShare }) => boundShare))).toBeLessThanOrEqual(1);
  });

  it('is refused when one weight is another', async () => {
    const other = touchy();
    const weight = other['recurrent.weight_hh_l0']!;
    other['recurrent.weight_hh_l0'] = { ...weight, data: weight.data.map((value, k) => (k === 40 ? value + 0.01 : value)) };
    await expect(verify(touchy(), other)).rejects.toMatchObject({ code: 'ONNX_MISMATCH' });
  });

  it('is refused when two gates are swapped', async () => {
    const swapped = touchy();
    for (const name of ['weight_ih', 'weight_hh', 'bias_ih', 'bias_hh']) {
      const tensor = swapped[`recurrent.${name}_l0`]!;
      const block = tensor.data.length / 4;
      const data = tensor.data.slice();
      data.set(tensor.data.subarray(block, 2 * block), 0);
      data.set(tensor.data.subarray(0, block), block);
      swapped[`recurrent.${name}_l0`] = { ...tensor, data };
    }
    await expect(verify(touchy(), swapped)).rejects.toMatchObject({ code: 'ONNX_MISMATCH' });
  });
});
