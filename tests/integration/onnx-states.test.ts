import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { loadEngine } from '../../engine/binding';
import type { ModelSpec } from '../../engine/binding/types';
import { generateTokens, initialStates, modelNotes, OnnxRuntime, readFeeds, sampler, type RuntimeTensor } from '../../engine/inference';
import { buildModel, modelMetadata } from '../../engine/onnx/build';
import { readModel } from '../../engine/onnx/reader';
import { snippets } from '../../engine/onnx/snippets';
import { pairsOf } from '../../engine/onnx/states';
import { exportModel, type ExportModel } from '../../engine/onnx/weights';

/** What a stateful file takes and gives besides h and c: the clock of cells that count time steps, and learned starts. */
const engine = loadEngine();
const runtime = new OnnxRuntime();
const folder = mkdtempSync(join(tmpdir(), 'sluice-states-'));
symlinkSync(join(import.meta.dirname, '..', '..', 'node_modules'), join(folder, 'node_modules'), 'junction');
afterAll(async () => {
  await runtime.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const letters = [...'abcdefg'];
const spec: ModelSpec = {
  input: { kind: 'tokens', vocabularySize: letters.length, embeddingSize: 5 },
  layers: [
    { cell: 'clockwork', hiddenSize: 12, bidirectional: false, dropout: 0, options: { periods: [1, 3, 7] } },
    { cell: 'lstm', hiddenSize: 6, bidirectional: false, dropout: 0, zoneoutCell: 0.3 },
    { cell: 'clockwork', hiddenSize: 8, bidirectional: false, dropout: 0, options: { periods: [2, 5] } },
  ],
  head: { outputSize: letters.length, mode: 'everyStep' },
};

async function built() {
  const drawn = await engine.randomModel(spec, 4);
  return { drawn, model: exportModel(spec, drawn.tensors(), engine.cells()) };
}

const bytesOf = (model: ExportModel, metadata: Record<string, string> = {}): Uint8Array => buildModel({ model, stateful: true, gates: false, opset: 17, forecast: null, metadata, producerVersion: 'test' }).bytes;
const tokenAt = (b: number, t: number): number => (b * 5 + t * t) % letters.length;
/** Steps `from` to `to` of some sequences, each moved by its own number of steps. */
const tokens = (sequences: number[], from: number, to: number): RuntimeTensor => ({
  type: 'int64',
  shape: [sequences.length, to - from],
  data: BigInt64Array.from(sequences.flatMap((moved, b) => Array.from({ length: to - from }, (_, t) => BigInt(tokenAt(b, moved + from + t))))),
});

describe('the clock of an exported file', () => {
  it('goes on from call to call, for each sequence by itself, and gives what the engine gives in one pass', async () => {
    const { drawn, model } = await built();
    const session = await runtime.open(bytesOf(model), { threads: 1 });
    const names = pairsOf(model);
    expect(names.at(-1)).toEqual(['clock0', 'clockn']);
    const time = 23;
    const request = Uint32Array.from({ length: 2 * time }, (_, k) => tokenAt(k % 2, Math.floor(k / 2)));
    const { output } = await drawn.forward({ time, batch: 2, tokens: request, series: null, states: {} });
    const close = (logits: RuntimeTensor, b: number, t: number, row: number): void =>
      letters.forEach((_, v) => expect((logits.data as Float32Array)[row * letters.length + v]).toBeCloseTo(output[(t * 2 + b) * letters.length + v]!, 5));
    const start = initialStates(session, names, 1);
    // The first sequence is 4 steps ahead of the other, so their clocks differ in every call.
    const ahead = await session.run({ tokens: tokens([0], 0, 4), ...start });
    let states: Record<string, RuntimeTensor> = Object.fromEntries(names.map(([input, after]) => {
      const own = ahead.outputs[after]!;
      const other = start[input]!;
      const data = own.type === 'int64' ? BigInt64Array.from([...(own.data as BigInt64Array), ...(other.data as BigInt64Array)]) : Float32Array.from([...(own.data as Float32Array), ...(other.data as Float32Array)]);
      return [input, { type: own.type, shape: own.shape.length === 1 ? [2] : [1, 2, own.shape[2]!], data }];
    }));
    for (const [from, to] of [[0, 1], [1, 6], [6, 19]] as const) {
      const { outputs } = await session.run({ tokens: tokens([4, 0], from, to), ...states });
      for (let t = from; t < to; t++) {
        close(outputs['logits']!, 0, t + 4, t - from);
        close(outputs['logits']!, 1, t, to - from + t - from);
      }
      expect([...(outputs['clockn']!.data as BigInt64Array)]).toEqual([BigInt(to + 4), BigInt(to)]);
      states = Object.fromEntries(names.map(([input, after]) => [input, outputs[after]!]));
    }
    await session.close();
  });

  it('counts exactly beyond what float32 can', async () => {
    const { model } = await built();
    const session = await runtime.open(bytesOf(model), { threads: 1 });
    const at = async (clock: bigint): Promise<RuntimeTensor> => {
      const feeds = await readFeeds({ tensors: { tokens: { shape: [1, 9], data: Array.from({ length: 9 }, (_, t) => tokenAt(0, t)) } } }, session, { vocabulary: null, series: null, states: pairsOf(model) });
      return (await session.run({ ...feeds, clock0: { type: 'int64', shape: [1], data: BigInt64Array.of(clock) } })).outputs['logits']!;
    };
    // 210 is a multiple of all periods.
    expect((await at(210n * 2n ** 40n)).data).toEqual((await at(0n)).data);
    expect((await at(210n * 2n ** 40n + 1n)).data).not.toEqual((await at(0n)).data);
    await session.close();
  });
});

describe('programs that go with a stateful file', () => {
  const python = process.env['SLUICE_PYTHON'];
  it.skipIf(!python).each(['python'])('begin where sequences begin and hand on the clock: %s', (language) => runs(language));
  it('begin where sequences begin and hand on the clock: javascript', () => runs('javascript'));

  async function runs(language: string): Promise<void> {
    const { model: plain } = await built();
    // Larger weights write a livelier text.
    const lively = Object.fromEntries(Object.entries(plain.tensors).map(([name, { shape, data }]) => [name, { shape, data: data.map((value) => 4 * value) }]));
    const learned: ExportModel = {
      ...plain,
      spec: { ...spec, options: { initialState: 'learned' } },
      tensors: { ...lively, ...Object.fromEntries(['h_l0', 'h_l1', 'c_l1', 'h_l2'].map((name, k) => [`initial.${name}`, { shape: [[12, 6, 6, 8][k]!], data: Float32Array.from({ length: [12, 6, 6, 8][k]! }, (_, unit) => Math.sin(unit + k)) }])) },
    };
    const task = { kind: 'language-model' } as const;
    const path = join(folder, 'model.onnx');
    writeFileSync(path, bytesOf(learned, modelMetadata({ task, vocabulary: letters, forecast: null, pairs: pairsOf(learned), run: 'r', step: 1 })));
    const program = snippets({ file: 'model.onnx', task, stateful: true, prompt: 'cab' })[language as 'python' | 'javascript'].replace('temperature = 0.8', 'temperature = 0');
    const file = join(folder, language === 'python' ? 'example.py' : 'example.mjs');
    writeFileSync(file, program);
    const { stdout } = await promisify(execFile)(language === 'python' ? python! : process.execPath, [file], { cwd: folder, encoding: 'utf8' });
    const session = await runtime.open(path, { threads: 1 });
    const { metadata } = await readModel(path);
    const { tokens: expected } = await generateTokens(session, [2, 0, 1], modelNotes(metadata).states, { length: 200, choose: sampler({ temperature: 0, topK: 0, topP: 1, seed: 1 }) });
    await session.close();
    expect(stdout.trim()).toBe(`cab${expected.map((token) => letters[token]).join('')}`);
    expect(new Set(expected).size).toBeGreaterThan(2);
  }
});
