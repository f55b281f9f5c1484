import type { Random } from './random';
import { labelBody, type Synthetic } from './synthetic';

const names = ['Tom', 'Mary', 'Anna', 'Ben', 'Clara', 'Jun', 'Mina', 'Paul', 'Sora', 'Yuna'];
const opening = ['was', 'watching', 'TV', 'in', 'the', 'room', '.'];
/** What happens meanwhile; `?` is somebody else. */
const meanwhile = [
  'It was raining outside .',
  'The tea was cold .',
  '? came home early .',
  'A dog barked in the street .',
  '? opened the window .',
  'The clock struck nine .',
  '? and ? talked about the garden .',
  'Nobody looked at the clock .',
].map((sentence) => sentence.split(' '));
const question = ['came', 'into', 'the', 'room', 'and', 'said', 'hi', 'to'];

const words = [...new Set([...names, ...opening, ...meanwhile.flat().filter((word) => word !== '?'), ...question])];

function story(length: number, random: Random): { symbols: number[]; labels: (number | null)[] } {
  const hero = random.pick(names);
  const others = names.filter((name) => name !== hero);
  const told: string[] = [];
  while (told.length < length) told.push(...random.pick(meanwhile).map((word) => (word === '?' ? random.pick(others) : word)));
  const read = [hero, ...opening, ...told, random.pick(others), ...question];
  return { symbols: read.map((word) => words.indexOf(word)), labels: read.map((_, at) => (at === read.length - 1 ? names.indexOf(hero) : null)) };
}

/**
 * The story of Tom: who was watching TV at the beginning is asked for at the end, `length` words or a few more of other
 * people's doings later ("Mary came into the room and said hi to …"). Guessing one of the ten names is right once in ten.
 */
export const recallName: Synthetic = {
  length: 40,
  count: 5_000,
  least: 2,
  make({ length, counts, random }) {
    const total = counts.train + counts.validation + counts.test;
    const rows = Array.from({ length: total }, () => story(length, random));
    return { ...labelBody(words, names, rows), baseline: { metric: 'accuracy', value: 1 / names.length } };
  },
};
