import type { Synthetic } from './synthetic';

/**
 * The adding problem (Hochreiter & Schmidhuber 1997, experiment 4, in the form of Le, Jaitly & Hinton 2015): at every step
 * a value uniform in [0, 1] and a mark; two steps are marked, one in each half, and the sum of their values is asked for at
 * the end. Always answering 1 costs the variance of that sum, 1/6 = 0.1667 (the literature has 0.1767).
 */
export const adding: Synthetic = {
  length: 100,
  count: 20_000,
  least: 2,
  make({ length, counts, random }) {
    const total = counts.train + counts.validation + counts.test;
    const values = new Float32Array(total * length * 2);
    const targets = new Float32Array(total);
    const half = Math.floor(length / 2);
    for (let number = 0; number < total; number += 1) {
      for (let step = 0; step < length; step += 1) values[(number * length + step) * 2] = random.uniform();
      for (const step of [random.between(0, half - 1), random.between(half, length - 1)]) {
        const at = (number * length + step) * 2;
        values[at + 1] = 1;
        targets[number] = (targets[number] as number) + (values[at] as number);
      }
    }
    const test = targets.subarray(total - counts.test);
    const value = test.reduce((sum, target) => sum + (target - 1) ** 2, 0) / test.length;
    return {
      lengths: new Uint32Array(total).fill(length),
      body: { kind: 'values', columns: ['value', 'mark'], values, targetColumns: ['sum'], targets },
      baseline: { metric: 'mse', value },
    };
  },
};
