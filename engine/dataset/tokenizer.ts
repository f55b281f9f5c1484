import { join } from 'node:path';
import { z } from 'zod';
import { SluiceError, type TextDataset } from '../contracts';
import type { Tokenizer } from '../ports';
import { readJson } from '../workspace';

/** Name of the token that stands for characters the training part does not hold. */
export const unknownToken = '<unk>';

/**
 * `tokenizer.json` in the layout of Hugging Face `tokenizers`: a WordLevel model whose words are single
 * characters, cut by an isolating Split. `Fuse` puts decoded tokens together without spaces.
 */
const tokenizerFile = z.object({
  version: z.literal('1.0'),
  truncation: z.null(),
  padding: z.null(),
  added_tokens: z.array(z.unknown()).length(0),
  normalizer: z.null(),
  pre_tokenizer: z.object({
    type: z.literal('Split'),
    pattern: z.object({ Regex: z.literal('[\\s\\S]') }),
    behavior: z.literal('Isolated'),
    invert: z.literal(false),
  }),
  post_processor: z.null(),
  decoder: z.object({ type: z.literal('Fuse') }),
  model: z.object({ type: z.literal('WordLevel'), vocab: z.record(z.string(), z.int().min(0)), unk_token: z.literal(unknownToken) }),
});
export type TokenizerFile = z.infer<typeof tokenizerFile>;

/** Entry `i` of `vocabulary` is token `i`; `<unk>` where present is the last. */
export function tokenizerJson(vocabulary: string[]): TokenizerFile {
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: 'Split', pattern: { Regex: '[\\s\\S]' }, behavior: 'Isolated', invert: false },
    post_processor: null,
    decoder: { type: 'Fuse' },
    model: { type: 'WordLevel', vocab: Object.fromEntries(vocabulary.map((token, index) => [token, index])), unk_token: unknownToken },
  };
}

/** Characters ↔ tokens. `encode` drops a byte order mark and turns CRLF into LF, as the import does. */
export function createTokenizer(vocabulary: string[]): Tokenizer {
  const last = vocabulary.length - 1;
  const unknown = vocabulary[last] === unknownToken ? last : null;
  const tokenOf = new Map<number, number>();
  vocabulary.forEach((token, index) => {
    if (index !== unknown) tokenOf.set(token.codePointAt(0) as number, index);
  });
  return {
    size: vocabulary.length,
    unknown,
    vocabulary,
    encode(text) {
      const plain = text.replace(/^\ufeff/, '').replaceAll('\r\n', '\n');
      const tokens = new Uint32Array(plain.length);
      let length = 0;
      for (const character of plain) {
        const token = tokenOf.get(character.codePointAt(0) as number) ?? unknown;
        if (token === null) {
          throw new SluiceError({
            code: 'INPUT_INVALID',
            message: `The character "${character}" does not occur in the training text. Leave it out.`,
            where: `character ${length + 1}`,
            details: { character, position: length + 1 },
          });
        }
        tokens[length] = token;
        length += 1;
      }
      return tokens.slice(0, length);
    },
    decode(tokens) {
      let text = '';
      for (let index = 0; index < tokens.length; index += 1) {
        const token = vocabulary[tokens[index] as number];
        if (token === undefined) throw new RangeError(`token ${tokens[index]} is outside a vocabulary of ${vocabulary.length}`);
        text += token;
      }
      return text;
    },
  };
}

/** Reads the `tokenizer.json` that an import wrote into a dataset's folder. Throws DATASET_DAMAGED. */
export async function readTokenizer(folder: string, dataset: Pick<TextDataset, 'vocabularySize'>): Promise<Tokenizer> {
  const path = join(folder, 'tokenizer.json');
  const damaged = (message: string, cause?: unknown) => new SluiceError({ code: 'DATASET_DAMAGED', message: `${message} Import the text again.`, where: path }, { cause });
  const { model } = await readJson(tokenizerFile, path, 'DATASET_DAMAGED').catch((error: unknown) => {
    if (!(error instanceof SluiceError) || !['FILE_NOT_FOUND', 'DATASET_DAMAGED'].includes(error.code)) throw error;
    throw damaged(error.code === 'FILE_NOT_FOUND' ? `${path} is damaged: it is missing.` : error.message, error);
  });
  const vocabulary: string[] = [];
  for (const [token, index] of Object.entries(model.vocab)) vocabulary[index] = token;
  const count = Object.keys(model.vocab).length;
  if (count !== dataset.vocabularySize) throw damaged(`${path} is damaged: it has ${count} tokens, not ${dataset.vocabularySize}.`);
  for (let index = 0; index < count; index += 1) {
    if (vocabulary[index] === undefined) throw damaged(`${path} is damaged: token ${index} is missing.`);
  }
  return createTokenizer(vocabulary);
}
