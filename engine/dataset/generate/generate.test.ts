import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GenerateRequest, SequenceRow } from '../../contracts';
import { readSequences } from '../sequences';
import { generate } from '.';
import { randomFrom } from './random';

async function made(request: Partial<GenerateRequest> & Pick<GenerateRequest, 'task'>) {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-generate-'));
  try {
    const dataset = await generate({ name: null, length: null, count: 40, seed: 1, ...request }, 'd', 'now', folder, new AbortController().signal);
    return { dataset, rows: await readSequences(folder, dataset, 0, 10_000) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
const of = (rows: SequenceRow[], split: SequenceRow['split']) => rows.filter((row) => row.split === split);

describe('draws', () => {
  it('are the same for a seed on every machine', () => {
    const random = randomFrom(7);
    expect(Array.from({ length: 4 }, () => random.uniform())).toEqual([0.33512237374835574, 0.7159868832979819, 0.14874944699370074, 0.5733988424561105]);
    expect(randomFrom(8).uniform()).not.toBe(0.33512237374835574);
  });

  it('stay within their limits and reach both', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.integer({ min: -5, max: 5 }), fc.nat(3), (seed, from, more) => {
        const random = randomFrom(seed);
        const values = Array.from({ length: 200 }, () => random.between(from, from + more));
        return values.every((value) => Number.isInteger(value)) && Math.min(...values) === from && Math.max(...values) === from + more;
      }),
    );
  });
});

describe('every task', () => {
  it.each(['adding', 'copy', 'anbn', 'recall-name'] as const)('%s is the same for a seed and another for another, with three parts', async (task) => {
    const first = await made({ task });
    expect(first.rows).toEqual((await made({ task })).rows);
    expect(first.rows).not.toEqual((await made({ task, seed: 2 })).rows);
    expect(first.dataset.split).toEqual({ train: [0, 40], validation: [40, 42], test: [42, 44] });
    expect(first.dataset.source.sha256).not.toBe((await made({ task, seed: 2 })).dataset.source.sha256);
    expect(first.dataset.generated).toMatchObject({ task, count: 40, seed: 1 });
  });
});

describe('adding', () => {
  it('marks a step in each half and asks for the sum of their values', async () => {
    const { rows, dataset } = await made({ task: 'adding', length: 9, count: 2000 });
    for (const { values = [], targets = [] } of rows) {
      const marked = values.flatMap(([value, mark], step) => (mark === 1 ? [{ value: value as number, step }] : []));
      expect(marked).toHaveLength(2);
      expect(marked[0]!.step).toBeLessThan(4);
      expect(marked[1]!.step).toBeGreaterThanOrEqual(4);
      expect(targets[0]).toBeCloseTo(marked[0]!.value + marked[1]!.value, 5);
      for (const [value] of values) expect(value).toSatisfy((one: number) => one >= 0 && one <= 1);
    }
    const costs = rows.map(({ targets }) => (targets![0]! - 1) ** 2);
    // The variance of the sum of two uniform values is 1/6; 2,200 of them have a standard error of 0.004.
    expect(costs.reduce((sum, cost) => sum + cost, 0) / costs.length).toSatisfy((mean: number) => Math.abs(mean - 1 / 6) < 0.02);
    const test = of(rows, 'test').map(({ targets }) => (targets![0]! - 1) ** 2);
    expect(dataset.generated?.baseline).toEqual({ metric: 'mse', value: expect.closeTo(test.reduce((sum, cost) => sum + cost, 0) / test.length, 5) });
  });
});

describe('copy', () => {
  it('asks for the ten symbols after the delay and for blanks before', async () => {
    const { rows, dataset } = await made({ task: 'copy', length: 5 });
    const { symbols, labels } = rows[0]!;
    expect(symbols).toHaveLength(25);
    expect(symbols!.slice(10).join('')).toBe('____:__________');
    expect(labels!.slice(0, 15).join('')).toBe('_'.repeat(15));
    expect(labels!.slice(15)).toEqual(symbols!.slice(0, 10));
    expect(dataset.generated?.baseline).toEqual({ metric: 'loss', value: (10 * Math.log(8)) / 25 });
  });
});

describe('anbn', () => {
  it('asks where the next symbol is certain, for longer strings in the test part only', async () => {
    const { rows } = await made({ task: 'anbn', length: 4, count: 200 });
    for (const row of rows) {
      const [, as, bs] = /^S(a+)(b+)$/.exec(row.symbols!.join(''))!;
      expect(as).toHaveLength(bs!.length);
      expect(as!.length).toSatisfy((n: number) => (row.split === 'test' ? n > 4 && n <= 8 : n <= 4));
      expect(row.labels!.map((label) => label ?? '.').join('')).toBe(`${'.'.repeat(1 + as!.length)}${bs!.slice(1)}T`);
    }
  });
});

describe('recall-name', () => {
  it('asks at the end alone for the name at the beginning, which nobody else bears', async () => {
    const { rows } = await made({ task: 'recall-name', length: 12 });
    for (const { symbols = [], labels = [] } of rows) {
      expect(labels.filter((label) => label !== null)).toEqual([symbols[0]]);
      expect(labels.at(-1)).toBe(symbols[0]);
      expect(symbols.lastIndexOf(symbols[0]!)).toBe(0);
      expect(symbols.slice(-2)).toEqual(['hi', 'to']);
    }
    expect(new Set(rows.map(({ symbols }) => symbols![0])).size).toBeGreaterThan(5);
  });
});

it('refuses more than files can hold, with what would fit', async () => {
  await expect(made({ task: 'adding', length: 10_000, count: 1_000_000 })).rejects.toMatchObject({ code: 'CONFIG_INVALID', where: 'count' });
});
