import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { SluiceError, type SplitName, type TextDataset, type TextProfile } from '../contracts';
import { checkFile } from './integrity';
import { splitNames } from './split';
import { lowerBound, readUnknown, type TextBlocks } from './text-import';
import { readTokenizer, unknownToken } from './tokenizer';

const blockTokens = 256 * 1024;

function viewOf(bytes: Uint8Array, bytesPerToken: 2 | 4): Uint16Array | Uint32Array {
  const copy = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return bytesPerToken === 2 ? new Uint16Array(copy.buffer, copy.byteOffset, copy.byteLength / 2) : new Uint32Array(copy.buffer, copy.byteOffset, copy.byteLength / 4);
}

/** The path of a whole `tokens.bin`. Throws DATASET_DAMAGED. */
export async function checkTokens(folder: string, dataset: TextDataset): Promise<string> {
  const path = join(folder, 'tokens.bin');
  await checkFile(path, dataset.tokens * dataset.bytesPerToken, dataset.checksum, 'text');
  return path;
}

/** Tokens `[start, end)` in blocks. Throws DATASET_DAMAGED. */
export async function* readTokens(folder: string, dataset: TextDataset, start: number, end: number): AsyncGenerator<{ tokens: Uint16Array | Uint32Array; position: number }> {
  const path = await checkTokens(folder, dataset);
  const file = await open(path, 'r');
  try {
    for (let position = start; position < end; position += blockTokens) {
      const count = Math.min(blockTokens, end - position);
      const bytes = new Uint8Array(count * dataset.bytesPerToken);
      const { bytesRead } = await file.read(bytes, 0, bytes.length, position * dataset.bytesPerToken);
      if (bytesRead !== bytes.length) {
        throw new SluiceError({ code: 'DATASET_DAMAGED', message: `${path} is damaged: it ends at byte ${position * dataset.bytesPerToken + bytesRead}. Import the text again.`, where: path });
      }
      yield { tokens: viewOf(bytes, dataset.bytesPerToken), position };
    }
  } finally {
    await file.close();
  }
}

/** The original text of tokens `[start, end)`, with the characters that are `<unk>` to the model. */
export async function readOriginalText(folder: string, dataset: TextDataset, start: number, end: number): Promise<string> {
  let text = '';
  for await (const block of originalText(folder, dataset, start, end)) text += block;
  return text;
}

async function* originalText(folder: string, dataset: TextDataset, start: number, end: number): AsyncGenerator<string> {
  const { vocabulary, unknown } = await readTokenizer(folder, dataset);
  const { positions, characters } = unknown === null ? { positions: new Float64Array(0), characters: new Float64Array(0) } : await readUnknown(folder, dataset);
  let next = lowerBound(positions, start);
  for await (const { tokens, position } of readTokens(folder, dataset, start, end)) {
    const parts = new Array<string>(tokens.length);
    for (let index = 0; index < tokens.length; index += 1) {
      const token = tokens[index] as number;
      if (token === unknown && positions[next] === position + index) {
        parts[index] = String.fromCodePoint(characters[next] as number);
        next += 1;
      } else parts[index] = vocabulary[token] ?? '';
    }
    yield parts.join('');
  }
}

/** The text of a dataset as an import would read it, for another split of it. */
export function datasetBlocks(folder: string, dataset: TextDataset): TextBlocks {
  return async function* blocks() {
    let characters = 0;
    for await (const text of originalText(folder, dataset, 0, dataset.tokens)) {
      characters = Math.min(dataset.tokens, characters + blockTokens);
      yield { text, done: characters / dataset.tokens };
    }
  };
}

/** Counts of tokens and lengths of lines of a whole text. */
export async function profileText(folder: string, dataset: TextDataset): Promise<TextProfile> {
  const { vocabulary, unknown } = await readTokenizer(folder, dataset);
  const counts = new Float64Array(dataset.vocabularySize);
  const lineFeed = vocabulary.indexOf('\n');
  const lines = new Map<number, number>();
  const endLine = (size: number) => lines.set(size, (lines.get(size) ?? 0) + 1);
  let lineStart = 0;
  for await (const { tokens, position } of readTokens(folder, dataset, 0, dataset.tokens)) {
    for (let index = 0; index < tokens.length; index += 1) {
      const token = tokens[index] as number;
      counts[token] = (counts[token] as number) + 1;
      if (token === lineFeed) {
        endLine(position + index - lineStart);
        lineStart = position + index + 1;
      }
    }
  }
  if (lineStart < dataset.tokens) endLine(dataset.tokens - lineStart);

  const known = vocabulary.map((text, token) => ({ text, count: counts[token] as number, split: 'all' as const })).filter((entry, token) => token !== unknown && entry.count > 0);
  const unseen = new Map<string, { text: string; count: number; split: SplitName | 'all' }>();
  if (unknown !== null) {
    const { positions, characters } = await readUnknown(folder, dataset);
    positions.forEach((position, index) => {
      const text = String.fromCodePoint(characters[index] as number);
      const split = splitNames.find((name) => position >= dataset.split[name][0] && position < dataset.split[name][1]) ?? 'all';
      const entry = unseen.get(text);
      if (!entry) unseen.set(text, { text, count: 1, split });
      else {
        entry.count += 1;
        if (entry.split !== split) entry.split = 'all';
      }
    });
  }
  if (unknown !== null && unseen.size === 0) unseen.set(unknownToken, { text: unknownToken, count: counts[unknown] as number, split: 'all' });
  return {
    kind: 'text',
    tokens: [...known, ...unseen.values()].sort((a, b) => b.count - a.count),
    lineLengths: lengthBars(lines),
  };
}

/** Up to 24 bars of equal width over the lengths of 99 % of the lines; the last one takes the rest. */
function lengthBars(lines: Map<number, number>): TextProfile['lineLengths'] {
  const sorted = [...lines].sort(([a], [b]) => a - b);
  const total = sorted.reduce((sum, [, count]) => sum + count, 0);
  let seen = 0;
  let most = 0;
  for (const [size, count] of sorted) {
    if (seen >= 0.99 * total) break;
    seen += count;
    most = size;
  }
  const width = Math.max(1, Math.ceil((most + 1) / 24));
  const bars: TextProfile['lineLengths'] = [];
  for (let from = 0; from <= most; from += width) bars.push({ from, to: from + width, count: 0 });
  for (const [size, count] of sorted) {
    const bar = bars[Math.min(bars.length - 1, Math.floor(size / width))];
    if (bar) bar.count += count;
  }
  const longest = sorted.at(-1)?.[0] ?? 0;
  const last = bars.at(-1);
  if (last && longest >= last.to) last.to = longest + 1;
  return bars;
}
