import { calendarSeason, day, fixedFrequency, hour, laterTime, monthFrequency, type Frequency } from './frequency';
import { longestFilledGap } from './series';

interface Place {
  row: number;
  count: number;
}

/** Rows that are not there although their time has passed: `times` belong before row `row`. */
export interface Absence {
  row: number;
  times: number[];
}

/** What the times of the rows say about their order and distance. Rows count in time order, except in `unsorted`. */
export interface TimeFacts {
  frequency: Frequency | null;
  /** The order that puts the rows in time order, and the times in it. */
  order: 'file' | 'reversed' | 'sorted';
  times: Float64Array;
  /** First row of the file whose time is before the one above it. */
  unsorted: Place | null;
  repeated: Place | null;
  /** First row of a series without a frequency that follows the row above at another distance than most. */
  irregular: Place | null;
  /** Rows at which local time jumps by one hour for summer time: nothing is absent or repeated there. */
  clockChanges: Place | null;
  /** Short absences, to be filled like missing values. */
  absences: Absence[];
  /** Rows before which so much is absent that no window should cross. */
  breaks: number[];
}

/** Share of rows that must follow at the usual distance for a series to count as regular. */
const regularShare = 0.7;
/** A distance this much of a step off whole steps leads to another grid. */
const offGrid = 0.25;
/** More rows than this share of those that are there are not made up: the series breaks at each absence instead. */
const mostFilled = 0.5;

function months(ms: number): number {
  const date = new Date(ms);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
}

const weekday = (ms: number) => new Date(ms).getUTCDay();

/** Most frequent value and how often it occurs. */
function mode(values: Float64Array): { value: number; count: number } {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  let best = { value: NaN, count: 0 };
  for (const [value, count] of counts) if (count > best.count) best = { value, count };
  return best;
}

function distances(times: Float64Array): Float64Array {
  return Float64Array.from({ length: Math.max(0, times.length - 1) }, (_, row) => (times[row + 1] as number) - (times[row] as number));
}

/** Local nights in which clocks change: Europe, North America, Australia and New Zealand, by the rules in force. */
function isChangeNight(ms: number, isSpring: boolean): boolean {
  const date = new Date(ms);
  if (date.getUTCDay() !== 0 || date.getUTCHours() > 3) return false;
  const dayOfMonth = date.getUTCDate();
  const within = (month: number, first: number) => date.getUTCMonth() === month && dayOfMonth >= first && dayOfMonth < first + 7;
  return isSpring ? within(2, 8) || within(2, 25) || within(8, 24) || within(9, 1) : within(10, 1) || within(9, 25) || within(3, 1);
}

/**
 * Local times without the hour that summer time takes and gives back, and the rows at which it does. In spring
 * 01:00 is followed by 03:00, in autumn 02:00 comes twice; in between no time is lost.
 */
function withoutClockChanges(times: Float64Array): { steady: Float64Array; changes: number[] } {
  const step = mode(distances(times)).value;
  const changes: number[] = [];
  if (!(step > 0 && step <= hour && hour % step === 0)) return { steady: times, changes };
  const steady = times.slice();
  let offset = 0;
  for (let row = 1; row < times.length; row += 1) {
    const before = times[row - 1] as number;
    const gap = (times[row] as number) - before;
    const shift = gap === step + hour && isChangeNight(before, true) ? -hour : gap === step - hour && isChangeNight(before, false) ? hour : 0;
    if (shift !== 0) changes.push(row);
    offset += shift;
    steady[row] = (times[row] as number) + offset;
  }
  return { steady, changes };
}

/** A step that is counted in months: the rows are all at the same day, or all about the first or last of a month. */
function isMonthly(times: Float64Array, usualGap: number): boolean {
  if (usualGap < 27 * day) return false;
  const first = new Date(times[0] as number).getUTCDate();
  const every = (test: (ms: number) => boolean) => times.subarray(0, 1000).every(test);
  // A month that ends at a weekend is closed the Friday before, and one that begins so opens on Monday.
  return every((ms) => new Date(ms).getUTCDate() === first || isMonthEnd(ms)) || every((ms) => new Date(ms + 3 * day).getUTCDate() <= 3) || every((ms) => new Date(ms).getUTCDate() <= 4);
}

function isMonthEnd(ms: number): boolean {
  return new Date(ms + day).getUTCDate() === 1;
}

/** Days of the week on which a daily series has no rows: weekends, or the Sundays of a shop. */
function closedDays(times: Float64Array): Set<number> {
  const counts = new Array<number>(7).fill(0);
  for (const ms of times) counts[weekday(ms)] = (counts[weekday(ms)] as number) + 1;
  const closed = new Set([0, 1, 2, 3, 4, 5, 6].filter((name) => (counts[name] as number) <= 0.02 * times.length));
  const isWeekend = closed.size === 2 && closed.has(0) && closed.has(6);
  return (isWeekend && times.length >= 10) || (closed.size === 1 && times.length >= 28) ? closed : new Set();
}

/** Counts and names the steps between two rows. */
interface Grid {
  frequency: Frequency | null;
  /** Steps that are absent between two times: 0 where the second follows as usual, NaN where it lies off the grid. */
  absentBetween(before: number, after: number): number;
  timesBetween(before: number, after: number, count: number): number[];
}

function monthGrid(times: Float64Array): Grid {
  const usual = mode(Float64Array.from({ length: times.length - 1 }, (_, row) => months(times[row + 1] as number) - months(times[row] as number))).value;
  const frequency = usual > 0 ? monthFrequency(usual) : null;
  return {
    frequency,
    absentBetween: (before, after) => {
      const steps = (months(after) - months(before)) / usual;
      return Number.isInteger(steps) && steps > 0 ? steps - 1 : NaN;
    },
    timesBetween: (before, _after, count) => Array.from({ length: count }, (_, index) => laterTime(before, frequency as Frequency, index + 1)),
  };
}

function fixedGrid(times: Float64Array, step: number): Grid {
  const closed = step === day ? closedDays(times) : new Set<number>();
  const openBetween = (before: number, after: number) => {
    const open: number[] = [];
    for (let time = before + day; time < after - day / 2; time += day) if (!closed.has(weekday(time))) open.push(time);
    return open;
  };
  return {
    frequency: closed.size === 2 ? { unit: 'business day', count: 1 } : fixedFrequency(step),
    absentBetween: (before, after) => {
      const steps = (after - before) / step;
      // Years of absent days need no counting one by one.
      if (closed.size > 0 && Math.abs(steps - Math.round(steps)) <= offGrid && steps < 1000) return openBetween(before, after).length;
      const whole = Math.max(1, Math.round(steps));
      return Math.abs(steps - whole) > offGrid ? NaN : whole - 1;
    },
    timesBetween: (before, after, count) =>
      closed.size > 0 ? openBetween(before, after) : Array.from({ length: count }, (_, index) => before + Math.round(((after - before) * (index + 1)) / (count + 1))),
  };
}

/** What the times of the rows (milliseconds since 1970, as written, in file order) say about their order and distance. */
export function timeFacts(inFile: Float64Array): TimeFacts {
  const facts: TimeFacts = { frequency: null, order: 'file', times: inFile, unsorted: null, repeated: null, irregular: null, clockChanges: null, absences: [], breaks: [] };
  const note = (key: 'unsorted' | 'repeated' | 'irregular' | 'clockChanges', row: number) => {
    facts[key] = { row: facts[key]?.row ?? row, count: (facts[key]?.count ?? 0) + 1 };
  };
  const falls = (times: Float64Array) => distances(times).reduce((sum, gap) => sum + Number(gap < 0), 0);
  // Newest first is turned, not sorted: rows of equal times, as in the night of autumn, keep their sequence.
  if (falls(inFile) > (inFile.length - 1) / 2) Object.assign(facts, { order: 'reversed', times: inFile.slice().reverse() });
  let { steady, changes } = withoutClockChanges(facts.times);
  if (falls(steady) > 0) {
    Object.assign(facts, { order: 'sorted', times: inFile.slice().sort() });
    ({ steady, changes } = withoutClockChanges(facts.times));
  }
  if (facts.order !== 'file') distances(inFile).forEach((gap, index) => gap < 0 && note('unsorted', index + 1));
  for (const row of changes) note('clockChanges', row);

  const gaps = distances(steady);
  gaps.forEach((gap, index) => gap === 0 && note('repeated', index + 1));
  if (gaps.length === 0) return facts;

  const usual = mode(gaps).value;
  const grid = isMonthly(steady, usual) ? monthGrid(steady) : fixedGrid(steady, usual);
  const absent = Float64Array.from(gaps, (gap, index) => (gap === 0 ? 0 : grid.absentBetween(steady[index] as number, steady[index + 1] as number)));
  const isUsual = (index: number) => absent[index] === 0 && gaps[index] !== 0;
  const isRegular = grid.frequency !== null && gaps.filter((_, index) => isUsual(index)).length >= regularShare * gaps.length;
  if (!isRegular) {
    gaps.forEach((gap, index) => gap !== 0 && !isUsual(index) && note('irregular', index + 1));
    return facts;
  }
  facts.frequency = grid.frequency;
  const longest = longestFilledGap(calendarSeason(grid.frequency as Frequency));
  const short = absent.reduce((sum, count) => sum + (count <= longest ? count : 0), 0);
  const isFilling = short <= mostFilled * inFile.length;
  absent.forEach((count, index) => {
    const row = index + 1;
    if (Number.isNaN(count) || (count > 0 && (count > longest || !isFilling))) facts.breaks.push(row);
    else if (count > 0) facts.absences.push({ row, times: grid.timesBetween(facts.times[index] as number, facts.times[row] as number, count) });
  });
  return facts;
}
