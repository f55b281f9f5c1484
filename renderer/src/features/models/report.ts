import type { ExportReport, TensorInfo, VerificationCase } from '../../../../engine/contracts';

export type WeightKind = VerificationCase['weights'] | 'all';

export interface DifferenceGrid {
  batches: number[];
  times: number[];
  /** Row by batch, column by time; null where nothing was compared. */
  cells: ({ batch: number; time: number; error: number; share: number } | null)[][];
  /** Power of ten that the cells are written in. */
  exponent: number;
}

/** Largest difference of every shape over the comparisons of one kind of weights. */
export function differenceGrid(cases: VerificationCase[], kind: WeightKind): DifferenceGrid {
  const chosen = cases.filter(({ weights }) => kind === 'all' || weights === kind);
  const distinct = (values: number[]): number[] => [...new Set(values)].sort((a, b) => a - b);
  const batches = distinct(chosen.map(({ batch }) => batch));
  const times = distinct(chosen.map(({ time }) => time));
  const cells = batches.map((batch) =>
    times.map((time) => {
      const here = chosen.filter((entry) => entry.batch === batch && entry.time === time);
      if (here.length === 0) return null;
      return { batch, time, error: Math.max(...here.map(({ maxAbsoluteError }) => maxAbsoluteError)), share: Math.max(...here.map(({ boundShare }) => boundShare)) };
    }),
  );
  const largest = Math.max(...chosen.map(({ maxAbsoluteError }) => maxAbsoluteError), 0);
  return { batches, times, cells, exponent: largest > 0 ? Math.floor(Math.log10(largest)) : 0 };
}

/** Place of a difference on the openness map: shares of the limit by decades, 10⁻⁴ and less dark, 1 bright. */
export function shareTone(share: number): number {
  return Math.min(1, Math.max(0, (Math.log10(Math.max(share, 1e-12)) + 4) / 4));
}

/** `3.4e-7` as `3.4` and `⁻⁷`. */
export function scientific(value: number): { mantissa: string; exponent: string } {
  if (value === 0) return { mantissa: '0', exponent: superscript(0) };
  const [mantissa, exponent] = value.toExponential(1).split('e') as [string, string];
  return { mantissa, exponent: superscript(Number(exponent)) };
}

export function superscript(value: number): string {
  const digits = '⁰¹²³⁴⁵⁶⁷⁸⁹';
  return (value < 0 ? '⁻' : '') + Array.from(String(Math.abs(value)), (digit) => digits[Number(digit)]).join('');
}

/** Letters for free sizes as the design writes them. */
export function shapeText(shape: (string | number)[]): string {
  const letters: Record<string, string> = { batch: 'B', time: 'T' };
  return `[${shape.map((size) => (typeof size === 'string' ? (letters[size] ?? size) : size)).join(', ')}]`;
}

export interface PortRow {
  names: string;
  type: string;
  shape: string;
}

/** Inputs or outputs; those that follow each other with the same type and shape share a row (`h0_l0, c0_l0`). */
export function portRows(tensors: { name: string; type: string; shape: (string | number)[] }[]): PortRow[] {
  const rows: (PortRow & { count: number })[] = [];
  for (const { name, type, shape } of tensors) {
    const text = shapeText(shape);
    const last = rows.at(-1);
    // A gate keeps to its layer: `l0.i … l0.h`, then `l1.i … l1.h`.
    const family = /^(l\d+(?:_reverse)?)\./.exec(name)?.[1];
    const lastFamily = last && /^(l\d+(?:_reverse)?)\./.exec(last.names)?.[1];
    if (last && last.type === type && last.shape === text && family === lastFamily) {
      last.count += 1;
      last.names = last.count <= 2 || family === undefined ? `${last.names}, ${name}` : `${last.names.split(/, | … /)[0]} … ${name}`;
    } else rows.push({ names: name, type, shape: text, count: 1 });
  }
  return rows.map(({ names, type, shape }) => ({ names, type, shape }));
}

/** State pairs as `h0 c0 → hn cn`; null for a stateless file. */
export function statePairText(report: Pick<ExportReport, 'inputs' | 'outputs'>): string | null {
  const stems = (tensors: TensorInfo[], pattern: RegExp): string[] => [...new Set(tensors.flatMap(({ name }) => pattern.exec(name)?.[1] ?? []))].sort().reverse();
  const into = stems(report.inputs, /^([hc]0)_l\d+$/);
  const out = stems(report.outputs, /^([hc]n)_l\d+$/);
  return into.length > 0 ? `${into.join(' ')} → ${out.join(' ')}` : null;
}

export function gateOutputs(outputs: { name: string }[]): string[] {
  return outputs.map(({ name }) => name).filter((name) => /^l\d+(_reverse)?\.[a-z]$/.test(name));
}

export function fileName(path: string): string {
  return path.split(/[\\/]/).pop() ?? path;
}

/** The recurrent operators of a file in order: `LSTM · GRU`, `GRU × 14`. */
export function recurrentSummary(nodes: { operator: string }[]): string {
  const runs: { operator: string; count: number }[] = [];
  for (const { operator } of nodes) {
    if (!['RNN', 'LSTM', 'GRU'].includes(operator)) continue;
    const last = runs.at(-1);
    if (last?.operator === operator) last.count += 1;
    else runs.push({ operator, count: 1 });
  }
  return runs.map(({ operator, count }) => (count > 1 ? `${operator} × ${count}` : operator)).join(' · ');
}
