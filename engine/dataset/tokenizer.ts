import { z } from 'zod';
import { SluiceError } from '../contracts';
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

/** Reads a `tokenizer.json` written by an import. Throws DATASET_DAMAGED. */
export async function readTokenizer(path: string): Promise<Tokenizer> {
  const { model } = await readJson(tokenizerFile, path, 'DATASET_DAMAGED').catch((error: unknown) => {
    if (!(error instanceof SluiceError) || !['FILE_NOT_FOUND', 'DATASET_DAMAGED'].includes(error.code)) throw error;
    const reason = error.code === 'FILE_NOT_FOUND' ? `${path} is missing.` : error.message;
    throw new SluiceError({ code: 'DATASET_DAMAGED', message: `${reason} Import the text again.`, where: error.where }, { cause: error });
  });
  const vocabulary: string[] = [];
  for (const [token, index] of Object.entries(model.vocab)) vocabulary[index] = token;
  for (let index = 0; index < vocabulary.length; index += 1) {
    if (vocabulary[index] === undefined) {
      throw new SluiceError({ code: 'DATASET_DAMAGED', message: `${path} is damaged: token ${index} is missing. Import the text again.`, where: path });
    }
  }
  return createTokenizer(vocabulary);
}
