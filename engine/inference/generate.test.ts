import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseToken, randomNumbers } from './generate';

const logits = Float32Array.of(1, 3, 2, -1);

describe('the next token', () => {
  it('is the first of the likeliest at temperature 0', () => {
    expect(chooseToken(Float32Array.of(1, 3, 3), { temperature: 0, topK: 0, topP: 1 }, () => 0.99)).toBe(1);
  });

  it('comes from the k likeliest, or from the share p', () => {
    const draw = randomNumbers(4);
    const seen = (topK: number, topP: number): number[] => [...new Set(Array.from({ length: 400 }, () => chooseToken(logits, { temperature: 1, topK, topP }, draw)))].sort();
    expect(seen(2, 1)).toEqual([1, 2]);
    expect(seen(0, 0.5)).toEqual([1]);
    expect(seen(0, 0.7)).toEqual([1, 2]);
    expect(seen(0, 1)).toEqual([0, 1, 2, 3]);
  });

  it('is drawn as often as its probability says', () => {
    const draw = randomNumbers(9);
    const counts = [0, 0, 0, 0];
    for (let k = 0; k < 20_000; k++) counts[chooseToken(logits, { temperature: 1, topK: 0, topP: 1 }, draw)]! += 1;
    const total = logits.reduce((sum, value) => sum + Math.exp(value), 0);
    counts.forEach((count, token) => expect(count / 20_000).toBeCloseTo(Math.exp(logits[token]!) / total, 1));
  });
});

it('random numbers are in [0, 1) and repeat with their seed', () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const [a, b] = [randomNumbers(seed), randomNumbers(seed)];
      for (let k = 0; k < 50; k++) {
        const value = a();
        expect(value).toBe(b());
        expect(value >= 0 && value < 1).toBe(true);
      }
    }),
  );
});
