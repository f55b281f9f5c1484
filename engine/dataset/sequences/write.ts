import { join } from 'node:path';
import type { SequenceDataset, Split } from '../../contracts';
import { writeBinary } from '../write-binary';

/** Sequences in memory, one behind the other; the counterpart of the three files. */
export type SequenceBody =
  /** `values` `[steps, columns]`, `targets` `[sequences, targetColumns]`. */
  | { kind: 'values'; columns: string[]; values: Float32Array; targetColumns: string[]; targets: Float32Array }
  /** `values` `[steps, entries]`, each 0 or 1. */
  | { kind: 'bits'; entries: number; lowest: number; values: Uint8Array }
  /** `values` and `targets` `[steps]`; 65535 = no label. */
  | { kind: 'labels'; symbols: string[]; labels: string[]; values: Uint16Array; targets: Uint16Array };

export interface Sequences {
  lengths: Uint32Array;
  split: Split;
  body: SequenceBody;
}

export const noLabel = 0xffff;

/** Writes the files into `folder` and gives what `dataset.json` says of them. */
export async function writeSequences(folder: string, { lengths, split, body }: Sequences, signal: AbortSignal): Promise<Omit<SequenceDataset, 'format' | 'id' | 'createdAt' | 'source' | 'warnings' | 'task' | 'generated'>> {
  const checksum = await writeBinary(join(folder, 'values.bin'), body.values, signal);
  const checksums = {
    lengths: await writeBinary(join(folder, 'lengths.bin'), lengths, signal),
    targets: body.kind === 'bits' ? null : await writeBinary(join(folder, 'targets.bin'), body.targets, signal),
  };
  return {
    kind: 'sequences',
    split,
    checksum,
    checksums,
    sequences: lengths.length,
    steps: lengths.reduce((sum, length) => sum + length, 0),
    shortest: lengths.reduce((least, length) => Math.min(least, length), Infinity),
    longest: lengths.reduce((most, length) => Math.max(most, length), 0),
    columns: body.kind === 'values' ? ranges(body.columns, body.values) : body.kind === 'bits' ? Array.from({ length: body.entries }, (_, entry) => ({ name: String(body.lowest + entry), min: 0, max: 1 })) : [],
    targetColumns: body.kind === 'values' ? ranges(body.targetColumns, body.targets) : [],
    lowest: body.kind === 'bits' ? body.lowest : null,
    symbols: body.kind === 'labels' ? body.symbols : [],
    labels: body.kind === 'labels' ? body.labels : [],
  };
}

function ranges(names: string[], values: Float32Array): { name: string; min: number; max: number }[] {
  return names.map((name, column) => {
    let [min, max] = [Infinity, -Infinity];
    for (let at = column; at < values.length; at += names.length) {
      min = Math.min(min, values[at] as number);
      max = Math.max(max, values[at] as number);
    }
    return { name, min, max };
  });
}
