/** A regular distance of two rows. Months, quarters and years are calendar steps, the rest are fixed. */
export interface Frequency {
  unit: 'second' | 'minute' | 'hour' | 'day' | 'business day' | 'week' | 'month' | 'quarter' | 'year';
  count: number;
}

const second = 1000;
const minute = 60 * second;
export const hour = 60 * minute;
export const day = 24 * hour;

/** The name of a fixed distance; null where it is none. */
export function fixedFrequency(ms: number): Frequency | null {
  if (ms <= 0) return null;
  if (ms % (7 * day) === 0) return { unit: 'week', count: ms / (7 * day) };
  if (ms % day === 0) return { unit: 'day', count: ms / day };
  if (ms % hour === 0) return { unit: 'hour', count: ms / hour };
  if (ms % minute === 0) return { unit: 'minute', count: ms / minute };
  if (ms % second === 0) return { unit: 'second', count: ms / second };
  return null;
}

export function monthFrequency(step: number): Frequency {
  if (step % 12 === 0) return { unit: 'year', count: step / 12 };
  if (step % 3 === 0) return { unit: 'quarter', count: step / 3 };
  return { unit: 'month', count: step };
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
