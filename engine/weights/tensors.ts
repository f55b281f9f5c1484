/** A tensor as a file holds it, already in float32. */
export interface SourceTensor {
  name: string;
  /** Type in the file, in safetensors' words: F32, F16, BF16, F64, I64 …. */
  dtype: string;
  shape: number[];
  /** Row-major; null where the type is no kind of weight. */
  data: Float32Array | null;
}

/** A whole file of tensors, in its own order. */
export interface TensorFile {
  path: string;
  tensors: SourceTensor[];
  metadata: Record<string, string>;
  /** Whether names or places say which framework wrote it: HDF5 is Keras's. */
  isKeras: boolean;
}

/** A matrix `[rows, columns]`, row-major. */
export interface Matrix {
  rows: number;
  columns: number;
  data: Float32Array;
}

/** `[columns, rows]` of a matrix. */
export function transposed({ rows, columns, data }: Matrix): Matrix {
  const turned = new Float32Array(data.length);
  for (let row = 0; row < rows; row += 1) for (let column = 0; column < columns; column += 1) turned[column * rows + row] = data[row * columns + column]!;
  return { rows: columns, columns: rows, data: turned };
}

/** Blocks of equal length in another order: block `k` of the result is block `order[k]`. */
export function reordered(data: Float32Array, order: readonly number[]): Float32Array {
  const block = data.length / order.length;
  const result = new Float32Array(data.length);
  order.forEach((from, to) => result.set(data.subarray(from * block, (from + 1) * block), to * block));
  return result;
}

export function shapeText(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

/** Names with numbers in them as people count: `lstm`, `lstm_2`, `lstm_10`. */
export function naturally(a: string, b: string): number {
  const parts = (text: string): string[] => text.split(/(\d+)/);
  const [left, right] = [parts(a), parts(b)];
  for (let k = 0; k < Math.max(left.length, right.length); k += 1) {
    const [one = '', other = ''] = [left[k], right[k]];
    if (one === other) continue;
    if (k % 2 === 1) return Number(one) - Number(other) || (one < other ? -1 : 1);
    return one < other ? -1 : 1;
  }
  return 0;
}
