import { randomNumbers, type OnnxSession, type RuntimeTensor } from '../inference';
import { measure, none } from './compare';
import type { ExportModel, NamedTensor } from './weights';

/**
 * How far float32 itself leaves open what a model computes. Rounding a sum is as good as having had weights that differ
 * in their last digit (Wilkinson's backward error analysis), so the file is run again with every weight moved to one of
 * the two numbers beside it, drawn at random: a few such twins show by how much this model, on this input, carries on a
 * rounding. A wrong graph is equally wrong in all of them.
 */
const twinCount = 4;
/** The largest difference between twins, times this, is allowed. */
const margin = 3;

/** Every weight moved to the float32 number above or below it; 0 stays, for what is absent must stay absent. */
export function nudged(model: ExportModel, seed: number): ExportModel {
  const draw = randomNumbers(seed);
  const nudge = ({ shape, data }: NamedTensor): NamedTensor => {
    const moved = data.slice();
    const bits = new Int32Array(moved.buffer);
    for (let k = 0; k < bits.length; k++) if (moved[k] !== 0) bits[k]! += draw() < 0.5 ? 1 : -1;
    return { shape, data: moved };
  };
  return { ...model, tensors: Object.fromEntries(Object.entries(model.tensors).map(([name, tensor]) => [name, nudge(tensor)])) };
}

/** The twins of one file, opened by the first call that needs them. */
export class RoundingTwins {
  private sessions: Promise<OnnxSession[]> | null = null;

  /** `open` gives a session of the same file with other weights, and closes it in the end. */
  constructor(
    private readonly model: ExportModel,
    private readonly open: (model: ExportModel) => Promise<OnnxSession>,
  ) {}

  /**
   * What rounding may add to the difference of each output, by name, from the same call through all twins.
   * `scaleOf` gives what a value of an output is divided by.
   */
  async allowances(feeds: Record<string, RuntimeTensor>, outputs: Record<string, RuntimeTensor>, scaleOf: (output: string) => (k: number) => number): Promise<Map<string, number>> {
    this.sessions ??= this.openAll();
    const allowed = new Map<string, number>();
    for (const session of await this.sessions) {
      const twin = await session.run(feeds);
      for (const [output, { data, type }] of Object.entries(outputs)) {
        if (type !== 'float32') continue;
        const scale = scaleOf(output);
        const other = twin.outputs[output]!.data as Float32Array;
        const actual = Float64Array.from(data as Float32Array, (value, k) => value / scale(k));
        const { maxAbsoluteError } = await measure([{ output, actual, expected: (k) => other[k]! / scale(k) }], none);
        allowed.set(output, Math.max(allowed.get(output) ?? 0, margin * maxAbsoluteError));
      }
    }
    return allowed;
  }

  private async openAll(): Promise<OnnxSession[]> {
    const sessions: OnnxSession[] = [];
    for (let seed = 1; seed <= twinCount; seed++) sessions.push(await this.open(nudged(this.model, seed)));
    return sessions;
  }
}
