import type { Range, Split, SplitName } from '../contracts';
import { splitNames } from './split';

export interface WindowShape {
  lookback: number;
  horizon: number;
}

/** Which rows a window may not touch, one byte per row, 1 = it may not. */
export interface RowMarks {
  /** An input (target or covariate) is missing: no lookback holds this row. */
  inputMissing: Uint8Array;
  /** A target is missing: no horizon holds this row. */
  targetMissing: Uint8Array;
  /**
   * A value was interpolated from a later one: no lookback ends here, because what comes next, the
   * answer, was used to fill it.
   */
  filled: Uint8Array;
  /** Time jumps before this row: no window holds it together with the row above. */
  broken: Uint8Array;
}

/**
 * Ranges of window starts (row of the first lookback step) per split. Every target row lies inside its
 * split; lookback rows may lie before it, never before row 0. Windows touch no missing value.
 */
export function windowRanges(rows: number, split: Split, shape: WindowShape, marks: RowMarks): Record<SplitName, Range[]> {
  const { lookback, horizon } = shape;
  const result: Record<SplitName, Range[]> = { train: [], validation: [], test: [] };
  // Bad rows among the first r: a stretch is clean when its two ends count the same.
  const inputsBefore = countBefore(marks.inputMissing);
  const targetsBefore = countBefore(marks.targetMissing);
  const breaksBefore = countBefore(marks.broken);
  for (const name of splitNames) {
    const [start, end] = split[name];
    const first = Math.max(0, start - lookback);
    const last = Math.min(rows, end) - lookback - horizon;
    let open = -1;
    for (let window = first; window <= last; window += 1) {
      const border = window + lookback;
      const isClean =
        inputsBefore[border] === inputsBefore[window] &&
        targetsBefore[border + horizon] === targetsBefore[border] &&
        breaksBefore[border + horizon] === breaksBefore[window + 1] &&
        marks.filled[border - 1] === 0;
      if (isClean && open < 0) open = window;
      if (!isClean && open >= 0) {
        result[name].push([open, window]);
        open = -1;
      }
    }
    if (open >= 0) result[name].push([open, last + 1]);
  }
  return result;
}

function countBefore(marks: Uint8Array): Uint32Array {
  const counts = new Uint32Array(marks.length + 1);
  for (let row = 0; row < marks.length; row += 1) counts[row + 1] = (counts[row] as number) + (marks[row] as number);
  return counts;
}

export function countWindows(ranges: readonly Range[]): number {
  return ranges.reduce((sum, [start, end]) => sum + end - start, 0);
}
