import type { CellOptions } from '../contracts';
import type { RuntimeTensor } from '../inference';
import { attentionOf } from './attention';
import type { ExportModel, NamedTensor } from './weights';

/**
 * The same model with the units of every layer in reverse order: mathematically equal, but every sum over
 * units is taken in another order, so that float32 rounds it differently.
 */
export function reverseUnits(model: ExportModel): ExportModel {
  const tensors: Record<string, NamedTensor> = { ...model.tensors };
  const change = (name: string, turn: (tensor: NamedTensor) => Float32Array): void => {
    const tensor = tensors[name]!;
    tensors[name] = { shape: tensor.shape, data: turn(tensor) };
  };
  /** Width of the blocks in which the columns that enter a layer are reversed, null for the model's own inputs. */
  let below: number | null = null;
  model.spec.layers.forEach(({ hiddenSize, bidirectional }, layer) => {
    for (const suffix of bidirectional ? [`l${layer}`, `l${layer}_reverse`] : [`l${layer}`]) {
      const { names, vectors } = model.cells[layer]!;
      for (const name of [names.input, names.recurrent, names.bias, names.recurrentBias, ...vectors]) {
        if (name === null || !tensors[`recurrent.${name}_${suffix}`]) continue;
        change(`recurrent.${name}_${suffix}`, ({ shape, data }) => {
          const columns = shape[1] ?? 1;
          const rows = reverseBlocks(data, hiddenSize, columns);
          const block = name === names.recurrent ? hiddenSize : name === names.input ? below : null;
          return block === null ? rows : reverseBlocks(rows, block, 1);
        });
      }
    }
    below = hiddenSize;
  });
  if (attentionOf(model) === 'none') change('head.weight', ({ data }) => (below === null ? data : reverseBlocks(data, below, 1)));
  else reverseAttention(model, below, change);
  const layers = model.spec.layers.map((layer) => ({ ...layer, options: reversedLists(layer.options) }));
  return { ...model, spec: { ...model.spec, layers }, tensors };
}

/** Its matrices read the last layer's units; only what `general` compares with the query has a row for each. */
function reverseAttention(model: ExportModel, below: number | null, change: (name: string, turn: (tensor: NamedTensor) => Float32Array) => void): void {
  if (below === null) return;
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
export function reverseStates(feeds: Record<string, RuntimeTensor>): Record<string, RuntimeTensor> {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, tensor]) => {
      if (!/^[a-z]+0_l\d+$/.test(name)) return [name, tensor];
      return [name, { ...tensor, data: reverseBlocks(tensor.data as Float32Array, tensor.shape.at(-1)!, 1) }];
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
