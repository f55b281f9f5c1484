export interface Points {
  x: ArrayLike<number>;
  y: ArrayLike<number>;
}

/**
 * Exponential moving average without start-up bias: the weight of what came before is `weight` per point.
 * Non-finite values leave a gap and do not enter the mean.
 */
export function smoothed(y: ArrayLike<number>, weight: number): Float64Array {
  const out = new Float64Array(y.length);
  let mean = 0;
  let mass = 0;
  for (let index = 0; index < y.length; index++) {
    const value = y[index]!;
    if (Number.isFinite(value)) {
      mean = mean * weight + value * (1 - weight);
      mass = mass * weight + (1 - weight);
      out[index] = mean / mass;
    } else {
      out[index] = NaN;
    }
  }
  return out;
}

/** The same over ratios in place of differences, for values that fall over orders of magnitude; none may be 0 or below. */
export function smoothedRatios(y: ArrayLike<number>, weight: number): Float64Array {
  // Without smoothing the values stay as they are, to the last digit.
  if (weight === 0) return Float64Array.from(y);
  for (let index = 0; index < y.length; index++) if (y[index]! <= 0) return smoothed(y, weight);
  return smoothed(Float64Array.from(y, Math.log), weight).map(Math.exp);
}

/** First index whose x is at least `value`; x must not fall. */
export function lowerBound(x: ArrayLike<number>, value: number): number {
  let low = 0;
  let high = x.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Index of the x nearest to `value`, −1 where there is none. */
export function nearestIndex(x: ArrayLike<number>, value: number): number {
  if (x.length === 0) return -1;
  const right = Math.min(lowerBound(x, value), x.length - 1);
  const left = Math.max(0, right - 1);
  return Math.abs(x[left]! - value) <= Math.abs(x[right]! - value) ? left : right;
}

/** The finite value of the last point at or before `at`; null where there is none yet. */
export function valueAt(x: ArrayLike<number>, y: ArrayLike<number>, at: number): number | null {
  let index = lowerBound(x, at);
  if (x[index] !== at) index -= 1;
  for (; index >= 0; index--) if (Number.isFinite(y[index]!)) return y[index]!;
  return null;
}

/** Above this many points in view a line shows the minimum and maximum of every pixel column. */
export const pointsBeforeReduction = 2000;

/**
 * The points of `[from, to]` (and one neighbour on each side, so that lines reach the edge). Where more than
 * `pointsBeforeReduction` are in view, each of `pixels` columns keeps its lowest and highest in their order: a
 * spike of one point stays visible.
 */
export function pointsInView(points: Points, from: number, to: number, pixels: number): [number, number][] {
  const { x, y } = points;
  const start = Math.max(0, lowerBound(x, from) - 1);
  let end = lowerBound(x, to);
  while (end < x.length && x[end]! <= to) end++;
  end = Math.min(x.length, end + 1);
  const out: [number, number][] = [];
  if (end - start <= pointsBeforeReduction) {
    for (let index = start; index < end; index++) out.push([x[index]!, y[index]!]);
    return out;
  }
  const columnOf = (index: number) => Math.floor(((x[index]! - from) / (to - from)) * pixels);
  let index = start;
  while (index < end) {
    const column = columnOf(index);
    let low = index;
    let high = index;
    let gap = -1;
    for (; index < end && columnOf(index) === column; index++) {
      const value = y[index]!;
      if (!Number.isFinite(value)) gap = index;
      if (value < y[low]! || !Number.isFinite(y[low]!)) low = index;
      if (value > y[high]! || !Number.isFinite(y[high]!)) high = index;
    }
    const kept = [...new Set([low, high, ...(gap >= 0 ? [gap] : [])])].sort((a, b) => a - b);
    for (const one of kept) out.push([x[one]!, y[one]!]);
  }
  return out;
}

/** At most about `most` points: each the mean of its neighbours' finite values, at the x of the last of them. */
export function bucketMeans({ x, y }: Points, count: number, most: number): [number, number][] {
  const size = Math.max(1, Math.floor(count / most));
  const out: [number, number][] = [];
  for (let start = 0; start < count; start += size) {
    const end = Math.min(count, start + size);
    let sum = 0;
    let finite = 0;
    for (let index = start; index < end; index++) {
      if (!Number.isFinite(y[index]!)) continue;
      sum += y[index]!;
      finite += 1;
    }
    if (finite > 0) out.push([x[end - 1]!, sum / finite]);
  }
  return out;
}

/** Lowest and highest finite value of the points within `[from, to]`; null where there is none. */
export function extent(points: Points, from: number, to: number): [number, number] | null {
  let low = Infinity;
  let high = -Infinity;
  for (let index = lowerBound(points.x, from); index < points.x.length && points.x[index]! <= to; index++) {
    const value = points.y[index]!;
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : null;
}
