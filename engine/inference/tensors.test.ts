import { describe, expect, it } from 'vitest';
import { toNumbers, toTensor } from './tensors';

describe('a tensor', () => {
  it('has the type and shape the input asks for', () => {
    const tensor = toTensor({ shape: [1, 2], data: [3, 4] }, { name: 'tokens', type: 'int64', shape: ['batch', 'time'] });
    expect(tensor).toEqual({ type: 'int64', shape: [1, 2], data: BigInt64Array.of(3n, 4n) });
    expect(Array.from(toNumbers(tensor))).toEqual([3, 4]);
  });

  it.each([
    ['too few values', { shape: [2, 2], data: [1] }, '1 values do not fill'],
    ['another rank', { shape: [2], data: [1, 2] }, 'takes [batch, 3]'],
    ['another fixed size', { shape: [1, 2], data: [1, 2] }, 'takes [batch, 3]'],
  ])('refuses %s', (_, array, message) => {
    expect(() => toTensor(array, { name: 'x', type: 'float32', shape: ['batch', 3] })).toThrow(message);
  });

  it('refuses a fraction where whole numbers are wanted', () => {
    expect(() => toTensor({ shape: [1], data: [0.5] }, { name: 'n', type: 'int32', shape: ['n'] })).toThrow('0.5 is none');
  });
});
