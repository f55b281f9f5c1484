import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ModelSpec } from '../binding/types';
import type { CellInfo } from '../contracts';
import { kerasBlocks } from './keras';
import { matchModules, type Fit } from './match';
import { parseKeras } from './keras';
import { proposeModel } from './propose';
import { layerTensor, type TargetModel } from './target';
import { targetModel } from './target';
import type { SourceTensor } from './tensors';
import { parseTorch } from './torch';

const torch = { input: 'weight_ih', recurrent: 'weight_hh', bias: 'bias_ih', recurrentBias: 'bias_hh' };
const about = { signals: [], inputOnly: [], recurrentState: 'h', positiveStates: [], equations: [], options: [], choice: [], step: [], variants: [], vectors: [], states: ['h'] };
const gate = (...gates: string[]) => gates.map((each) => ({ gate: each }));
const cells: CellInfo[] = [
  { ...about, name: 'lstm', gateOrder: ['i', 'f', 'g', 'o'], names: torch, onnx: { operator: 'LSTM', rows: gate('i', 'o', 'f', 'g'), activations: [], attributes: [], peepholes: [] } },
  { ...about, name: 'gru', gateOrder: ['r', 'z', 'n'], names: torch, onnx: { operator: 'GRU', rows: gate('z', 'r', 'n'), activations: [], attributes: [['linear_before_reset', 1]], peepholes: [] } },
  // A cell with one bias and another order of gates than PyTorch's.
  { ...about, name: 'other', gateOrder: ['o', 'i', 'g', 'f'], names: { input: 'W', recurrent: 'U', bias: 'b', recurrentBias: null }, onnx: { operator: 'LSTM', rows: gate('i', 'o', 'f', 'g'), activations: [], attributes: [], peepholes: [] } },
];

/** What `describe` says of these cells, without the engine. */
function describeModel({ input, layers, head }: ModelSpec) {
  const tensors: { name: string; shape: number[] }[] = [];
  let width = input.kind === 'tokens' ? input.embeddingSize : input.inputSize;
  if (input.kind === 'tokens') tensors.push({ name: 'embedding.weight', shape: [input.vocabularySize, width] });
  layers.forEach(({ cell, hiddenSize, bidirectional }, index) => {
    const info = cells.find(({ name }) => name === cell)!;
    const rows = info.gateOrder.length * hiddenSize;
    for (const reverse of bidirectional ? [false, true] : [false]) {
      const add = (stem: string, shape: number[]): void => void tensors.push({ name: layerTensor(stem, index, reverse), shape });
      add(info.names.input, [rows, width]);
      if (info.names.recurrent !== null) add(info.names.recurrent, [rows, hiddenSize]);
      add(info.names.bias, [rows]);
      if (info.names.recurrentBias !== null) add(info.names.recurrentBias, [rows]);
    }
    width = hiddenSize * (bidirectional ? 2 : 1);
  });
  tensors.push({ name: 'head.weight', shape: [head.outputSize, width] }, { name: 'head.bias', shape: [head.outputSize] });
  return { parameters: 0, trainingBytes: 0, tensors };
}

const layer = (cell: string, hiddenSize: number, bidirectional = false): ModelSpec['layers'][number] => ({ cell, hiddenSize, bidirectional, dropout: 0 });
const text = (vocabularySize: number, embeddingSize: number, ...layers: ModelSpec['layers']): TargetModel =>
  targetModel({ input: { kind: 'tokens', vocabularySize, embeddingSize }, layers, head: { outputSize: vocabularySize, mode: 'everyStep' } }, { cells: () => cells, describe: describeModel });

let counter = 0;
const tensor = (name: string, ...shape: number[]): SourceTensor => ({ name, dtype: 'F32', shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => (counter += 1)) });
const lstm = (prefix: string, inputs: number, hidden: number, suffix = '_l0'): SourceTensor[] => [
  tensor(`${prefix}weight_ih${suffix}`, 4 * hidden, inputs),
  tensor(`${prefix}weight_hh${suffix}`, 4 * hidden, hidden),
  tensor(`${prefix}bias_ih${suffix}`, 4 * hidden),
  tensor(`${prefix}bias_hh${suffix}`, 4 * hidden),
];
const ofTorch = (target: TargetModel, tensors: SourceTensor[]): Fit => {
  const parsed = parseTorch(tensors);
  const fit = matchModules(parsed.modules, target);
  return { ...fit, problems: [...parsed.problems, ...fit.problems] };
};
const sources = ({ filled }: Fit): Record<string, string> => Object.fromEntries(filled.map(({ name, source }) => [name, source]));
const messages = ({ problems }: Fit): string[] => problems.map(({ message }) => message);

describe('PyTorch weights over a model', () => {
  const whole = (): SourceTensor[] => [tensor('model.emb.weight', 7, 5), ...lstm('model.rnn.', 5, 4), tensor('model.fc.weight', 7, 4), tensor('model.fc.bias', 7)];

  it('are found under any prefix, in any order', () => {
    const fit = ofTorch(text(7, 5, layer('lstm', 4)), whole().reverse());
    expect(messages(fit)).toEqual([]);
    expect(sources(fit)).toEqual({
      'embedding.weight': 'model.emb.weight',
      'recurrent.weight_ih_l0': 'model.rnn.weight_ih_l0',
      'recurrent.weight_hh_l0': 'model.rnn.weight_hh_l0',
      'recurrent.bias_ih_l0': 'model.rnn.bias_ih_l0',
      'recurrent.bias_hh_l0': 'model.rnn.bias_hh_l0',
      'head.weight': 'model.fc.weight',
      'head.bias': 'model.fc.bias',
    });
  });

  it('with anything missing, surplus or of another shape are refused by name and shapes', () => {
    const target = text(7, 5, layer('lstm', 4));
    expect(messages(ofTorch(target, whole().filter(({ name }) => !name.includes('fc'))))).toEqual(['the model needs head.weight [7, 4], and no tensor of the file fits']);
    expect(messages(ofTorch(target, [...whole(), tensor('model.extra.weight', 2, 2)]))).toEqual(["the file's model.extra.weight [2, 2] fits nothing in the model"]);
    expect(messages(ofTorch(target, [tensor('emb.weight', 9, 5), ...lstm('', 5, 4), tensor('fc.weight', 9, 4), tensor('fc.bias', 9)]))).toEqual([
      "the file's fc.weight is [9, 4], but head.weight needs [7, 4]",
      "the file's emb.weight is [9, 5], but embedding.weight needs [7, 5]",
    ]);
    expect(messages(ofTorch(text(7, 5, layer('gru', 4)), whole()))).toEqual(["layer 1 of the model is gru [5 → 4], but the file's model.rnn l0 is lstm [5 → 4]"]);
    expect(messages(ofTorch(text(7, 5, layer('lstm', 4), layer('lstm', 4)), whole()))).toEqual(['the model has 2 recurrent layers, the file 1 (model.rnn l0)']);
    const torn = whole().map((each) => (each.name.endsWith('bias_hh_l0') ? tensor(each.name, 3) : each));
    expect(messages(ofTorch(target, torn))[0]).toContain('bias_hh_l0 is [3], but');
  });

  it('of equal shapes are told apart by name or not at all', () => {
    const target = text(7, 4, layer('lstm', 4));
    const named = (embedding: string, head: string): SourceTensor[] => [tensor(embedding, 7, 4), ...lstm('rnn.', 4, 4), tensor(head, 7, 4)];
    const fit = ofTorch(target, named('encoder.weight', 'decoder.weight'));
    expect(sources(fit)).toMatchObject({ 'embedding.weight': 'encoder.weight', 'head.weight': 'decoder.weight' });
    expect(fit.notes.map(({ code }) => code)).toEqual(['NO_BIAS']);
    expect(messages(ofTorch(target, named('a.weight', 'b.weight')))[0]).toContain('could be any of a.weight, b.weight');
  });

  it('go to a cell of one bias and another order of gates', () => {
    const source = [tensor('e.weight', 7, 5), ...lstm('', 5, 2), tensor('f.weight', 7, 2), tensor('f.bias', 7)];
    const fit = ofTorch(text(7, 5, layer('other', 2)), source);
    expect(messages(fit)).toEqual([]);
    const [ih, , a, b] = source.slice(1, 5).map(({ data }) => [...data!]) as [number[], number[], number[], number[]];
    const filled = (name: string): number[] => [...fit.filled.find((each) => each.name === name)!.data];
    // o i g f from i f g o, two units each.
    expect(filled('recurrent.W_l0')).toEqual([3, 0, 2, 1].flatMap((block) => ih.slice(block * 10, (block + 1) * 10)));
    expect(filled('recurrent.b_l0')).toEqual([3, 0, 2, 1].flatMap((block) => [0, 1].map((k) => a[2 * block + k]! + b[2 * block + k]!)));
    expect(fit.notes.map(({ code }) => code)).toEqual(['MERGED_BIAS']);
  });
});

describe('Keras weights over a model', () => {
  it('are turned, and their gates put in order', () => {
    const [kernel, recurrent, bias] = [tensor('arr_1', 2, 6), tensor('arr_2', 2, 6), tensor('arr_3', 2, 6)];
    const parsed = parseKeras([tensor('arr_0', 7, 2), kernel, recurrent, bias, tensor('arr_4', 2, 7), tensor('arr_5', 7)]);
    expect(parsed.problems).toEqual([]);
    const fit = matchModules(parsed.modules, text(7, 2, layer('gru', 2)));
    expect(messages(fit)).toEqual([]);
    const got = [...fit.filled.find(({ name }) => name === 'recurrent.weight_ih_l0')!.data];
    // Column k of the kernel is row k; r, z, n from z, r, h.
    const row = (k: number): number[] => [kernel.data![k]!, kernel.data![6 + k]!];
    expect(got).toEqual([2, 3, 0, 1, 4, 5].flatMap(row));
    expect([...fit.filled.find(({ name }) => name === 'recurrent.bias_hh_l0')!.data]).toEqual([2, 3, 0, 1, 4, 5].map((k) => bias.data![6 + k]));
    for (const order of Object.values(kerasBlocks)) expect(order.map((k) => order[k])).toEqual(order.map((_, k) => k));
  });

  it('name a GRU whose reset acts before the product', () => {
    const parsed = parseKeras([tensor('0', 7, 2), tensor('1', 2, 6), tensor('2', 2, 6), tensor('3', 6), tensor('4', 2, 7), tensor('5', 7)]);
    expect(messages(matchModules(parsed.modules, text(7, 2, layer('gru', 2))))[0]).toContain("the file's 1 is gru-reset-before [2 → 2]");
  });
});

it('finds the stack that a file forms, whatever its layers are called', () => {
  const parsed = parseTorch([tensor('e.weight', 9, 5), ...lstm('z.', 5, 3), ...lstm('a.', 3, 4), ...lstm('m.', 4, 3, ''), tensor('o.weight', 9, 3)]);
  const config = { model: { layers: [layer('lstm', 1)] } } as never;
  expect(proposeModel(parsed.modules, null, config, ['lstm'])).toMatchObject({ embeddingSize: 5, layers: [{ hiddenSize: 3 }, { hiddenSize: 4 }, { hiddenSize: 3 }] });
  expect(proposeModel(parsed.modules, 6, config, ['lstm'])).toBeNull();
});

it('withstands any names and shapes, and never fills half a model', () => {
  const target = text(7, 2, layer('gru', 2));
  const part = fc.constantFrom('weight_ih_l0', 'weight_hh_l0', 'weight_hr_l0', 'bias_ih_l0', 'weight_ih', 'weight_hh_l0_reverse', 'weight', 'bias', 'kernel', 'recurrent_kernel', 'embeddings', 'vars/0', 'vars/1', 'vars/2', 'gamma', '3', 'arr_1');
  const name = fc.tuple(fc.constantFrom('', 'a.', 'm.rnn.', 'layers/lstm/cell/', 'b/backward_gru/gru_cell/'), part).map((parts) => parts.join(''));
  const tensors = fc.uniqueArray(fc.record({ name, shape: fc.array(fc.constantFrom(0, 1, 2, 6, 7, 8), { maxLength: 3 }) }), { selector: (each) => each.name, maxLength: 8 });
  fc.assert(
    fc.property(tensors, fc.constantFrom(parseTorch, parseKeras), (list, parse) => {
      const parsed = parse(list.map((each) => tensor(each.name, ...each.shape)));
      const fit = matchModules(parsed.modules, target);
      if (parsed.problems.length + fit.problems.length > 0) return;
      for (const { name: wanted, shape } of target.tensors) expect(fit.filled.find((each) => each.name === wanted)?.data).toHaveLength(shape.reduce((a, b) => a * b, 1));
      proposeModel(parsed.modules, null, { model: { layers: [layer('gru', 2)] } } as never, ['gru']);
    }),
    { numRuns: 500 },
  );
});
