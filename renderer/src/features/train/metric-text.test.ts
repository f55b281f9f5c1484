import { expect, it } from 'vitest';
import { metricText } from './metric-text';

it('keeps fixed decimals, and shortens what would burst a column', () => {
  expect(metricText(1.6789, 3)).toBe('1.679');
  expect(metricText(15949.303, 3)).toBe('15,949');
  expect(metricText(1.7976931348623157e308, 2)).toBe('1.8e308');
  expect(metricText(NaN, 2)).toBe('NaN');
});

it('shows three significant digits of what is small', () => {
  expect(metricText(0.0022, 3)).toBe('0.00220');
  expect(metricText(0.003, 3)).toBe('0.00300');
  expect(metricText(0.01234, 3)).toBe('0.0123');
  expect(metricText(0.0000123, 3)).toBe('1.23e−5');
  expect(metricText(0, 3)).toBe('0.000');
});
