/** Round values inside `[low, high]`, about `count` of them (0 = none), evenly spaced by 1, 2 or 5 × 10ⁿ. */
export function linearTicks(low: number, high: number, count: number): number[] {
  if (count === 0) return [];
  if (!(high > low)) return [low];
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const share = rough / power;
  const step = (share < 1.5 ? 1 : share < 3.5 ? 2 : share < 7.5 ? 5 : 10) * power;
  const ticks: number[] = [];
  for (let index = Math.ceil(low / step - 1e-9); index * step <= high + step * 1e-9; index++) {
    ticks.push(Number((index * step).toPrecision(12)));
  }
  return ticks;
}

/** Labels of a logarithmic axis: decades, with 3 × 10ⁿ between where there are few, round values within one decade. */
export function logTicks(low: number, high: number, count: number): number[] {
  if (!(low > 0) || !(high > low)) return [low];
  const decades = Math.log10(high / low);
  if (decades < 1) return spacedTicks(linearTicks(low, high, count), (0.6 * decades) / count);
  const every = Math.max(1, Math.ceil(decades / count));
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    const candidates = decades <= count / 2 ? [1, 3] : power % every === 0 ? [1] : [];
    for (const factor of candidates) {
      const value = Number((factor * 10 ** power).toPrecision(12));
      if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)) ticks.push(value);
    }
  }
  return ticks;
}

/** Those of rising labels that are at least `least` decades apart, from the lowest on: upwards even steps come closer and closer. */
function spacedTicks(ticks: readonly number[], least: number): number[] {
  const kept: number[] = [];
  for (const tick of ticks) {
    const last = kept.at(-1);
    if (last === undefined || Math.log10(tick / last) >= least) kept.push(tick);
  }
  return kept;
}

/** Real minus sign, also in exponents. */
export function realMinus(text: string): string {
  return text.replaceAll('-', '−');
}

/** A number on an axis: short, `12k` for thousands, `2e−3` below a hundredth. */
export function axisNumber(value: number): string {
  const size = Math.abs(value);
  if (value === 0) return '0';
  if (size >= 1e9 || size < 0.01) return realMinus(value.toExponential().replace('e+', 'e'));
  if (size >= 1e6) return realMinus(`${trimmed(value / 1e6)}M`);
  if (size >= 1000) return realMinus(`${trimmed(value / 1000)}k`);
  return realMinus(trimmed(value));
}

/** All labels of one axis; with the same number of decimals where they lie within a decade. */
export function axisNumbers(values: readonly number[]): string[] {
  const labels = values.map(axisNumber);
  if (labels.some((label) => /[ekM]/.test(label))) return labels;
  const decimals = Math.max(...labels.map((label) => label.split('.')[1]?.length ?? 0));
  const sizes = values.map(Math.abs);
  const isOneDecade = Math.min(...sizes) > 0 && Math.max(...sizes) / Math.min(...sizes) < 10;
  return decimals === 0 || !isOneDecade ? labels : values.map((value) => realMinus(value.toFixed(decimals)));
}

function trimmed(value: number): string {
  return String(Number(value.toPrecision(4)));
}
