import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readMetrics } from './metrics-log';
import { createTimeLeft } from './time-left';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-metrics-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const step = (number: number) => ({ kind: 'step', step: number, epoch: 0, loss: 1 / number, gradientNorm: 1, learningRate: 0.01, elapsedMs: number, tokensPerSecond: 5 });

it('reads the records above a step and leaves a torn last line for later', async () => {
  const path = join(folder, 'metrics.jsonl');
  const whole = JSON.stringify(step(3));
  await writeFile(path, `${JSON.stringify(step(1))}\n${JSON.stringify(step(2))}\n${whole.slice(0, 40)}`);
  expect((await readMetrics(path, -1)).map((record) => record.step)).toEqual([1, 2]);
  await appendFile(path, `${whole.slice(40)}\n`);
  expect((await readMetrics(path, 1)).map((record) => record.step)).toEqual([2, 3]);
});

it('takes a missing log for an empty one', async () => {
  expect(await readMetrics(join(folder, 'none.jsonl'), -1)).toEqual([]);
});

it('estimates the time left from the latest steps', () => {
  const timeLeft = createTimeLeft();
  expect(timeLeft.update(1, 1000, 100)).toBeNull();
  expect(timeLeft.update(11, 2000, 111)).toBeCloseTo(10);
  // Slower from now on: after half a minute only the slow steps count.
  for (let now = 3000, at = 12; now <= 70_000; now += 1000, at += 1) timeLeft.update(at, now, 111);
  expect(timeLeft.update(80, 71_000, 111)).toBeCloseTo(31, 0);
  expect(timeLeft.update(81, 72_000, null)).toBeNull();
});
