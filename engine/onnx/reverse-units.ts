import { outputSize, type CellOptions } from '../contracts';
import type { RuntimeTensor } from '../inference';
import { attentionOf } from './attention';
import { readsBelow } from './scan';
import type { ExportModel, NamedTensor } from './weights';

/**
 * Width of the blocks in which the columns that enter the stack, and the outputs of each layer after it, are reversed
 * (1 = left as they are). What a residual connection adds, or tied weights share, must be reversed alike.
 */
export function unitBlocks({ spec, cells }: ExportModel): number[] {
  const blocks = [spec.options?.tieWeights ? Infinity : 1, ...spec.layers.map((layer, index) => outputSize(layer, cells[index]))];
  const alike: [number, number][] = spec.layers.flatMap(({ residual }, layer) => (residual ? [[layer, layer + 1] as [number, number]] : []));
  // A state of the layer below that is added unit by unit.
  spec.layers.forEach((_, layer) => {
    if (readsBelow(cells[layer]!).length > 0 && !cells[layer - 1]!.further?.projected) alike.push([layer, layer + 1]);
  });
  if (spec.options?.tieWeights) alike.push([0, spec.layers.length]);
  // An embedding that is only added may be turned as well; raw series may not.
  if (spec.input.kind === 'tokens' && spec.layers[0]!.residual) blocks[0] = Infinity;
  for (let left = alike.length; left > 0; left--) {
    for (const [a, b] of alike) blocks[a] = blocks[b] = Math.min(blocks[a]!, blocks[b]!);
  }
  return blocks;
}

/** The same for one of a layer's gates or states: behind a projection only h has the blocks of the output. */
export function signalBlock(model: ExportModel, layer: number, name: string): number {
  const projected = model.cells[layer]!.further?.projected && name !== 'h';
  return projected ? model.spec.layers[layer]!.hiddenSize : unitBlocks(model)[layer + 1]!;
}

/** Place of unit `k` once units are reversed within blocks. */
export function reversedUnit(k: number, block: number): number {
  return k - (k % block) + (block - 1 - (k % block));
}

/**
 * The same model with the units of every layer in reverse order: mathematically equal, but every sum over
 * units is taken in another order, so that float32 rounds it differently.
 */
export function reverseUnits(model: ExportModel): ExportModel {
  const tensors: Record<string, NamedTensor> = { ...model.tensors };
  const blocks = unitBlocks(model);
  const change = (name: string, turn: (tensor: NamedTensor) => Float32Array): void => {
    const tensor = tensors[name];
    if (tensor) tensors[name] = { shape: tensor.shape, data: turn(tensor) };
  };
  change('embedding.weight', ({ data }) => reverseBlocks(data, blocks[0]!, 1));
  model.spec.layers.forEach(({ bidirectional }, layer) => {
    const [below, own, units] = [blocks[layer]!, blocks[layer + 1]!, signalBlock(model, layer, 'c')];
    for (const suffix of bidirectional ? [`l${layer}`, `l${layer}_reverse`] : [`l${layer}`]) {
      const { names, vectors, states, further } = model.cells[layer]!;
      for (const name of [names.input, names.recurrent, names.bias, names.recurrentBias, ...vectors]) {
        if (name === null || !tensors[`recurrent.${name}_${suffix}`]) continue;
        change(`recurrent.${name}_${suffix}`, ({ shape, data }) => {
          const rows = reverseBlocks(data, units, shape[1] ?? 1);
          const block = name === names.recurrent ? own : name === names.input ? below : null;
          return block === null ? rows : reverseBlocks(rows, block, 1);
        });
      }
      for (const { name, rows, columns } of further?.tensors ?? []) {
        const block = { input: below, hidden: units, gates: units, output: own };
        change(`recurrent.${name}_${suffix}`, ({ shape, data }) => {
          const turned = reverseBlocks(data, block[rows], shape[1] ?? 1);
          return columns === null ? turned : reverseBlocks(turned, block[columns], 1);
        });
      }
      for (const state of states) change(`initial.${state}_${suffix}`, ({ data }) => reverseBlocks(data, state === 'h' ? own : units, 1));
    }
    for (const part of ['weight', 'bias']) change(`norm.${layer}.${part}`, ({ data }) => reverseBlocks(data, own, 1));
  });
  if (attentionOf(model) === 'none') change('head.weight', ({ data }) => reverseBlocks(data, blocks.at(-1)!, 1));
  else reverseAttention(model, blocks.at(-1)!, change);
  const layers = model.spec.layers.map((layer) => ({ ...layer, options: reversedLists(layer.options) }));
  return { ...model, spec: { ...model.spec, layers }, tensors };
}

/** Its matrices read the last layer's units; only what `general` compares with the query has a row for each. */
function reverseAttention(model: ExportModel, below: number, change: (name: string, turn: (tensor: NamedTensor) => Float32Array) => void): void {
  for (const name of ['W_s', 'W_h', 'W_a', 'W_c'].map((stem) => `attention.${stem}`)) {
    if (!model.tensors[name]) continue;
    change(name, ({ shape, data }) => {
      const columns = reverseBlocks(data, below, 1);
      return name === 'attention.W_a' && attentionOf(model) === 'general' ? reverseBlocks(columns, below, shape[1]!) : columns;
    });
  }
}

/** A list of numbers among a cell's options stands for shares of the units in their order. */
function reversedLists(options: CellOptions = {}): CellOptions {
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [name, Array.isArray(value) ? [...value].reverse() : value]));
}

/** The feeds of a file with reversed units: states turned along their last axis. */
export function reverseStates(model: ExportModel, feeds: Record<string, RuntimeTensor>): Record<string, RuntimeTensor> {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, tensor]) => {
      const [, state, layer] = /^([a-z]+)0_l(\d+)$/.exec(name) ?? [];
      if (state === undefined) return [name, tensor];
      return [name, { ...tensor, data: reverseBlocks(tensor.data as Float32Array, signalBlock(model, Number(layer), state), 1) }];
    }),
  );
}

/** Items of `width` values, reversed within every block of `items`. */
function reverseBlocks(data: Float32Array, items: number, width: number): Float32Array {
  const result = new Float32Array(data.length);
  const block = items * width;
  for (let start = 0; start < data.length; start += block) {
    for (let item = 0; item < items; item++) {
      result.set(data.subarray(start + item * width, start + (item + 1) * width), start + (items - 1 - item) * width);
    }
  }
  return result;
}
