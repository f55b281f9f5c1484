import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { SluiceError, type WeightsRemark } from '../contracts';
import { readError } from '../workspace';
import type { FilledTensor } from './match';
import { remark } from './remarks';

const places = z.record(z.string(), z.int().min(0));
/** A list of tokens, token → place, place → token, or Hugging Face's `tokenizer.json`. */
const vocabularyFile = z.union([z.array(z.string()), z.object({ model: z.object({ vocab: places }) }).transform(({ model }) => model.vocab), places, z.record(z.string().regex(/^\d+$/), z.string())]);

/**
 * The tokens of a foreign model in the order of its rows.
 * @throws SluiceError FILE_NOT_FOUND, FILE_UNREADABLE, INPUT_INVALID.
 */
export async function readVocabulary(path: string): Promise<string[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw readError(error, path);
  }
  const tokens = parseVocabulary(text);
  if (tokens) return tokens;
  throw new SluiceError({ code: 'INPUT_INVALID', message: `${path} is no vocabulary: give a JSON list of tokens in their order (["a", "b"]) or their places ({"a": 0, "b": 1}), each place once.`, where: path });
}

/** Null where the text is none, or where a place is empty or taken twice. */
export function parseVocabulary(text: string): string[] | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const read = vocabularyFile.safeParse(value);
  if (!read.success) return null;
  if (Array.isArray(read.data)) return new Set(read.data).size === read.data.length ? read.data : null;
  const tokens: string[] = [];
  for (const [key, entry] of Object.entries(read.data)) {
    const [token, at] = typeof entry === 'number' ? [key, entry] : [entry, Number(key)];
    if (at >= 1_000_000 || tokens[at] !== undefined) return null;
    tokens[at] = token;
  }
  return Array.from(tokens).every((token) => token !== undefined) && new Set(tokens).size === tokens.length ? tokens : null;
}

/** Rows of embedding and head of a model with the foreign vocabulary, brought into the order of the dataset's tokens. */
export function byCharacter(filled: readonly FilledTensor[], foreign: readonly string[], own: readonly string[]): { filled: FilledTensor[]; problems: WeightsRemark[]; notes: WeightsRemark[] } {
  const rowOf = new Map(foreign.map((token, row) => [token, row]));
  const unknown = own.filter((token) => !rowOf.has(token));
  if (unknown.length > 0) {
    const shown = unknown.slice(0, 5).map((token) => JSON.stringify(token)).join(', ');
    const message = `the dataset has ${unknown.length} token${unknown.length === 1 ? '' : 's'} that the given vocabulary lacks: ${shown}${unknown.length > 5 ? ', …' : ''}`;
    return { filled: [], notes: [], problems: [remark.vocabulary(message, { count: unknown.length, tokens: shown })] };
  }
  const rows = own.map((token) => rowOf.get(token)!);
  const chosen = filled.map((tensor): FilledTensor => {
    if (!['embedding.weight', 'head.weight', 'head.bias'].includes(tensor.name)) return tensor;
    const width = tensor.data.length / foreign.length;
    const data = new Float32Array(rows.length * width);
    rows.forEach((row, place) => data.set(tensor.data.subarray(row * width, (row + 1) * width), place * width));
    return { ...tensor, shape: [rows.length, ...tensor.shape.slice(1)], data };
  });
  return { filled: chosen, problems: [], notes: [remark.byCharacter(own.length, foreign.length - own.length)] };
}
