import { labelBody, type Synthetic } from './synthetic';

const symbols = ['S', 'a', 'b', 'T'];
const [begin, a, b, end] = [0, 1, 2, 3];

/**
 * The language aⁿbⁿ (Gers & Schmidhuber 2001): S, n times a, n times b, T; the next symbol is asked for where it is
 * certain, from the first b on. Training and validation have n up to `length`, the test part from there to twice that: who
 * answers it has learned to count. Always answering b gets every string wrong.
 */
export const anbn: Synthetic = {
  length: 10,
  count: 1_000,
  least: 2,
  make({ length: longest, counts, random }) {
    const string = (n: number) => {
      const read = [begin, ...new Array<number>(n).fill(a), ...new Array<number>(n).fill(b)];
      return { symbols: read, labels: read.map((symbol, at) => (symbol === b ? (read[at + 1] ?? end) : null)) };
    };
    const familiar = Array.from({ length: counts.train + counts.validation }, () => string(random.between(1, longest)));
    const longer = Array.from({ length: counts.test }, () => string(random.between(longest + 1, 2 * longest)));
    return { ...labelBody(symbols, symbols, [...familiar, ...longer]), baseline: { metric: 'sequencesRight', value: 0 } };
  },
};
