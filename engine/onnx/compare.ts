import { setImmediate } from 'node:timers/promises';

/** What counts as equal: |onnx − engine| ≤ 1e-5 + 1e-5·|engine|, forecasts divided by the target's scale. */
export const bound = { absolute: 1e-5, relative: 1e-5, text: '1e-5 + 1e-5·|engine|' } as const;

/** An output of the file beside what is expected of it, value by value, in the target's scale. */
export interface Pair {
  output: string;
  actual: Float32Array | Float64Array;
  expected(k: number): number;
}

export interface Difference {
  maxAbsoluteError: number;
  /** Largest error as a share of what is allowed: at most 1 passes. */
  boundShare: number;
  /** Output with the largest share. */
  output: string;
}

/** What is added to the bound of an output. */
export type Allowance = (output: string) => number;
export const none: Allowance = () => 0;

/** Largest difference over all pairs; gives the event loop a turn between slices. */
export async function measure(pairs: readonly Pair[], allowance: Allowance): Promise<Difference> {
  const slice = 50_000;
  const result: Difference = { maxAbsoluteError: 0, boundShare: 0, output: '' };
  for (const { output, actual, expected } of pairs) {
    const extra = bound.absolute + allowance(output);
    for (let start = 0; start < actual.length; start += slice) {
      if (start > 0) await setImmediate();
      const end = Math.min(start + slice, actual.length);
      for (let k = start; k < end; k++) {
        const reference = expected(k);
        const error = Math.abs(actual[k]! - reference);
        const share = error / (extra + bound.relative * Math.abs(reference));
        // A comparison with NaN is never true, so that anything not finite counts as unlimited.
        if (!(share <= result.boundShare)) {
          result.boundShare = Number.isNaN(share) ? Infinity : share;
          result.output = output;
        }
        if (!(error <= result.maxAbsoluteError)) result.maxAbsoluteError = Number.isNaN(error) ? Infinity : error;
      }
    }
  }
  return result;
}
