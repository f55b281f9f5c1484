/** A regular distance of two rows. Months, quarters and years are calendar steps, the rest are fixed. */
export interface Frequency {
  unit: 'second' | 'minute' | 'hour' | 'day' | 'business day' | 'week' | 'month' | 'quarter' | 'year';
  count: number;
}

export interface TimeFacts {
  frequency: Frequency | null;
  /** First row whose time is before the one above it, and how many such rows there are. */
  unsorted: { row: number; count: number } | null;
  repeated: { row: number; count: number } | null;
  /** First row that does not follow the row above at the usual distance. */
  irregular: { row: number; count: number } | null;
  /** Rows (in time order) before which so many steps are absent that no window should cross: see `longestSkip`. */
  breaks: number[];
}

/** Steps that may be absent between two rows before the series counts as broken there. */
export const longestSkip = 6;

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

function months(ms: number): number {
  const date = new Date(ms);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
}

/** Most frequent value and how often it occurs. */
function mode(values: ArrayLike<number>): { value: number; count: number } {
  const counts = new Map<number, number>();
  for (let index = 0; index < values.length; index += 1) counts.set(values[index] as number, (counts.get(values[index] as number) ?? 0) + 1);
  let best = { value: NaN, count: 0 };
  for (const [value, count] of counts) if (count > best.count) best = { value, count };
  return best;
}

function fixedFrequency(ms: number): Frequency | null {
  if (ms <= 0) return null;
  if (ms % (7 * day) === 0) return { unit: 'week', count: ms / (7 * day) };
  if (ms % day === 0) return { unit: 'day', count: ms / day };
  if (ms % hour === 0) return { unit: 'hour', count: ms / hour };
  if (ms % minute === 0) return { unit: 'minute', count: ms / minute };
  if (ms % second === 0) return { unit: 'second', count: ms / second };
  return null;
}

function monthFrequency(step: number): Frequency {
  if (step % 12 === 0) return { unit: 'year', count: step / 12 };
  if (step % 3 === 0) return { unit: 'quarter', count: step / 3 };
  return { unit: 'month', count: step };
}

/** Share of rows that must follow at the usual distance for a series to count as regular. */
const regularShare = 0.7;

/** What the times of the rows (milliseconds since 1970, UTC, in file order) say about their order and distance. */
export function timeFacts(times: Float64Array): TimeFacts {
  const facts: TimeFacts = { frequency: null, unsorted: null, repeated: null, irregular: null, breaks: [] };
  const note = (key: 'unsorted' | 'repeated' | 'irregular', row: number) => {
    facts[key] = { row: facts[key]?.row ?? row, count: (facts[key]?.count ?? 0) + 1 };
  };
  for (let row = 1; row < times.length; row += 1) if ((times[row] as number) < (times[row - 1] as number)) note('unsorted', row);
  const sorted = facts.unsorted ? times.slice().sort() : times;
  const gaps = new Float64Array(Math.max(0, sorted.length - 1));
  for (let row = 1; row < sorted.length; row += 1) gaps[row - 1] = (sorted[row] as number) - (sorted[row - 1] as number);
  for (let row = 1; row < sorted.length; row += 1) if (gaps[row - 1] === 0) note('repeated', row);
  if (gaps.length === 0) return facts;

  const fixed = mode(gaps);
  const isCalendar = fixed.value >= 28 * day && [...sorted.subarray(0, 1000)].every((ms) => new Date(ms).getUTCDate() === new Date(sorted[0] as number).getUTCDate() || isMonthEnd(ms));
  if (isCalendar) {
    const steps = Float64Array.from(gaps, (_, index) => months(sorted[index + 1] as number) - months(sorted[index] as number));
    const usual = mode(steps);
    if (usual.value > 0 && usual.count >= regularShare * steps.length) facts.frequency = monthFrequency(usual.value);
    steps.forEach((step, index) => {
      if (step !== usual.value && step !== 0) note('irregular', index + 1);
      if (facts.frequency && step > (longestSkip + 1) * usual.value) facts.breaks.push(index + 1);
    });
  } else {
    // Monday to Friday: one day, or three over a weekend.
    const isWeekday = (ms: number) => ![0, 6].includes(new Date(ms).getUTCDay());
    const isBusiness = fixed.value === day && sorted.length >= 10 && sorted.every(isWeekday);
    const isUsual = (gap: number, row: number) => gap === fixed.value || (isBusiness && gap === 3 * day && new Date(sorted[row] as number).getUTCDay() === 1);
    let usual = 0;
    gaps.forEach((gap, index) => {
      if (isUsual(gap, index + 1)) usual += 1;
      else if (gap !== 0) note('irregular', index + 1);
    });
    if (usual >= regularShare * gaps.length) facts.frequency = isBusiness ? { unit: 'business day', count: 1 } : fixedFrequency(fixed.value);
    // A weekend adds two days to the steps that are absent.
    const longest = (longestSkip + 1) * fixed.value + (isBusiness ? 2 * day : 0);
    if (facts.frequency) gaps.forEach((gap, index) => gap > longest && facts.breaks.push(index + 1));
  }
  return facts;
}

function isMonthEnd(ms: number): boolean {
  return new Date(ms + day).getUTCDate() === 1;
}

/** `hour`, `15 minutes`, `month` … as dataset.json holds it. */
export function frequencyName({ unit, count }: Frequency): string {
  return count === 1 ? unit : `${count} ${unit}s`;
}

/** The frequency of a name that `frequencyName` gave; null for null. */
export function parseFrequency(name: string | null): Frequency | null {
  const match = /^(?:(\d+) )?(second|minute|hour|day|business day|week|month|quarter|year)s?$/.exec(name ?? '');
  return match ? { unit: match[2] as Frequency['unit'], count: Number(match[1] ?? 1) } : null;
}

/** Steps in the cycle that the calendar gives this frequency; 1 = none. */
export function calendarSeason({ unit, count }: Frequency): number {
  const cycle = { second: 60, minute: 1440, hour: 24, day: 7, 'business day': 5, week: 52, month: 12, quarter: 4, year: 1 }[unit];
  return cycle % count === 0 ? Math.max(1, cycle / count) : 1;
}

/** A time as its frequency needs it: `1871`, `1949-01`, `2016-07-01`, `2016-07-01 13:00`. */
export function formatTime(ms: number, frequency: Frequency | null): string {
  const text = new Date(ms).toISOString();
  const date = text.replace(/^\+0*/, '').split('T')[0] as string;
  const clock = text.slice(text.indexOf('T') + 1);
  switch (frequency?.unit) {
    case 'year':
      return date.slice(0, date.lastIndexOf('-', date.lastIndexOf('-') - 1));
    case 'month':
    case 'quarter':
      return date.slice(0, date.lastIndexOf('-'));
    case 'day':
    case 'business day':
    case 'week':
      return date;
    case 'hour':
    case 'minute':
      return `${date} ${clock.slice(0, 5)}`;
    default:
      if (clock.startsWith('00:00:00.000')) return date;
      return `${date} ${clock.endsWith('.000Z') ? clock.slice(0, 8) : clock.slice(0, 12)}`;
  }
}

/** The time `steps` rows after a given one, so that a forecast beyond the table's end has its dates. */
export function laterTime(ms: number, { unit, count }: Frequency, steps: number): number {
  const distance = steps * count;
  switch (unit) {
    case 'year':
    case 'quarter':
    case 'month': {
      const date = new Date(ms);
      const ahead = distance * { year: 12, quarter: 3, month: 1 }[unit];
      const lastDay = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + ahead + 1, 0)).getUTCDate();
      return date.setUTCMonth(date.getUTCMonth() + ahead, Math.min(date.getUTCDate(), lastDay));
    }
    case 'business day': {
      let time = ms;
      for (let left = distance; left > 0; ) {
        time += day;
        const weekday = new Date(time).getUTCDay();
        if (weekday !== 0 && weekday !== 6) left -= 1;
      }
      return time;
    }
    default:
      return ms + distance * { second, minute, hour, day, week: 7 * day }[unit];
  }
}
