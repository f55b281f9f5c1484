/** Positions on a logarithmic axis of milliseconds, 0 at its left end and 1 at its right. */
export interface LatencyScale {
  at(milliseconds: number): number;
  ticks: number[];
}

/** Whole decades and their halves (0.1, 0.5, 1, 5 …) around the values given. */
export function latencyScale(values: number[]): LatencyScale {
  const low = Math.floor(Math.log10(Math.min(...values)) - 0.01);
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values)) + 0.01));
  const ticks: number[] = [];
  for (let decade = low; decade <= high; decade++) {
    ticks.push(Number((10 ** decade).toPrecision(3)));
    if (decade < high && high - low <= 3) ticks.push(Number((5 * 10 ** decade).toPrecision(3)));
  }
  return { at: (milliseconds) => (Math.log10(milliseconds) - low) / (high - low), ticks };
}
