import { SluiceError } from '../contracts';
import type { RuntimeTensor } from '../inference';
import { measure, none, type Allowance, type Difference, type Pair } from './compare';
import type { RoundingTwins } from './rounding';
import type { Borders } from './verify-inputs';
import { scaleOf } from './verify-outputs';

/**
 * A file is compared with the engine within `bound`. Some models carry a rounding of float32 further than that over 100
 * steps: then engine and ONNX Runtime are equally far from the exact value, and from each other. Where a call exceeds the
 * bound, and only there, what rounding leaves open is measured (`rounding.ts`) and added, at most `mostRounding`: a
 * swapped gate or a missing term shows above 1e-3.
 *
 * A long call may leave more open than that, and then nobody can tell right from wrong at its end. So the model is
 * compared in short calls instead, each begun at the states that the engine reached in the call before, within the same
 * limits; the long call itself must keep to what rounding was measured to do to it.
 */
const mostRounding = 5e-4;

export interface Where {
  weights: string;
  batch: number;
  time: number;
}

/** A call that was made, and what was expected of it. */
export interface Call {
  pairs: Pair[];
  feeds: Record<string, RuntimeTensor>;
  outputs: Record<string, RuntimeTensor>;
  where: Where;
  twins: RoundingTwins;
  borders: Borders;
}

export interface Judged {
  difference: Difference;
  /** What was added to the bound of each output. */
  rounding: Allowance;
}

/**
 * Whether what a call gave is equal to what was expected, by the bound, or by it and what rounding leaves open; `instead`
 * compares in short calls where that is too much. @throws SluiceError ONNX_MISMATCH
 */
export async function judge({ pairs, feeds, outputs, where, twins, borders }: Call, instead: (() => Promise<void>) | null): Promise<Judged> {
  const strict = await measure(pairs, none);
  if (strict.boundShare <= 1) return { difference: strict, rounding: none };
  if (!Number.isFinite(strict.boundShare)) throw isFinite(pairs) ? mismatch(where, strict) : withoutNumbers(where, strict);
  const measured = await twins.allowances(feeds, outputs, (output) => scaleOf(borders, output));
  const open = (output: string): number => measured.get(output) ?? 0;
  const limited = (output: string): number => Math.min(mostRounding, open(output));
  const difference = await measure(pairs, limited);
  if (difference.boundShare <= 1) return { difference, rounding: limited };
  const whole = await measure(pairs, open);
  if (whole.boundShare > 1) throw mismatch(where, whole);
  if (!instead) throw undecided(where, difference, open(difference.output));
  await instead();
  return { difference: whole, rounding: open };
}

/** Whether everything that was expected is a number. */
function isFinite(pairs: readonly Pair[]): boolean {
  return pairs.every(({ actual, expected }) => Array.from(actual.keys()).every((k) => Number.isFinite(expected(k))));
}

function withoutNumbers({ weights, batch, time }: Where, { output }: Difference): SluiceError {
  return new SluiceError({
    code: 'ONNX_MISMATCH',
    message: `The engine itself computes no finite numbers here, so the exported file cannot be checked: ${output} overflows at batch ${batch}, ${time} steps (${weights}). No file was kept.`,
    where: output,
    details: { output, batch, time, weights },
  });
}

function mismatch({ weights, batch, time }: Where, { maxAbsoluteError, output }: Difference): SluiceError {
  return new SluiceError({
    code: 'ONNX_MISMATCH',
    message: `The exported file does not compute what the engine computes: ${output} differs by ${maxAbsoluteError.toExponential(1)} at batch ${batch}, ${time} steps (${weights}). No file was kept.`,
    where: output,
    details: { output, batch, time, weights, maxAbsoluteError },
  });
}

function undecided({ weights, batch, time }: Where, { maxAbsoluteError, output }: Difference, open: number): SluiceError {
  return new SluiceError({
    code: 'ONNX_MISMATCH',
    message: `The exported file cannot be checked against the engine: ${output} differs by ${maxAbsoluteError.toExponential(1)} at batch ${batch}, ${time} steps (${weights}), but weights that differ in their last digit change it by up to ${open.toExponential(1)}, so float32 does not settle what this model computes. No file was kept.`,
    where: output,
    details: { output, batch, time, weights, maxAbsoluteError, rounding: open },
  });
}
