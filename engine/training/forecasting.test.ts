import { describe, expect, it } from 'vitest';
import type { NativeModel, SeriesData } from '../binding/types';
import { readSafetensors } from '../contracts';
import { findWindow, forecastWindow, predict, rawLookback, scaleInputs, type TableValues } from './forecasting';
import { windowStart } from './probe';
import { withMetadata } from './trace-file';

/** Two columns on disk, of which the model reads the second (target) and the first (covariate). */
const rows = 20;
const day = 86_400_000;
const dayOf = (row: number) => Date.UTC(2024, 0, 1 + row);
const table: TableValues = {
  data: Float32Array.from({ length: rows * 2 }, (_, index) => (index % 2 === 0 ? 1000 + index / 2 : (index - 1) / 2)),
  rows,
  breaks: [],
  instant: (row) => (row < rows ? dayOf(row) : null),
  times: (row, steps = 0) => (row < rows ? new Date(dayOf(row) + steps * day).toISOString().slice(0, 10) : null),
};
const series: SeriesData = {
  kind: 'series', path: '', rows, columns: 2, inputs: [1, 0], targetCount: 1, scaler: { mean: [5, 1000], deviation: [2, 10] },
  lookback: 3, horizon: 2, subtractLast: true, season: 4, windows: { train: [[0, 4], [6, 8]], validation: [[8, 10]], test: [[12, 16]] },
};

/** Predicts the last scaled input of the target plus one deviation for every step. */
const model = {
  forward: ({ series: input }: { series: Float32Array | null }) => Promise.resolve({ output: Float32Array.from([1 + (input?.[4] ?? NaN), 1 + (input?.[4] ?? NaN)]), states: {} }),
} as unknown as NativeModel;

describe('a forecast', () => {
  it('reads the columns in the order of the model, scaled, with the last row taken off', () => {
    const raw = rawLookback(series, table, 2);
    expect([...(raw ?? [])]).toEqual([2, 1002, 3, 1003, 4, 1004]);
    const { scaled, last } = scaleInputs(series, raw ?? new Float32Array());
    expect(last[0]).toBeCloseTo(-0.5, 6);
    expect(last[1]).toBeCloseTo(0.4, 6);
    expect([...scaled].map((value) => Number(value.toFixed(5)))).toEqual([-1, -0.2, -0.5, -0.1, 0, 0]);
    expect([...scaleInputs({ ...series, subtractLast: false }, raw ?? new Float32Array()).scaled].map((value) => Number(value.toFixed(5)))).toEqual([-1.5, 0.2, -1, 0.3, -0.5, 0.4]);
  });

  it('is put back into raw values', async () => {
    const raw = rawLookback(series, table, 2) ?? new Float32Array();
    // One deviation (2) above the last value (4), whether or not that was taken off.
    expect([...(await predict(model, series, raw))]).toEqual([6, 6]);
    expect([...(await predict(model, { ...series, subtractLast: false }, raw))]).toEqual([6, 6]);
  });

  it('stands beside what came, the last value, and the last whole season', async () => {
    const quantiles = { lower: Float32Array.from([-1, -2]), upper: Float32Array.from([1, 2]) };
    const result = await forecastWindow(model, series, table, ['flow'], findWindow(series, table, { split: 'test', window: 1, at: null }), quantiles, 7);
    expect(result).toMatchObject({ window: 1, windows: 4, level: 0.8, checkpoint: 7 });
    expect(result.times).toEqual(['2024-01-14', '2024-01-15', '2024-01-16', '2024-01-17', '2024-01-18']);
    expect(result.targets).toEqual([
      {
        name: 'flow',
        lookback: [13, 14, 15],
        predictions: [
          { value: 17, lower: 15, upper: 19, actual: 16, last: 15, seasonal: 12 },
          { value: 17, lower: 13, upper: 21, actual: 17, last: 15, seasonal: 13 },
        ],
      },
    ]);
  });

  it('knows no more than the season before where the horizon is longer than a season', async () => {
    const result = await forecastWindow(model, { ...series, season: 2, horizon: 2 }, table, ['flow'], { start: 0, window: 0, windows: 1, where: 'window' }, null, 1);
    expect(result.targets[0]?.predictions.map((step) => step.seasonal)).toEqual([1, 2]);
    const short = await forecastWindow(model, { ...series, season: 1 }, table, ['flow'], { start: 0, window: 0, windows: 1, where: 'window' }, null, 1);
    expect(short.targets[0]?.predictions.map((step) => step.seasonal)).toEqual([null, null]);
  });

  it('finds its window over ranges, after the end, and by time', () => {
    expect([0, 3, 4, 5].map((window) => windowStart(series, 'train', window))).toEqual([0, 3, 6, 7]);
    expect(windowStart(series, 'train', 6)).toBeNull();
    expect(findWindow(series, table, { split: 'end', window: 0, at: null }).start).toBe(17);
    expect(findWindow(series, table, { split: 'end', window: 0, at: '2024-01-05' }).start).toBe(2);
    expect(findWindow(series, table, { split: 'end', window: 0, at: '2024-01-05 00:00:00' }).start).toBe(2);
    expect(() => findWindow(series, table, { split: 'test', window: 4, at: null })).toThrow(/has 4 windows/);
    expect(() => findWindow(series, table, { split: 'end', window: 0, at: '2024-01-02' })).toThrow(/earliest time is 2024-01-03/);
    expect(() => findWindow(series, table, { split: 'end', window: 0, at: 'soon' })).toThrow(/from 2024-01-01 to 2024-01-20/);
  });

  it('takes no time for another one', () => {
    const at = (text: string) => () => findWindow(series, table, { split: 'end', window: 0, at: text });
    expect(at('2024-01-05 12:00')).toThrow('2024-01-05 12:00 is not a time of this table; the nearest are 2024-01-05 and 2024-01-06');
    for (const text of ['2023-12-31', '2024-01-21', '2024-01-32', '2024-01-05 25:00', '2024-01-05 00:75']) expect(at(text)).toThrow(/from 2024-01-01 to 2024-01-20/);
    expect(() => findWindow(series, { ...table, instant: () => null, times: () => null }, { split: 'end', window: 0, at: '2024-01-05' })).toThrow(/no time column/);
  });

  describe('where time jumps by 3 days before row 10', () => {
    const moved = (row: number) => dayOf(row < 10 ? row : row + 3);
    const jumping: TableValues = {
      ...table,
      breaks: [10],
      instant: (row) => (row < rows ? moved(row) : null),
      times: (row, steps = 0) => (row < rows ? new Date(moved(row) + steps * day).toISOString().slice(0, 10) : null),
    };
    const five = { ...series, horizon: 5, season: 2 };
    const long = { forward: () => Promise.resolve({ output: new Float32Array(5), states: {} }) } as unknown as NativeModel;
    const at = (text: string) => forecastWindow(long, five, jumping, ['flow'], findWindow(five, jumping, { split: 'end', window: 0, at: text }), null, 1);

    it('goes on by the frequency after the last row before, and has an outcome only where the table has that time', async () => {
      const result = await at('2024-01-10');
      expect(result.times?.slice(3)).toEqual(['2024-01-11', '2024-01-12', '2024-01-13', '2024-01-14', '2024-01-15']);
      expect(result.targets[0]?.predictions.map(({ actual }) => actual)).toEqual([null, null, null, 10, 11]);
      expect((await at('2024-01-09')).targets[0]?.predictions.map(({ actual }) => actual)).toEqual([9, null, null, null, 10]);
    });

    it('refuses to read across it, and says where', async () => {
      for (const time of ['2024-01-14', '2024-01-15']) {
        await expect(at(time)).rejects.toMatchObject({ code: 'INPUT_INVALID', where: 'at', message: 'the 3 rows that this forecast reads reach across a jump in time, from 2024-01-10 to 2024-01-14; the earliest time after it is 2024-01-16' });
      }
      expect((await at('2024-01-16')).targets[0]?.lookback).toEqual([10, 11, 12]);
    });

    it('knows no season before that lies behind it', async () => {
      const season = { ...five, season: 4 };
      const result = await forecastWindow(long, season, jumping, ['flow'], findWindow(season, jumping, { split: 'end', window: 0, at: '2024-01-16' }), null, 1);
      expect(result.targets[0]?.predictions.map(({ seasonal }) => seasonal)).toEqual([null, 10, 11, 12, null]);
    });
  });

  it('goes on beyond the end of the table, with no outcome', async () => {
    const result = await forecastWindow(model, series, table, ['flow'], findWindow(series, table, { split: 'end', window: 0, at: null }), null, 1);
    expect(result.times?.slice(3)).toEqual(['2024-01-21', '2024-01-22']);
    expect(result.targets[0]?.predictions.map(({ actual }) => actual)).toEqual([null, null]);
  });

  it('refuses a lookback with a missing value', async () => {
    const holed = { ...table, data: table.data.slice() };
    holed.data[2 * 2 + 1] = NaN;
    await expect(forecastWindow(model, series, holed, ['flow'], { start: 1, window: 0, windows: 1, where: 'window' }, null, 1)).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      where: 'window',
      message: 'the 3 rows that this forecast reads hold a missing value at 2024-01-03; choose another window',
    });
  });
});

it('metadata added to a trace leave its tensors as they are, and aligned', () => {
  const header = JSON.stringify({ __metadata__: { a: '1' }, x: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } });
  const bytes = new Uint8Array(8 + header.length + 8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
  bytes.set(new TextEncoder().encode(header), 8);
  bytes.set([1, 2, 3, 4, 5, 6, 7, 8], 8 + header.length);
  const file = readSafetensors(withMetadata(bytes, { run: '이름' }));
  expect(file.metadata).toEqual({ a: '1', run: '이름' });
  const [tensor] = file.entries;
  expect((tensor?.start ?? 1) % 8).toBe(0);
  expect([...file.bytes.subarray(tensor?.start, tensor?.end)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});
