import { open } from 'node:fs/promises';
import type { Probe, SequenceData, SeriesData, TokenData, TrainingData } from '../binding/types';
import { SluiceError, type ProbeConfig, type SplitName } from '../contracts';
import type { Tokenizer } from '../ports';

/** Characters of the validation part that stand in where no probe text is given. */
const defaultProbeTokens = 160;

/** Tokens `start … start + count` of a `tokens.bin`, fewer at its end. Throws DATASET_DAMAGED for what is no token. */
export async function readTokens(data: TokenData, start: number, count: number): Promise<number[]> {
  const file = await open(data.path, 'r');
  try {
    const width = data.bytesPerToken;
    const bytes = Buffer.alloc(count * width);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, start * width);
    const tokens = Array.from({ length: Math.floor(bytesRead / width) }, (_, index) => (width === 2 ? bytes.readUInt16LE(index * 2) : bytes.readUInt32LE(index * 4)));
    const junk = tokens.findIndex((token) => token >= data.vocabularySize);
    if (junk >= 0) {
      throw new SluiceError({
        code: 'DATASET_DAMAGED',
        message: `${data.path} is damaged: it holds token ${tokens[junk]} at ${start + junk}, and the vocabulary has ${data.vocabularySize}. Import the text again.`,
        where: data.path,
      });
    }
    return tokens;
  } finally {
    await file.close();
  }
}

/** First row of a split's window, counted over its ranges; null where it has fewer. */
export function windowStart(data: SeriesData, split: SplitName, window: number): number | null {
  let left = window;
  for (const [start, end] of data.windows[split]) {
    if (left < end - start) return start + left;
    left -= end - start;
  }
  return null;
}

/** Number in the file of a part's sequence. Throws the code at the field where the part has fewer. */
export function sequenceNumber(data: SequenceData, split: SplitName, index: number, where: string, code: 'CONFIG_INVALID' | 'INPUT_INVALID'): number {
  const [start, end] = data.split[split];
  if (start + index < end) return start + index;
  throw new SluiceError({ code, message: `${where} is ${index}, but the ${split} part has ${end - start} sequences; use 0 to ${end - start - 1}`, where, details: { value: index, maximum: end - start - 1 } });
}

/** The sequence whose gates a run records; throws CONFIG_INVALID at `probe.window` or what the tokenizer throws at `probe.text`. */
export async function resolveProbe(config: ProbeConfig, data: TrainingData, tokenizer: Tokenizer | null): Promise<Probe & { everyMs: number }> {
  const { everyMs } = config;
  if (data.kind === 'tokens') {
    if (config.text !== null && config.text !== '') {
      if (!tokenizer) throw new SluiceError({ code: 'INTERNAL', message: 'a text has a tokenizer' });
      return { kind: 'tokens', tokens: Array.from(encodeAt(tokenizer, config.text, 'probe.text')), everyMs };
    }
    const [start, end] = data.split.validation;
    return { kind: 'tokens', tokens: await readTokens(data, start, Math.min(defaultProbeTokens, end - start)), everyMs };
  }
  if (data.kind === 'sequences') return { kind: 'window', start: sequenceNumber(data, config.split, config.window, 'probe.window', 'CONFIG_INVALID'), everyMs };
  const start = windowStart(data, config.split, config.window);
  if (start !== null) return { kind: 'window', start, everyMs };
  const count = data.windows[config.split].reduce((sum, [from, to]) => sum + to - from, 0);
  throw new SluiceError({
    code: 'CONFIG_INVALID',
    message: `probe.window is ${config.window}, but the ${config.split} part has ${count} windows; use 0 to ${count - 1}`,
    where: 'probe.window',
    details: { value: config.window, maximum: count - 1 },
  });
}

/** Tokens of a text; a character that the vocabulary lacks is said at the field it came from. */
export function encodeAt(tokenizer: Tokenizer, text: string, where: string): Uint32Array {
  try {
    return tokenizer.encode(text);
  } catch (error) {
    if (error instanceof SluiceError) {
      throw new SluiceError({ code: error.code, message: error.message, where, ...(error.details && { details: error.details }) }, { cause: error });
    }
    throw error;
  }
}

/** Tokens that samples shown during training start with: the probe's text, else a line break, else how the validation part begins. */
export async function samplePrompt(config: ProbeConfig, data: TrainingData, tokenizer: Tokenizer | null): Promise<number[]> {
  if (data.kind !== 'tokens' || !tokenizer) return [];
  if (config.text !== null && config.text !== '') return Array.from(encodeAt(tokenizer, config.text, 'probe.text'));
  const lineBreak = tokenizer.vocabulary.indexOf('\n');
  return lineBreak >= 0 ? [lineBreak] : readTokens(data, data.split.validation[0], 1);
}
