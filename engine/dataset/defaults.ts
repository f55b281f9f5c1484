import type { Frequency } from './frequency';

/**
 * Steps to predict and steps to look back, as a person would first try for a series of this frequency:
 * a day of hours from four days before, a year of months from three years before.
 */
function wished(frequency: Frequency | null, season: number): { lookback: number; horizon: number } {
  switch (frequency?.unit) {
    case 'second':
    case 'minute':
      // A cycle of 1,440 minutes is too long to look back over; an hour or two is not.
      return season <= 96 ? { lookback: 2 * season, horizon: Math.max(4, season / 4) } : { lookback: 120, horizon: 30 };
    case 'hour':
      return { lookback: 96, horizon: 24 };
    case 'day':
    case 'business day':
      return { lookback: 8 * season, horizon: 2 * season };
    case 'week':
      return { lookback: 104, horizon: 13 };
    case 'month':
      return { lookback: 36, horizon: 12 };
    case 'quarter':
      return { lookback: 16, horizon: 4 };
    default:
      return season > 1 ? { lookback: 4 * season, horizon: season } : { lookback: 20, horizon: 5 };
  }
}

/**
 * Lookback and horizon that leave windows in every part: the horizon within 90 % of the smaller of
 * validation and test, the lookback within a quarter of training, in whole seasons where it can.
 */
export function defaultWindow(
  frequency: Frequency | null,
  season: number,
  parts: { train: number; validation: number; test: number },
): { lookback: number; horizon: number } {
  const wish = wished(frequency, season);
  const horizon = Math.max(1, Math.min(Math.round(wish.horizon), Math.floor(0.9 * Math.min(parts.validation, parts.test)), Math.floor(parts.train / 2)));
  const room = Math.max(1, Math.min(Math.floor(parts.train / 4), parts.train - horizon));
  let lookback = Math.min(wish.lookback, room);
  if (lookback < wish.lookback && lookback >= season) lookback -= lookback % season;
  return { lookback: Math.max(1, lookback), horizon };
}
