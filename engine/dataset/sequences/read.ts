import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SequenceDataset, SequenceProfile, SequenceRow, SplitName } from '../../contracts';
import { checkFile } from '../integrity';
import { splitNames } from '../split';
import { noLabel } from './write';

const bytesPerStep = ({ task, columns }: SequenceDataset): number => (task.kind === 'regress' ? 4 * columns.length : task.kind === 'binary-vectors' ? columns.length : 2);

/** The path of a whole `values.bin`, after its neighbours were looked at too. Throws DATASET_DAMAGED. */
export async function checkSequences(folder: string, dataset: SequenceDataset): Promise<string> {
  const { checksums, sequences, steps, task } = dataset;
  const path = join(folder, 'values.bin');
  await checkFile(path, steps * bytesPerStep(dataset), dataset.checksum, 'file');
  await checkFile(join(folder, 'lengths.bin'), sequences * 4, checksums.lengths, 'file');
  if (checksums.targets !== null) {
    const bytes = task.kind === 'regress' ? sequences * dataset.targetColumns.length * 4 : steps * 2;
    await checkFile(join(folder, 'targets.bin'), bytes, checksums.targets, 'file');
  }
  return path;
}

/** First step of every sequence, and the end of the last. */
export async function sequenceStarts(folder: string): Promise<Uint32Array> {
  const bytes = await readFile(join(folder, 'lengths.bin'));
  const starts = new Uint32Array(bytes.length / 4 + 1);
  for (let number = 0; number + 1 < starts.length; number += 1) starts[number + 1] = (starts[number] as number) + bytes.readUInt32LE(number * 4);
  return starts;
}

async function readRange(path: string, start: number, end: number): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const bytes = Buffer.alloc(end - start);
    await file.read(bytes, 0, bytes.length, start);
    return bytes;
  } finally {
    await file.close();
  }
}

export function splitOf({ split }: Pick<SequenceDataset, 'split'>, number: number): SplitName | null {
  return splitNames.find((name) => number >= split[name][0] && number < split[name][1]) ?? null;
}

/** Sequences `[offset, offset + limit)` as their user knows them. */
export async function readSequences(folder: string, dataset: SequenceDataset, offset: number, limit: number): Promise<SequenceRow[]> {
  const path = await checkSequences(folder, dataset);
  const starts = await sequenceStarts(folder);
  const end = Math.min(dataset.sequences, offset + limit);
  if (offset >= end) return [];
  const width = bytesPerStep(dataset);
  const [from, to] = [starts[offset] as number, starts[end] as number];
  const values = await readRange(path, from * width, to * width);
  const targetsOf = (start: number, stop: number): Promise<Buffer> => readRange(join(folder, 'targets.bin'), start, stop);
  const { task, columns, targetColumns, symbols, labels } = dataset;
  const targetBytes = targetColumns.length * 4;
  const targets = task.kind === 'regress' ? await targetsOf(offset * targetBytes, end * targetBytes) : task.kind === 'label' ? await targetsOf(from * 2, to * 2) : null;
  return Array.from({ length: end - offset }, (_, index) => {
    const number = offset + index;
    const first = (starts[number] as number) - from;
    const length = (starts[number + 1] as number) - from - first;
    const row: SequenceRow = { number, split: splitOf(dataset, number), length };
    const eachStep = <T>(value: (step: number) => T): T[] => Array.from({ length }, (_, step) => value(first + step));
    if (task.kind === 'regress' && targets) {
      row.values = eachStep((step) => columns.map((_, column) => values.readFloatLE(step * width + column * 4)));
      row.targets = targetColumns.map((_, column) => targets.readFloatLE(index * targetBytes + column * 4));
    } else if (task.kind === 'binary-vectors') {
      row.ones = eachStep((step) => columns.flatMap((_, entry) => (values[step * width + entry] === 1 ? [entry] : [])));
    } else if (targets) {
      row.symbols = eachStep((step) => symbols[values.readUInt16LE(step * 2)] ?? '');
      row.labels = eachStep((step) => {
        const label = targets.readUInt16LE(step * 2);
        return label === noLabel ? null : (labels[label] ?? '');
      });
    }
    return row;
  });
}

const histogramBars = 24;

function histogram(values: Float32Array | Uint32Array, min: number, max: number): number[] {
  const counts = new Array<number>(histogramBars).fill(0);
  const width = max - min || 1;
  for (const value of values) {
    const bar = Math.min(histogramBars - 1, Math.floor(((value - min) / width) * histogramBars));
    counts[bar] = (counts[bar] as number) + 1;
  }
  return counts;
}

/** What the Data screen draws of sequences. */
export async function profileSequences(folder: string, dataset: SequenceDataset): Promise<SequenceProfile> {
  const path = await checkSequences(folder, dataset);
  const starts = await sequenceStarts(folder);
  const lengths = Uint32Array.from({ length: dataset.sequences }, (_, number) => (starts[number + 1] as number) - (starts[number] as number));
  const { shortest, longest, task } = dataset;
  const bars = Math.min(histogramBars, longest - shortest + 1);
  const step = (longest - shortest + 1) / bars;
  const counts = Array.from({ length: bars }, (_, bar) => ({ from: shortest + Math.ceil(bar * step), to: shortest + Math.ceil((bar + 1) * step) - 1, count: 0 }));
  for (const length of lengths) {
    const bar = counts.find(({ to }) => length <= to);
    if (bar) bar.count += 1;
  }
  const profile: SequenceProfile = { kind: 'sequences', lengths: counts, ones: [], labels: [], target: null };
  if (task.kind === 'binary-vectors') {
    const values = await readFile(path);
    const entries = dataset.columns.length;
    const ones = new Array<number>(entries).fill(0);
    for (let at = 0; at < values.length; at += 1) if (values[at] === 1) ones[at % entries] = (ones[at % entries] as number) + 1;
    profile.ones = ones.map((count) => count / dataset.steps);
  } else {
    const bytes = await readFile(join(folder, 'targets.bin'));
    if (task.kind === 'label') {
      const labels = new Array<number>(dataset.labels.length).fill(0);
      for (let at = 0; at < bytes.length; at += 2) {
        const label = bytes.readUInt16LE(at);
        if (label !== noLabel) labels[label] = (labels[label] ?? 0) + 1;
      }
      profile.labels = labels;
    } else {
      const width = dataset.targetColumns.length;
      const first = Float32Array.from({ length: dataset.sequences }, (_, number) => bytes.readFloatLE(number * width * 4));
      const { min, max } = dataset.targetColumns[0] ?? { min: 0, max: 0 };
      profile.target = { min, max, mean: first.reduce((sum, value) => sum + value, 0) / first.length, counts: histogram(first, min, max) };
    }
  }
  return profile;
}
