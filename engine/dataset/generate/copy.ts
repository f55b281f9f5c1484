import { labelBody, type Synthetic } from './synthetic';

/** Symbols to remember at the beginning. */
const remembered = 10;
const symbols = ['1', '2', '3', '4', '5', '6', '7', '8', '_', ':'];
const blank = 8;
const recall = 9;

/**
 * The copying problem (Hochreiter & Schmidhuber 1997, in the form of Arjovsky, Shah & Bengio 2016): ten symbols of eight,
 * a delay of `length` blanks, a colon, then blanks while the ten are to be answered in order; before that the answer is a
 * blank. Without memory the best is 10 ln 8 / (length + 20) nats a step.
 */
export const copy: Synthetic = {
  length: 100,
  count: 10_000,
  least: 2,
  make({ length: delay, counts, random }) {
    const total = counts.train + counts.validation + counts.test;
    const rows = Array.from({ length: total }, () => {
      const told = Array.from({ length: remembered }, () => random.between(0, 7));
      const blanks = (count: number): number[] => new Array<number>(count).fill(blank);
      return { symbols: [...told, ...blanks(delay - 1), recall, ...blanks(remembered)], labels: [...blanks(delay + remembered), ...told] };
    });
    return { ...labelBody(symbols, symbols.slice(0, 9), rows), baseline: { metric: 'loss', value: (remembered * Math.log(8)) / (delay + 2 * remembered) } };
  },
};
