import { describe, expect, it } from 'vitest';
import { formatTime, laterTime, type Frequency } from './frequency';

const at = (text: string): number => Date.parse(`${text}Z`);
const later = (text: string, unit: Frequency['unit'], steps: number, count = 1): string => new Date(laterTime(at(text), { unit, count }, steps)).toISOString().slice(0, 16);

describe('times beyond the end of a table', () => {
  it('follow the calendar', () => {
    expect(later('2024-01-31T00:00', 'month', 1)).toBe('2024-02-29T00:00');
    expect(later('2024-01-31T00:00', 'month', 13)).toBe('2025-02-28T00:00');
    expect(later('2023-12-01T00:00', 'quarter', 2)).toBe('2024-06-01T00:00');
    expect(later('2024-02-29T00:00', 'year', 1)).toBe('2025-02-28T00:00');
  });

  it('keep fixed distances and skip week-ends where the series does', () => {
    expect(later('2024-02-28T23:45', 'minute', 2, 15)).toBe('2024-02-29T00:15');
    expect(later('2024-02-28T00:00', 'week', 2)).toBe('2024-03-13T00:00');
    expect(later('2024-03-01T00:00', 'business day', 1)).toBe('2024-03-04T00:00');
    expect(later('2024-03-01T00:00', 'business day', 6)).toBe('2024-03-11T00:00');
  });

  it('are written like those of the table', () => {
    const yearly: Frequency = { unit: 'year', count: 1 };
    expect(formatTime(laterTime(at('1970-01-01T00:00'), yearly, 5), yearly)).toBe('1975');
  });
});
