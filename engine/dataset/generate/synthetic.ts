import type { GeneratedFrom } from '../../contracts';
import { noLabel, type SequenceBody } from '../sequences/write';
import type { Random } from './random';

export interface Counts {
  train: number;
  validation: number;
  test: number;
}

/** A task that is made up: its usual sizes and how its sequences are drawn, in the order train, validation, test. */
export interface Synthetic {
  length: number;
  /** Training sequences. */
  count: number;
  least: number;
  make(options: { length: number; counts: Counts; random: Random }): { lengths: Uint32Array; body: SequenceBody; baseline: GeneratedFrom['baseline'] };
}

/** Symbols and labels by their numbers, as the files hold them; null = no label. */
export function labelBody(symbols: readonly string[], labels: readonly string[], rows: readonly { symbols: number[]; labels: (number | null)[] }[]): { lengths: Uint32Array; body: SequenceBody } {
  return {
    lengths: Uint32Array.from(rows, (row) => row.symbols.length),
    body: {
      kind: 'labels',
      symbols: [...symbols],
      labels: [...labels],
      values: Uint16Array.from(rows.flatMap((row) => row.symbols)),
      targets: Uint16Array.from(rows.flatMap((row) => row.labels.map((label) => label ?? noLabel))),
    },
  };
}
