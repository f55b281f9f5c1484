/** A part of a range, as `[from, to]`; null stands for all of it. */
export type Zoom = [number, number] | null;

/** The part from `low` to `high`, moved inside the range and never smaller than `least`; null where it covers all. */
export function zoomTo([first, last]: readonly [number, number], low: number, high: number, least: number): Zoom {
  const width = Math.max(least, high - low);
  if (width >= last - first) return null;
  const start = Math.min(Math.max(low, first), last - width);
  return [start, start + width];
}

/** The part `factor` times as wide as now, with what lies at `at` staying where it is. */
export function zoomAt(range: readonly [number, number], now: Zoom, at: number, factor: number, least: number): Zoom {
  const [low, high] = now ?? range;
  return zoomTo(range, at - (at - low) * factor, at + (high - at) * factor, least);
}
