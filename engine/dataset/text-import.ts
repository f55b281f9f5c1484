import { createHash } from 'node:crypto';
import { open, readFile, type FileHandle } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { SluiceError, type FilePreview, type ImportRequest, type Problem, type Split, type SplitRequest, type TextDataset } from '../contracts';
import type { JobContext } from '../ports';
import { isMissing, nameFromFile, writeError, writeJson } from '../workspace';
import { readBlocks, readHead, readText, resolveEncoding, TextDecoding } from './encoding';
import { Checksum } from './integrity';
import { defaultShares, length, splitNames, splitRanges } from './split';
import { tokenizerJson, unknownToken } from './tokenizer';

/** Code points of Unicode; tables over all of them are a few MB and make both passes simple loops. */
const codePoints = 0x110000;
/** Characters of a preview. */
const previewCharacters = 20_000;

/** Text in order, block by block; `done` is the share read. Each call begins anew. */
export type TextBlocks = () => AsyncIterable<{ text: string; done: number }>;

export async function previewText(file: string, request: ImportRequest): Promise<FilePreview> {
  const { head, sizeBytes, isWhole } = await readHead(file);
  const detected = await resolveEncoding(head, isWhole, file, request.encoding);
  const text = new TextDecoding(file, detected.encoding, detected.bomBytes).decode(head.subarray(detected.bomBytes), isWhole);
  const characters = [...text];
  return {
    kind: 'text',
    name: basename(file),
    sizeBytes,
    encoding: detected.encoding,
    head: characters.slice(0, previewCharacters).join(''),
    characters: isWhole ? characters.length : null,
    suggested: {
      ...request,
      task: 'language-model',
      name: request.name ?? nameFromFile(file, 'text'),
      encoding: detected.encoding,
      split: request.split ?? { shares: [...defaultShares.text] },
    },
  };
}

interface TextFacts {
  tokens: number;
  words: number;
  lines: number;
  /** Position of each code point's first occurrence, −1 = none. */
  first: Float64Array;
}

function isBlank(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13) || code === 0xa0 || code === 0x3000;
}

async function readFacts(blocks: TextBlocks, report: (share: number) => void): Promise<TextFacts> {
  const first = new Float64Array(codePoints).fill(-1);
  let tokens = 0;
  let words = 0;
  let lines = 0;
  let isInWord = false;
  let lastCode = 10;
  for await (const { text, done } of blocks()) {
    for (let index = 0; index < text.length; index += 1) {
      let code = text.charCodeAt(index);
      if (code >= 0xd800 && code <= 0xdbff) {
        code = text.codePointAt(index) as number;
        index += 1;
      }
      if ((first[code] as number) < 0) first[code] = tokens;
      tokens += 1;
      lastCode = code;
      if (code === 10) lines += 1;
      if (isBlank(code)) isInWord = false;
      else if (!isInWord) {
        isInWord = true;
        words += 1;
      }
    }
    report(done);
  }
  // A last line without line feed is a line too.
  if (tokens > 0 && lastCode !== 10) lines += 1;
  return { tokens, words, lines, first };
}

/** Whether each part has a character and the one that follows it: the least there is to learn or check. */
function isLongEnough(request: SplitRequest, characters: number): boolean {
  try {
    const split = splitRanges(request, characters);
    return splitNames.every((name) => length(split[name]) >= 2);
  } catch {
    return false;
  }
}

/** Splits a text. Throws DATASET_TOO_SHORT with the characters needed, CONFIG_INVALID where the request itself is wrong. */
function splitText(request: SplitRequest, characters: number): Split {
  if ('shares' in request && request.shares.every((share) => share > 0) && !isLongEnough(request, characters)) {
    // Two characters of the smallest part are enough, give or take the rounding of the cuts.
    let needed = characters + 1;
    const most = Math.ceil(3 / Math.min(...request.shares));
    while (needed < most && !isLongEnough(request, needed)) needed += 1;
    if (isLongEnough(request, needed)) {
      throw new SluiceError({
        code: 'DATASET_TOO_SHORT',
        message: `This is a text with ${characters} characters; at least ${needed} are needed. Choose a longer text.`,
        where: 'split',
        details: { rows: characters, characters, needed },
      });
    }
  }
  const split = splitRanges(request, characters);
  const short = splitNames.find((name) => length(split[name]) < 2);
  if (short) {
    throw new SluiceError({
      code: 'DATASET_TOO_SHORT',
      message: `This is a text with ${characters} characters, and its ${short} part would have ${length(split[short])}; at least 2 are needed. Choose a longer text or other parts.`,
      where: 'split',
      details: { rows: characters, part: short },
    });
  }
  return split;
}

/**
 * Splits a text, builds the vocabulary from its training part (characters in code point order, `<unk>` last
 * and only if another part needs it) and writes tokens.bin, tokenizer.json and, where there are unknown
 * characters, unknown.bin: pairs of float64 (position, code point), so that no character is ever lost.
 */
export async function tokenize(
  blocks: TextBlocks,
  request: SplitRequest | null,
  folder: string,
  report: (phase: string, share: number) => void,
): Promise<Pick<TextDataset, 'split' | 'warnings' | 'tokens' | 'bytesPerToken' | 'vocabularySize' | 'characters' | 'words' | 'lines' | 'unknownTokens' | 'checksum'>> {
  const facts = await readFacts(blocks, (done) => report('reading', 0.5 * done));
  const split = splitText(request ?? { shares: [...defaultShares.text] }, facts.tokens);

  const tokenOf = new Int32Array(codePoints).fill(-1);
  const vocabulary: string[] = [];
  const unseen: string[] = [];
  for (let code = 0; code < codePoints; code += 1) {
    const position = facts.first[code] as number;
    if (position < 0) continue;
    if (position < split.train[1]) {
      tokenOf[code] = vocabulary.length;
      vocabulary.push(String.fromCodePoint(code));
    } else unseen.push(String.fromCodePoint(code));
  }
  const unknown = vocabulary.length;
  if (unseen.length > 0) vocabulary.push(unknownToken);
  const bytesPerToken = vocabulary.length > 65_536 ? 4 : 2;

  const tokensPath = join(folder, 'tokens.bin');
  const unknownPath = join(folder, 'unknown.bin');
  let unknownTokens = 0;
  const checksum = new Checksum();
  let unknownFile: FileHandle | null = null;
  try {
    const file = await open(tokensPath, 'wx');
    try {
      if (unseen.length > 0) unknownFile = await open(unknownPath, 'wx');
      let position = 0;
      for await (const { text, done } of blocks()) {
        const block = bytesPerToken === 2 ? new Uint16Array(text.length) : new Uint32Array(text.length);
        const lost: number[] = [];
        let count = 0;
        for (let index = 0; index < text.length; index += 1) {
          let code = text.charCodeAt(index);
          if (code >= 0xd800 && code <= 0xdbff) {
            code = text.codePointAt(index) as number;
            index += 1;
          }
          let token = tokenOf[code] as number;
          if (token < 0) {
            token = unknown;
            lost.push(position + count, code);
          }
          block[count] = token;
          count += 1;
        }
        position += count;
        unknownTokens += lost.length / 2;
        const bytes = new Uint8Array(block.buffer, 0, count * bytesPerToken);
        checksum.add(bytes);
        await file.writeFile(bytes);
        if (lost.length > 0) await unknownFile?.writeFile(new Uint8Array(Float64Array.from(lost).buffer));
        report('writing', 0.5 + 0.5 * done);
      }
      await file.sync();
      await unknownFile?.sync();
    } finally {
      await file.close();
      await unknownFile?.close();
    }
  } catch (error) {
    throw writeError(error, tokensPath);
  }
  await writeJson(join(folder, 'tokenizer.json'), tokenizerJson(vocabulary));

  const warnings: Problem[] = [];
  if (unseen.length > 0) {
    warnings.push({
      severity: 'warning',
      code: 'UNKNOWN_CHARACTERS',
      message: `${unseen.length} different characters (${unknownTokens} in all) occur only outside the training part and become ${unknownToken}: ${unseen.slice(0, 20).join(' ')}${unseen.length > 20 ? ' …' : ''}`,
      row: null,
      column: null,
      count: unseen.length,
    });
  }
  const unused = facts.tokens - split.test[1];
  if (unused > 0) {
    warnings.push({ severity: 'info', code: 'ROWS_UNUSED', message: `${unused} characters behind the split are not used.`, row: null, column: null, count: unused });
  }
  if (split.train[1] < 5000) {
    warnings.push({ severity: 'info', code: 'SHORT_DATA', message: `Training has only ${split.train[1]} characters; expect a rough model.`, row: null, column: null, count: split.train[1] });
  }
  return {
    split,
    warnings,
    tokens: facts.tokens,
    bytesPerToken,
    vocabularySize: vocabulary.length,
    characters: facts.tokens,
    words: facts.words,
    lines: facts.lines,
    unknownTokens,
    checksum: checksum.text,
  };
}

/** Imports a text file of any size into `folder`: two passes over blocks, never the whole text in memory. */
export async function importTextFile(file: string, request: ImportRequest, id: string, createdAt: string, folder: string, job: JobContext): Promise<TextDataset> {
  const { head, sizeBytes, isWhole } = await readHead(file);
  const detected = await resolveEncoding(head, isWhole, file, request.encoding, job.signal);
  const hash = createHash('sha256');
  for await (const { bytes } of readBlocks(file, 0, job.signal)) hash.update(bytes);
  const startedAt = performance.now();
  const report = (phase: string, share: number) => {
    const seconds = (performance.now() - startedAt) / 1000;
    const bytesPerSecond = (2 * share * sizeBytes) / Math.max(seconds, 1e-3);
    job.progress({
      phase,
      share,
      rate: seconds > 0.3 ? `${(bytesPerSecond / 1e6).toFixed(0)} MB/s` : null,
      secondsLeft: seconds > 1 && share > 0 ? (seconds * (1 - share)) / share : null,
    });
  };
  if (sizeBytes === detected.bomBytes) {
    throw new SluiceError({ code: 'FILE_EMPTY', message: `${basename(file)} holds a byte order mark and nothing else. Choose a file that holds text.`, where: basename(file), details: { file: basename(file) } });
  }
  const parts = await tokenize(() => readText(file, detected, job.signal), request.split, folder, report);
  return {
    format: 'sluice-dataset/1',
    id,
    createdAt,
    source: { name: basename(file), sizeBytes, sha256: hash.digest('hex'), encoding: detected.encoding, delimiter: null, sample: request.sample },
    kind: 'text',
    task: { kind: 'language-model' },
    ...parts,
  };
}

/** Characters that training never saw, by position: what tokens.bin cannot tell. Throws DATASET_DAMAGED. */
export async function readUnknown(folder: string, dataset: Pick<TextDataset, 'unknownTokens' | 'tokens'>): Promise<{ positions: Float64Array; characters: Float64Array }> {
  const path = join(folder, 'unknown.bin');
  const count = dataset.unknownTokens;
  const damaged = (reason: string, cause?: unknown) => new SluiceError({ code: 'DATASET_DAMAGED', message: `${path} is damaged: ${reason}. Import the text again.`, where: path }, { cause });
  const bytes = await readFile(path).catch((error: unknown) => {
    throw damaged(isMissing(error) ? 'it is missing' : 'it cannot be read', error);
  });
  if (bytes.byteLength !== count * 16) throw damaged(`${bytes.byteLength} bytes, not ${count * 16}`);
  const pairs = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  const positions = pairs.filter((_, index) => index % 2 === 0);
  const characters = pairs.filter((_, index) => index % 2 === 1);
  const isOrdered = positions.every((position, index) => Number.isInteger(position) && position > (positions[index - 1] ?? -1) && position < dataset.tokens);
  if (!isOrdered || !characters.every((code) => Number.isInteger(code) && code >= 0 && code < codePoints)) throw damaged('its content is not what the import wrote');
  return { positions, characters };
}

/** First index whose position is not below `position`. */
export function lowerBound(positions: Float64Array, position: number): number {
  let low = 0;
  let high = positions.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((positions[middle] as number) < position) low = middle + 1;
    else high = middle;
  }
  return low;
}
