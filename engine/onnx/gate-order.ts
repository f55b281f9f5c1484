import type { CellForm, OnnxRecipe } from '../contracts';

/** The recurrent operators of ONNX, and the order of the gates in the rows of their W, R and B. */
export const onnxGateOrder = {
  RNN: ['h'],
  LSTM: ['i', 'o', 'f', 'g'],
  GRU: ['z', 'r', 'n'],
} as const;

/** A cell in the form that its layer's options give it. */
export type LayerCell = CellForm;

/** One that an operator holds. */
export type ExportCell = LayerCell & { onnx: OnnxRecipe };

/**
 * A cell's rows stacked by gate, `[gates × hiddenSize, columns]`, as its operator wants them. This is the only
 * place where gates change their order on the way to ONNX. `open` fills the rows of a gate that is always 1.
 */
export function operatorRows(rows: Float32Array, { gateOrder, onnx }: Pick<ExportCell, 'gateOrder' | 'onnx'>, hiddenSize: number, open = 0): Float32Array {
  const block = rows.length / gateOrder.length;
  if (!Number.isInteger(block / hiddenSize)) {
    throw new RangeError(`${rows.length} values are no ${gateOrder.length} blocks of ${hiddenSize} rows`);
  }
  const result = new Float32Array(onnx.rows.length * block).fill(open);
  onnx.rows.forEach((source, place) => {
    if (source === 'open') return;
    const gate = 'gate' in source ? source.gate : source.inverse;
    const from = gateOrder.indexOf(gate);
    if (from < 0) throw new RangeError(`no gate ${gate} among ${gateOrder.join(', ')}`);
    const values = rows.subarray(from * block, (from + 1) * block);
    result.set('gate' in source ? values : values.map((value) => -value), place * block);
  });
  return result;
}
