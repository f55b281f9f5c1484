import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { crc32c, decodeEvents, encodeEvent, openEventLog } from './tensorboard';

const start = new Date('2026-01-01T00:00:00Z');
const line = (step: number): string => JSON.stringify({ kind: 'step', step, epoch: 1, loss: 4 / step, gradientNorm: 0.5, learningRate: 0.01, elapsedMs: step * 250, tokensPerSecond: 1000 });
const validation = (step: number): string => JSON.stringify({ kind: 'evaluation', step, split: 'validation', metrics: { loss: 2, bitsPerCharacter: 3, perplexity: 7, tokens: 9 }, best: true });

let folder: string;
let log: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-events-'));
  log = join(folder, 'metrics.jsonl');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const eventFile = async (): Promise<string> => {
  const names = (await readdir(folder)).filter((name) => name.includes('tfevents'));
  expect(names).toHaveLength(1);
  return join(folder, names[0] ?? '');
};
const events = async () => [...decodeEvents(await readFile(await eventFile()))].map(({ record }) => record);
const follow = async (step: number): Promise<void> => {
  const opened = await openEventLog(folder, log, step, start);
  await opened.follow();
  await opened.close();
};

describe('records', () => {
  it('carry the checksum of RFC 3720', () => {
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  });

  it('are read back as they were written, up to the first torn or changed byte', () => {
    const record = fc.record({
      wallTime: fc.double({ noNaN: true, noDefaultInfinity: true }),
      step: fc.nat(),
      summary: fc.record({ value: fc.array(fc.record({ tag: fc.string(), simpleValue: fc.float({ noNaN: true }) }), { minLength: 1 }) }),
    });
    const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 5 }), fc.nat(), fc.boolean(), (records, place, cut) => {
        const bytes = Buffer.concat(records.map(encodeEvent));
        const read = [...decodeEvents(bytes)];
        expect(plain(read.map((one) => one.record))).toMatchObject(plain(records) as object);
        expect(read.at(-1)?.end).toBe(bytes.length);
        const at = place % bytes.length;
        const hurt = cut ? bytes.subarray(0, at) : Buffer.from(bytes);
        if (!cut) hurt[at] = (hurt[at] ?? 0) ^ 1;
        const whole = read.filter(({ end }) => end <= at).length;
        expect([...decodeEvents(hurt)]).toHaveLength(whole);
      }),
    );
  });
});

describe("a run's event file", () => {
  it('follows the log, leaves a torn line for later, and places events by the training clock', async () => {
    await writeFile(log, `${line(1)}\n${line(2)}\n${validation(2)}\n${line(3).slice(0, 20)}`);
    const opened = await openEventLog(folder, log, 0, start);
    await opened.follow();
    await appendFile(log, `${line(3).slice(20)}\n`);
    await opened.follow();
    await opened.close();
    const [version, ...rest] = await events();
    expect(version).toMatchObject({ fileVersion: 'brain.Event:2' });
    expect(rest.map(({ step }) => step)).toEqual([1, 2, 2, 3]);
    expect(rest[2]?.summary?.value.map(({ tag }) => tag)).toEqual(['loss/validation', 'validation/bitsPerCharacter', 'validation/perplexity']);
    expect(rest[3]?.wallTime).toBe(start.getTime() / 1000 + 0.75);
    expect(rest[3]?.summary?.value.map(({ tag }) => tag)).toEqual(['loss/train', 'optimizer/learningRate', 'optimizer/gradientNorm', 'throughput/tokensPerSecond']);
  });

  it('is cut back with the log, catches up what a killed process left out, and repeats nothing', async () => {
    await writeFile(log, [line(1), line(2), line(3), line(4)].join('\n') + '\n');
    await follow(0);
    await appendFile(await eventFile(), Uint8Array.of(1, 2, 3));
    // The checkpoint stands at 3; the log also holds a validation that never came to the event file.
    await writeFile(log, [line(1), line(2), line(3), validation(3)].join('\n') + '\n');
    await follow(3);
    expect((await events()).map(({ step }) => step)).toEqual([0, 1, 2, 3, 3]);
    await follow(3);
    expect((await events()).map(({ step }) => step)).toEqual([0, 1, 2, 3, 3]);
    await writeFile(log, `${line(1)}\n`);
    await follow(0);
    expect((await events()).map(({ step }) => step)).toEqual([0, 1]);
  });
});

describe('what the log tells of the inside', () => {
  const inside = (step: number): string =>
    [
      { kind: 'movement', step, groups: [{ name: 'l0', ratio: 0.001 }] },
      { kind: 'saturation', step, gates: [{ layer: 'l0', gate: 'f', shut: 0.25, open: 0.5 }] },
      { kind: 'lags', step, layers: [{ layer: 'l0', lags: [0, 2, 3], norms: [1, 0.5, 0.25] }] },
      { kind: 'change', step, field: 'training.clip.norm', from: 5, to: null },
    ].map((record) => JSON.stringify(record)).join('\n');

  it('comes once, also where a killed process left half of a step', async () => {
    await writeFile(log, `${line(1)}\n${inside(1)}\n`);
    await follow(0);
    const scalars = (await events()).flatMap(({ summary }) => summary?.value.map(({ tag, simpleValue }) => [tag, simpleValue]) ?? []).slice(4);
    expect(scalars).toEqual([['update/l0', Math.fround(0.001)], ['saturation/l0.f.shut', 0.25], ['saturation/l0.f.open', 0.5], ['gradientLag/l0.0', 1], ['gradientLag/l0.3', 0.25]]);
    // The last event, that of the lags, was not written yet when the process was killed.
    const path = await eventFile();
    const bytes = await readFile(path);
    const whole = await events();
    await writeFile(path, bytes.subarray(0, [...decodeEvents(bytes)].at(-2)?.end));
    await follow(1);
    expect(await events()).toEqual(whole);
  });
});
