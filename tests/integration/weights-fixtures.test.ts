import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { encodeNpz } from '../../engine/arrays';
import { loadEngine } from '../../engine/binding';
import type { ModelSpec } from '../../engine/binding/types';
import { weightsSource, type WeightsKind } from '../../engine/contracts';
import { encodeSafetensors, openWeights, targetModel, writtenWeights } from '../../engine/weights';
import { foreignCell } from '../../engine/weights/foreign';
import { writeCheckpoint } from '../kit/checkpoint';

/** Weights of PyTorch and Keras in the engine, and the engine's in theirs. The fixtures' script says how they were made. */
const engine = loadEngine();
const known = engine.cells().map(({ name }) => name);
const fixtures = resolve(import.meta.dirname, '../fixtures/weights');
const folder = await mkdtemp(join(tmpdir(), 'sluice-weights-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Case {
  file: string;
  kind: WeightsKind;
  spec: ModelSpec;
  tokens?: number[][];
  series?: number[][][];
  output: number[][][] | number[][];
}

type Weights = Record<string, { shape: number[]; data: Float32Array }>;

let folders = 0;
/** Outputs of the engine with these weights, batch-first. */
async function outputs(spec: ModelSpec, tensors: Weights, { tokens, series }: Pick<Case, 'tokens' | 'series'>): Promise<number[]> {
  const directory = join(folder, `checkpoint-${(folders += 1)}`);
  await writeCheckpoint(directory, tensors);
  const model = await engine.loadModel(directory, spec);
  const [batch, time] = [(tokens ?? series)!.length, (tokens ?? series)![0]!.length];
  const turned = <T>(rows: T[][]): T[] => Array.from({ length: time * batch }, (_, k) => rows[k % batch]![Math.floor(k / batch)]!);
  const { output } = await model.forward({ time, batch, tokens: tokens ? Uint32Array.from(turned(tokens)) : null, series: series ? Float32Array.from(turned(series).flat()) : null, states: {} });
  if (spec.head.mode === 'lastStep') return [...output];
  const width = spec.head.outputSize;
  return Array.from({ length: output.length }, (_, k) => {
    const [row, unit] = [Math.floor(k / width), k % width];
    return output[((row % time) * batch + Math.floor(row / time)) * width + unit]!;
  });
}

function asRecord(tensors: readonly { name: string; shape: number[]; data: Float32Array }[]): Weights {
  return Object.fromEntries(tensors.map(({ name, shape, data }) => [name, { shape, data }]));
}

function expectClose(got: readonly number[], wanted: readonly number[], tolerance = 1e-5): void {
  expect(got).toHaveLength(wanted.length);
  expect(Math.max(...wanted.map((value, k) => Math.abs(value - got[k]!)))).toBeLessThanOrEqual(tolerance);
}

const cases = (await readdir(fixtures)).filter((name) => name.endsWith('.json')).map((name) => name.replace(/\.json$/, ''));
const read = async (name: string): Promise<Case> => JSON.parse(await readFile(join(fixtures, `${name}.json`), 'utf8')) as Case;
const open = (path: string, from: WeightsKind | null = null) => openWeights(weightsSource.parse({ path, from }), engine);
/** A plain network without any bias is a row of matrices that nothing but names can tell apart. */
const untellable = 'keras-simple-rnn-list';
const loaded = await Promise.all(cases.map(async (name) => ({ name, ...(await read(name)) })));

describe('weights of another framework', () => {
  for (const each of loaded.filter(({ name }) => name !== untellable)) {
    it.skipIf(each.spec.layers.some(({ cell }) => !known.includes(cell)))(`give its answers: ${each.name}`, async () => {
      const weights = await open(join(fixtures, each.file));
      expect(weights.kind).toBe(each.kind);
      const { report, tensors } = weights.fit(each.spec, null);
      expect(report.problems).toEqual([]);
      expect(report.matched.map(({ target }) => target)).toEqual(engine.describe(each.spec).tensors.map(({ name }) => name));
      expectClose(await outputs(each.spec, asRecord(tensors), each), each.output.flat(2) as number[]);
    });
  }

  it('tells the model from the file', async () => {
    for (const { name, file, spec } of loaded.filter(({ name: each }) => each !== untellable)) {
      const weights = await open(join(fixtures, file));
      const config = { model: { layers: [{ cell: name.includes('relu') ? 'rnn-relu' : 'lstm' }] } } as never;
      const proposed = weights.propose(spec.input.kind === 'series' ? spec.input.inputSize : null, config);
      expect([name, proposed?.layers.map(({ cell, hiddenSize, bidirectional }) => ({ cell, hiddenSize, bidirectional }))]).toEqual([name, spec.layers.map(({ cell, hiddenSize, bidirectional }) => ({ cell, hiddenSize, bidirectional }))]);
      expect(proposed?.embeddingSize).toBe(spec.input.kind === 'tokens' ? spec.input.embeddingSize : null);
    }
  });

  it('says what it cannot tell instead of guessing', async () => {
    const { file, spec } = loaded.find(({ name }) => name === untellable)!;
    const { report, tensors } = (await open(join(fixtures, file))).fit(spec, null);
    expect(tensors).toEqual([]);
    expect(report.problems.map(({ code }) => code)).toContain('LAYERS');
  });
});

const layer = (cell: string, hiddenSize: number, bidirectional = false): ModelSpec['layers'][number] => ({ cell, hiddenSize, bidirectional, dropout: 0 });
const text = (...layers: ModelSpec['layers']): ModelSpec => ({ input: { kind: 'tokens', vocabularySize: 7, embeddingSize: 5 }, layers, head: { outputSize: 7, mode: 'everyStep' } });
const series = (...layers: ModelSpec['layers']): ModelSpec => ({ input: { kind: 'series', inputSize: 3 }, layers, head: { outputSize: 4, mode: 'lastStep' } });
const tokens = [[0, 6, 2, 5, 1], [3, 3, 4, 0, 6]];
const values = Array.from({ length: 2 }, (_, b) => Array.from({ length: 5 }, (__, t) => [Math.sin(b + t), Math.cos(t), 0.1 * t]));

describe('weights for another framework', () => {
  const foreign = engine.cells().flatMap((cell) => {
    const found = foreignCell(cell);
    return found ? [{ name: cell.name, ...found }] : [];
  });

  for (const { name, family, resetAfter, isProjected, isExact } of foreign) {
    const kinds: WeightsKind[] = [...(resetAfter ? (['torch'] as const) : []), ...(isProjected ? [] : (['keras'] as const))];
    it.each(kinds)(`come back as they went: ${name} as %s`, async (as) => {
      const other = resetAfter && !isProjected ? 'gru' : name;
      for (const spec of [text(layer(name, 6), layer(name, 6)), text(layer(name, 6), layer(other, 4)), series(layer(name, 4, true), layer(name, 3))]) {
        const drawn = (await engine.randomModel(spec, 11)).tensors();
        const written = writtenWeights(targetModel(spec, engine), drawn, as);
        // What was a gate of its own kind there is one of theirs: coupled and missing gates come back as a whole LSTM.
        const home: ModelSpec = isExact ? spec : { ...spec, layers: spec.layers.map((each) => ({ ...each, cell: each.cell === name ? family : each.cell })) };
        const input = spec.input.kind === 'tokens' ? { tokens } : { series: values };
        const wanted = await outputs(spec, drawn, input);
        for (const form of ['safetensors', 'npz'] as const) {
          if (as === 'torch' && form === 'npz') continue;
          const path = join(folder, `round.${form}`);
          await writeFile(path, form === 'npz' ? encodeNpz(written.tensors) : encodeSafetensors(written.tensors, {}));
          const { report, tensors } = (await open(path, as)).fit(home, null);
          expect(report.problems).toEqual([]);
          expectClose(await outputs(home, asRecord(tensors), input), wanted);
          if (isExact && as === 'torch') for (const tensor of tensors) expect(tensor.data).toEqual(drawn[tensor.name]!.data);
        }
      }
    });
  }

  it('take normalisations and a shared matrix along', async () => {
    const plain = text(layer('lstm', 5), layer('gru', 5));
    const spec: ModelSpec = { ...plain, layers: plain.layers.map((each, k) => ({ ...each, layerNorm: true, residual: k === 1 })), options: { tieWeights: true } };
    const drawn = (await engine.randomModel(spec, 11)).tensors();
    const wanted = await outputs(spec, drawn, { tokens });
    for (const as of ['torch', 'keras'] as const) {
      const written = writtenWeights(targetModel(spec, engine), drawn, as);
      expect(written.modules.at(-1)).toBe('# layer 1: its input is added to its normalised output');
      const path = join(folder, 'tied.safetensors');
      await writeFile(path, encodeSafetensors(written.tensors, {}));
      const weights = await open(path);
      expect(weights.propose(null, { model: { layers: [] } } as never)?.layers.map(({ cell, layerNorm }) => [cell, layerNorm])).toEqual([['lstm', true], ['gru', true]]);
      for (const home of [spec, { ...spec, options: { tieWeights: false } }]) {
        const { report, tensors } = weights.fit(home, null);
        expect(report.problems).toEqual([]);
        expectClose(await outputs(home, asRecord(tensors), { tokens }), wanted);
      }
      // Two matrices that differ are no shared one.
      const other = written.tensors.map((tensor) => (/head.weight|dense.kernel/.test(tensor.name) ? { ...tensor, data: tensor.data.map((value) => value + 1) } : tensor));
      await writeFile(path, encodeSafetensors(other, {}));
      expect((await open(path)).fit(spec, null).report.problems.map(({ message }) => message)).toEqual([expect.stringContaining('model.tieWeights')]);
    }
  });

  it('are refused where their layers compute something else', () => {
    const zoned = { ...text(layer('lstm', 4)), layers: [{ ...layer('lstm', 4), zoneoutHidden: 0.1 }] };
    expect(() => writtenWeights(targetModel(zoned, engine), {}, 'torch')).toThrow(/zoneout of layer 1/);
    expect(() => writtenWeights(targetModel({ ...text(layer('lstm', 4)), options: { initialState: 'learned' } }, engine), {}, 'keras')).toThrow(/trained initial states/);
    expect(() => writtenWeights(targetModel({ ...text(layer('lstm', 4)), options: { attention: 'dot' } }, engine), {}, 'torch')).toThrow(/the attention \(dot\)/);
    // The ablations are forms of lstm that are no other framework's.
    for (const [without] of engine.cells().find(({ name }) => name === 'lstm')!.options.map(({ values }) => values.slice(1))) {
      const option = engine.cells().find(({ name }) => name === 'lstm')!.options[0]!.name;
      const spec = { ...text(layer('lstm', 4)), layers: [{ ...layer('lstm', 4), options: { [option]: without! } }] };
      expect(targetModel(spec, engine).layers[0]!.foreign?.isExact ?? false, without).toBe(false);
    }
  });

  it('leave trained initial states at zero', async () => {
    const path = join(folder, 'initial.safetensors');
    const plain = text(layer('lstm', 4));
    const drawn = (await engine.randomModel(plain, 11)).tensors();
    await writeFile(path, encodeSafetensors(writtenWeights(targetModel(plain, engine), drawn, 'torch').tensors, {}));
    const spec: ModelSpec = { ...plain, options: { initialState: 'learned' } };
    const { report, tensors } = (await open(path, 'torch')).fit(spec, null);
    expect([report.problems, report.notes.filter(({ code }) => code === 'NO_BIAS').length]).toEqual([[], 2]);
    expectClose(await outputs(spec, asRecord(tensors), { tokens }), await outputs(plain, drawn, { tokens }));
  });

  it.each(known)('come back as they are, also where no other framework has the cell: %s', async (cell) => {
    // What adds the cell state of the layer below is as wide as that.
    const addsBelow = Boolean(engine.cells().find(({ name }) => name === cell)!.further?.bottom);
    const spec = text(layer(cell, 6), layer(cell, addsBelow ? 6 : 4));
    const drawn = (await engine.randomModel(spec, 11)).tensors();
    const path = join(folder, 'own.npz');
    await writeFile(path, encodeNpz(writtenWeights(targetModel(spec, engine), drawn, 'sluice').tensors));
    const { report, tensors } = (await open(path)).fit(spec, null);
    expect(report.problems).toEqual([]);
    expect(asRecord(tensors)).toEqual(drawn);
  });

  it('are refused where it has no such module, with the layer', () => {
    const spec = text(layer('lstm', 4), layer('lstm-peephole', 4));
    for (const as of ['torch', 'keras'] as const) expect(() => writtenWeights(targetModel(spec, engine), {}, as)).toThrow(/no module for the cell lstm-peephole of layer 2/);
  });
});
