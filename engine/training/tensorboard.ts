import { open, readdir, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import protobuf from 'protobufjs';
import type { Metrics, MetricsRecord } from '../contracts';
import { isMissing } from '../workspace';
import { parseRecord } from './metrics-log';

/**
 * `events.out.tfevents.*` of a run, which TensorBoard reads: the numbers of `metrics.jsonl` by step. It follows that log, which
 * the trainer writes, so it costs the training nothing; what a killed process left behind is caught up at the next start.
 * Messages: tensorflow/core/util/event.proto and framework/summary.proto; framing: tensorflow/core/lib/io/record_writer.h.
 */
const event = protobuf.Root.fromJSON({
  nested: {
    Event: {
      fields: {
        wallTime: { type: 'double', id: 1 },
        step: { type: 'int64', id: 2 },
        fileVersion: { type: 'string', id: 3 },
        summary: { type: 'Summary', id: 5 },
      },
    },
    Summary: { fields: { value: { rule: 'repeated', type: 'Value', id: 1 } } },
    Value: { fields: { tag: { type: 'string', id: 1 }, simpleValue: { type: 'float', id: 2 } } },
  },
}).lookupType('Event');

export interface EventRecord {
  /** Seconds since 1970. */
  wallTime: number;
  step: number;
  fileVersion?: string;
  summary?: { value: { tag: string; simpleValue: number }[] } | null;
}

/** CRC-32C (Castagnoli), reflected. */
const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crcTable[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** A checksum beside the data it is of would be weak; record files turn it and add a constant. */
function masked(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** One record: length (u64), its checksum, the message, its checksum; little-endian. */
export function encodeEvent(record: EventRecord): Uint8Array {
  const message = event.encode(event.fromObject(record)).finish();
  const bytes = new Uint8Array(16 + message.length);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(message.length), true);
  view.setUint32(8, masked(bytes.subarray(0, 8)), true);
  bytes.set(message, 12);
  view.setUint32(12 + message.length, masked(message), true);
  return bytes;
}

/** Whole records from the start of a file, each with the place where it ends; stops at the first that is torn or damaged. */
export function* decodeEvents(bytes: Uint8Array): Generator<{ record: EventRecord; end: number }> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 16 <= bytes.length; ) {
    const length = Number(view.getBigUint64(at, true));
    const end = at + 16 + length;
    if (end > bytes.length || view.getUint32(at + 8, true) !== masked(bytes.subarray(at, at + 8))) return;
    const message = bytes.subarray(at + 12, at + 12 + length);
    if (view.getUint32(end - 4, true) !== masked(message)) return;
    yield { record: event.toObject(event.decode(message), { longs: Number, defaults: true }) as EventRecord, end };
    at = end;
  }
}

/** TensorBoard draws over steps, so of the lags a few stand for all. */
const shownLags = new Set([0, 1, 3, 7, 15, 31, 63]);
function namedMetrics(metrics: Metrics): [string, number][] {
  if ('bitsPerCharacter' in metrics) return [['bitsPerCharacter', metrics.bitsPerCharacter], ['perplexity', metrics.perplexity]];
  if ('accuracy' in metrics) return [['accuracy', metrics.accuracy], ['sequencesRight', metrics.sequencesRight]];
  if ('frames' in metrics) return [];
  if ('r2' in metrics) return [['mse', metrics.mse], ['mae', metrics.mae], ...(metrics.r2 === null ? [] : [['r2', metrics.r2] as [string, number]])];
  return [['mse', metrics.mse], ['mae', metrics.mae], ['rawMse', metrics.raw.mse], ['rawMae', metrics.raw.mae]];
}

/** A line of the log as TensorBoard's scalars; null where it has none. Train and test of an end belong to the best step and would go back in time. */
export function scalars(record: MetricsRecord): { tag: string; simpleValue: number }[] | null {
  if (record.kind === 'step') {
    return [
      { tag: 'loss/train', simpleValue: record.loss },
      { tag: 'optimizer/learningRate', simpleValue: record.learningRate },
      { tag: 'optimizer/gradientNorm', simpleValue: record.gradientNorm },
      { tag: 'throughput/tokensPerSecond', simpleValue: record.tokensPerSecond },
    ];
  }
  if (record.kind === 'movement') return record.groups.map(({ name, ratio }) => ({ tag: `update/${name}`, simpleValue: ratio }));
  if (record.kind === 'saturation') {
    return record.gates.flatMap(({ layer, gate, shut, open: wide }) => [
      { tag: `saturation/${layer}.${gate}.shut`, simpleValue: shut },
      { tag: `saturation/${layer}.${gate}.open`, simpleValue: wide },
    ]);
  }
  if (record.kind === 'lags') {
    return record.layers.flatMap(({ layer, lags, norms }) =>
      lags.flatMap((lag, index) => (shownLags.has(lag) ? [{ tag: `gradientLag/${layer}.${lag}`, simpleValue: norms[index] ?? 0 }] : [])),
    );
  }
  if (record.kind !== 'evaluation' || record.split !== 'validation') return null;
  const { metrics } = record;
  const named = namedMetrics(metrics);
  return [{ tag: 'loss/validation', simpleValue: metrics.loss }, ...named.map(([name, simpleValue]) => ({ tag: `validation/${name}`, simpleValue }))];
}

/** What is read, encoded or decoded before the event loop gets its turn. */
const chunkBytes = 64 * 1024;
const recordsBetweenPauses = 500;

export interface EventLog {
  /** Writes what the log has gained since. */
  follow(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens a run's event file, or makes one, cut back to `step` as the log is. `startedAt` is when the run first began: an
 * event's time is that and the training's own clock, so that a turned system clock moves no point.
 */
export async function openEventLog(directory: string, metrics: string, step: number, startedAt: Date): Promise<EventLog> {
  const present = (await readdir(directory)).find((name) => name.startsWith('events.out.tfevents.'));
  const file = await open(join(directory, present ?? `events.out.tfevents.${Math.floor(startedAt.getTime() / 1000)}.sluice`), present ? 'r+' : 'w+');
  try {
    let size = 0;
    /** Step of the last event of each kind: what the log says up to there is in the file. */
    const written: Written = { step: 0, evaluation: 0, movement: 0, saturation: -1, lags: 0 };
    let wallTime = startedAt.getTime() / 1000;
    let count = 0;
    for (const { record, end } of decodeEvents(await file.readFile())) {
      if (record.step > step) break;
      count += 1;
      if (count % recordsBetweenPauses === 0) await setImmediate();
      size = end;
      wallTime = record.wallTime;
      const kind = kindOf(record);
      if (kind) written[kind] = Math.max(written[kind], record.step);
    }
    await file.truncate(size);
    if (size === 0) {
      const version = encodeEvent({ wallTime, step: 0, fileVersion: 'brain.Event:2' });
      await file.write(version, 0, version.length, 0);
      size = version.length;
    }
    return createFollower(file, metrics, { size, written, wallTime, startedAt });
  } catch (error) {
    await file.close();
    throw error;
  }
}

type Written = Record<'step' | 'evaluation' | 'movement' | 'saturation' | 'lags', number>;

/** Which kind of line an event was made of; null for the file's head. */
function kindOf(record: EventRecord): keyof Written | null {
  const tag = record.summary?.value[0]?.tag;
  if (tag === undefined) return null;
  const kinds: Record<string, keyof Written> = { 'loss/train': 'step', update: 'movement', saturation: 'saturation', gradientLag: 'lags' };
  return kinds[tag] ?? kinds[tag.slice(0, tag.indexOf('/'))] ?? 'evaluation';
}

function createFollower(file: FileHandle, metrics: string, from: { size: number; written: Written; wallTime: number; startedAt: Date }): EventLog {
  const { written, startedAt } = from;
  let { size, wallTime } = from;
  let position = 0;
  let rest = Buffer.alloc(0);

  const encodeLine = (line: string): Uint8Array | null => {
    const record = parseRecord(line, -1);
    if (record === null || record.kind === 'sample' || record.kind === 'change' || record.step <= written[record.kind]) return null;
    if (record.kind === 'step') wallTime = (startedAt.getTime() + record.elapsedMs) / 1000;
    const value = scalars(record);
    return value && encodeEvent({ wallTime, step: record.step, summary: { value } });
  };

  const readOn = async (): Promise<void> => {
    let log: FileHandle;
    try {
      log = await open(metrics, 'r');
    } catch (error) {
      if (isMissing(error)) return;
      throw error;
    }
    try {
      for (;;) {
        const { bytesRead, buffer } = await log.read(Buffer.alloc(chunkBytes), 0, chunkBytes, position);
        if (bytesRead === 0) return;
        position += bytesRead;
        const content = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
        const end = content.lastIndexOf(0x0a) + 1;
        rest = content.subarray(end);
        const events = content.subarray(0, end).toString('utf8').split('\n').map(encodeLine).filter((bytes) => bytes !== null);
        const bytes = Buffer.concat(events);
        await file.write(bytes, 0, bytes.length, size);
        size += bytes.length;
        await setImmediate();
      }
    } finally {
      await log.close();
    }
  };

  let working: Promise<void> = Promise.resolve();
  return {
    follow() {
      working = working.then(readOn);
      return working;
    },
    async close() {
      await working.catch(() => undefined);
      await file.close();
    },
  };
}
