/** The recurrent operators of ONNX, and the order of the gates in the rows of their W, R and B. */
export const onnxGateOrder = {
  RNN: ['h'],
  LSTM: ['i', 'o', 'f', 'g'],
  GRU: ['z', 'r', 'n'],
} as const;
export type RecurrentOperator = keyof typeof onnxGateOrder;

/**
 * Rows stacked by gate, `[gates × hiddenSize, columns]`, from one order of gates into another.
 * This is the only place where gates change their order on the way to ONNX.
 */
export function reorderGates(rows: Float32Array, from: readonly string[], to: readonly string[], hiddenSize: number): Float32Array {
  const block = rows.length / from.length;
  if (from.length !== to.length || !Number.isInteger(block / hiddenSize)) {
    throw new RangeError(`${rows.length} values are no ${from.length} blocks of ${hiddenSize} rows`);
  }
  const result = new Float32Array(rows.length);
  to.forEach((gate, place) => {
    const source = from.length === 1 ? 0 : from.indexOf(gate);
    if (source < 0) throw new RangeError(`no gate ${gate} among ${from.join(', ')}`);
    result.set(rows.subarray(source * block, (source + 1) * block), place * block);
  });
  return result;
}
