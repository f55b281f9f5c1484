import type { InsightRecord } from '../../../../engine/contracts';

/** What the newest record of a chart comes to: numbers to show, and whether they want attention. */
export type Verdict =
  | { kind: 'movement'; low: number; high: number; tone: 'plain' | 'fast' | 'slow' }
  | { kind: 'saturation'; high: number; tone: 'plain' | 'stuck' }
  /** `left`: ‖∂L/∂h‖ at the longest lag against that at the shortest, of the layer where least is left (or most, where it grows). */
  | { kind: 'lags'; left: number; lag: number; step: number; tone: 'plain' | 'vanishes' | 'explodes' };

/** Usual update ratios lie around 0.001; a factor of ten either way is no reason to worry. */
const usualMovement = [1e-4, 1e-2] as const;
const mostSaturated = 0.8;
const vanished = 1e-3;
const exploded = 1e3;

export function movementVerdict(insights: readonly InsightRecord[]): Verdict | null {
  const newest = insights.findLast((record) => record.kind === 'movement');
  const ratios = newest?.groups.map(({ ratio }) => ratio).filter(Number.isFinite) ?? [];
  if (ratios.length === 0) return null;
  const [low, high] = [Math.min(...ratios), Math.max(...ratios)];
  return { kind: 'movement', low, high, tone: high > usualMovement[1] ? 'fast' : high < usualMovement[0] ? 'slow' : 'plain' };
}

/** `shares`: the newest share of each layer. */
export function saturationVerdict(shares: readonly number[]): Verdict | null {
  const found = shares.filter(Number.isFinite);
  if (found.length === 0) return null;
  const high = Math.max(...found);
  return { kind: 'saturation', high, tone: high > mostSaturated ? 'stuck' : 'plain' };
}

export function lagVerdict(insights: readonly InsightRecord[]): Verdict | null {
  const newest = insights.findLast((record) => record.kind === 'lags');
  const found = (newest?.layers ?? []).flatMap(({ lags, norms }) => {
    const [first, last] = [norms[0], norms.at(-1)];
    return norms.length > 1 && first !== undefined && last !== undefined && first > 0 ? [{ left: last / first, lag: lags.at(-1)! }] : [];
  });
  if (!newest || found.length === 0) return null;
  const grown = found.reduce((most, one) => (one.left > most.left ? one : most));
  const { left, lag } = grown.left > exploded ? grown : found.reduce((least, one) => (one.left < least.left ? one : least));
  return { kind: 'lags', left, lag, step: newest.step, tone: left > exploded ? 'explodes' : left < vanished ? 'vanishes' : 'plain' };
}
