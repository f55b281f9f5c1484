import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { calendarSeason, day, frequencyName, hour, laterTime, type Frequency } from './frequency';
import { longestFilledGap } from './series';
import { timeFacts } from './time-facts';

describe('times of a table', () => {
  const at = (...dates: string[]) => Float64Array.from(dates, (date) => Date.parse(date));
  it('names common frequencies and their seasons', () => {
    const cases: [Float64Array, string, number][] = [
      [Float64Array.from({ length: 50 }, (_, row) => row * 3_600_000), 'hour', 24],
      [Float64Array.from({ length: 50 }, (_, row) => row * 900_000), '15 minutes', 96],
      [Float64Array.from({ length: 50 }, (_, row) => row * day), 'day', 7],
      [Float64Array.from({ length: 50 }, (_, row) => row * 7 * day), 'week', 52],
      [Float64Array.from({ length: 50 }, (_, row) => Date.UTC(1949, row)), 'month', 12],
      [Float64Array.from({ length: 50 }, (_, row) => Date.UTC(1949, row + 1, 0)), 'month', 12],
      [Float64Array.from({ length: 50 }, (_, row) => Date.UTC(1949, 3 * row)), 'quarter', 4],
      [Float64Array.from({ length: 50 }, (_, row) => Date.UTC(1700 + row, 0)), 'year', 1],
      [Float64Array.from({ length: 50 }, (_, row) => Date.UTC(2024, 0, 1) + (Math.floor(row / 5) * 7 + (row % 5)) * day), 'business day', 5],
    ];
    for (const [times, name, season] of cases) {
      const facts = timeFacts(times);
      expect(facts.frequency && frequencyName(facts.frequency)).toBe(name);
      expect(facts.frequency && calendarSeason(facts.frequency)).toBe(season);
      expect(facts).toMatchObject({ unsorted: null, repeated: null, irregular: null });
    }
  });

  it('names the rows that are out of order, repeated or irregular', () => {
    expect(timeFacts(at('2024-01-01', '2024-01-02', '2024-01-02', '2024-01-03', '2024-01-04')).repeated).toEqual({ row: 2, count: 1 });
    expect(timeFacts(at('2024-01-03', '2024-01-02', '2024-01-01')).unsorted).toEqual({ row: 1, count: 2 });
    const jump = timeFacts(at('2024-01-01', '2024-01-02', '2024-01-03', '2024-01-04', '2024-01-05', '2024-01-09', '2024-01-10', '2024-01-11'));
    expect(jump).toMatchObject({ irregular: null, absences: [{ row: 5, times: [...at('2024-01-06', '2024-01-07', '2024-01-08')] }] });
    expect(jump.frequency).toEqual({ unit: 'day', count: 1 });
    expect(timeFacts(at('2024-01-01', '2024-01-02', '2024-01-05', '2024-01-11')).frequency).toBeNull();
  });

  it('breaks the series where too many steps are absent, not at weekends', () => {
    const hours = Float64Array.from({ length: 100 }, (_, row) => (row + (row >= 40 ? 7 : 0) + (row >= 60 ? 3 : 0)) * 3_600_000);
    expect(timeFacts(hours)).toMatchObject({ breaks: [40], irregular: null, absences: [{ row: 60, times: [67, 68, 69].map((step) => step * 3_600_000) }] });
    expect(timeFacts(Float64Array.from({ length: 50 }, (_, row) => Date.UTC(1949, row + (row >= 20 ? 9 : 0)))).breaks).toEqual([20]);
    expect(timeFacts(Float64Array.from({ length: 50 }, (_, row) => Date.UTC(2024, 0, 1) + (Math.floor(row / 5) * 7 + (row % 5)) * day)).breaks).toEqual([]);
  });

  it('reads local times through the nights in which clocks change', () => {
    const local = (zone: string, step: number, start: number, count: number) => {
      const format = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' });
      return Float64Array.from({ length: count }, (_, row) => Date.parse(`${format.format(start + row * step).replace(' ', 'T')}Z`));
    };
    for (const zone of ['Europe/Berlin', 'Europe/London', 'America/New_York', 'Australia/Sydney', 'Pacific/Auckland']) {
      for (const step of [hour, hour / 4]) {
        const year = local(zone, step, Date.UTC(2023, 0, 10), (365 * day) / step);
        for (const times of [year, year.slice().reverse()]) {
          const facts = timeFacts(times);
          expect(facts).toMatchObject({ repeated: null, irregular: null, absences: [], breaks: [], clockChanges: { count: 2 } });
          expect(facts.times).toEqual(year);
        }
      }
    }
  });

  it('knows weekends, closed Sundays and the business ends of months', () => {
    const all = Float64Array.from({ length: 400 }, (_, row) => Date.UTC(2024, 0, 1) + row * day);
    const business = all.filter((ms) => ![0, 6].includes(new Date(ms).getUTCDay()));
    // New Year, and one Saturday that was made up for.
    const holiday = Date.UTC(2024, 4, 1);
    const saturday = Date.UTC(2024, 4, 4);
    const facts = timeFacts(Float64Array.from([...business, saturday]).sort().filter((ms) => ms !== holiday));
    expect(facts).toMatchObject({ frequency: { unit: 'business day' }, absences: [{ times: [holiday] }], breaks: [], irregular: null });
    // Markets that close early before a weekend.
    const early = business.map((ms) => ms + (new Date(ms).getUTCDay() === 5 ? 13 : 16) * hour);
    expect(timeFacts(early)).toMatchObject({ frequency: { unit: 'business day' }, absences: [], breaks: [] });
    expect(timeFacts(all.filter((ms) => new Date(ms).getUTCDay() !== 0))).toMatchObject({ frequency: { unit: 'day' }, absences: [], breaks: [], irregular: null });
    const lastWorkDay = (month: number) => {
      let ms = Date.UTC(2020, month + 1, 0);
      while ([0, 6].includes(new Date(ms).getUTCDay())) ms -= day;
      return ms;
    };
    expect(timeFacts(Float64Array.from({ length: 60 }, (_, month) => lastWorkDay(month)))).toMatchObject({ frequency: { unit: 'month', count: 1 }, absences: [], breaks: [], irregular: null });
    const fourWeeks = Float64Array.from({ length: 60 }, (_, row) => Date.UTC(2020, 0, 6) + row * 28 * day);
    expect(timeFacts(fourWeeks).frequency).toEqual({ unit: 'week', count: 4 });
  });

  it('breaks the series where a row lies off the grid', () => {
    const times = Float64Array.from({ length: 60 }, (_, row) => row * hour + (row >= 30 ? 1.5 * hour : 0));
    expect(timeFacts(times)).toMatchObject({ breaks: [30], absences: [], irregular: null });
    const uneven = Float64Array.from({ length: 60 }, (_, row) => row * hour + (row === 30 ? 60_000 : 0));
    expect(timeFacts(uneven)).toMatchObject({ breaks: [], absences: [], irregular: null });
  });

  it('gives back every absence of a regular series, filled or as a break', () => {
    const frequencies: Frequency[] = [
      { unit: 'minute', count: 1 },
      { unit: 'minute', count: 30 },
      { unit: 'hour', count: 1 },
      { unit: 'day', count: 1 },
      { unit: 'business day', count: 1 },
      { unit: 'week', count: 1 },
      { unit: 'month', count: 1 },
      { unit: 'quarter', count: 1 },
      { unit: 'year', count: 1 },
    ];
    fc.assert(
      fc.property(
        fc.constantFrom(...frequencies),
        fc.array(fc.tuple(fc.integer({ min: 8, max: 40 }), fc.oneof(fc.integer({ min: 1, max: 16 }), fc.integer({ min: 1, max: 60 }))), { minLength: 1, maxLength: 6 }),
        (frequency, stretches) => {
          // Present rows, then absent ones, and so on; the series ends with present ones.
          const present: boolean[] = [];
          for (const [there, gone] of stretches) present.push(...Array<boolean>(there).fill(true), ...Array<boolean>(gone).fill(false));
          present.push(...Array<boolean>(30).fill(true));
          const start = Date.UTC(2021, 0, 1);
          const whole = present.map((_, step) => laterTime(start, frequency, step));
          const facts = timeFacts(Float64Array.from(whole.filter((_, step) => present[step])));
          expect(facts.frequency).toEqual(frequency);
          const longest = longestFilledGap(calendarSeason(frequency));
          const short = stretches.filter(([, gone]) => gone <= longest);
          const isFilling = short.reduce((sum, [, gone]) => sum + gone, 0) <= present.filter(Boolean).length / 2;
          expect(facts.absences).toHaveLength(isFilling ? short.length : 0);
          expect(facts.breaks).toHaveLength(stretches.length - facts.absences.length);
          // With what is filled, every distance but the breaks is one step.
          const filled = new Map(facts.absences.map(({ row, times }) => [row, times]));
          const series = [...facts.times].flatMap((ms, row) => [...(filled.get(row) ?? []), ms]);
          const steps = series.slice(1).filter((ms, row) => ms !== laterTime(series[row] as number, frequency, 1));
          expect(steps).toHaveLength(facts.breaks.length);
        },
      ),
    );
  });
});
