import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { SluiceError, type FilePreview, type ImportRequest, type SequenceRow, type Split } from '../../contracts';
import { nameFromFile, readError } from '../../workspace';
import { readHead } from '../encoding';
import { splitNames } from '../split';
import type { Sequences } from './write';

/** The keys of a piano as MIDI numbers them, A0 to C8. */
const piano = { lowest: 21, highest: 108 };

/** Names of the parts as files have them. */
const partNames = { train: ['train'], validation: ['validation', 'valid', 'val', 'dev'], test: ['test'] } as const;

/** Whether a file's beginning looks like `{"train": [[[60, 64], …` with parts in any order. */
export function looksLikePianoRoll(head: Uint8Array): boolean {
  return /^\uFEFF?\s*\{\s*"(train|validation|valid|val|dev|test)"\s*:\s*\[\s*\[\s*\[/.test(Buffer.from(head).toString('utf8'));
}

/**
 * Reads `{"train": pieces, "valid": pieces, "test": pieces}`: a piece is a list of frames, a frame the list of the
 * numbers that are on (MIDI notes). Throws DATASET_PARSE_FAILED with part, piece, frame and number.
 */
export async function readPianoRoll(file: string, request: Pick<ImportRequest, 'lowest' | 'highest'>): Promise<{ sequences: Sequences; sizeBytes: number; sha256: string }> {
  const name = basename(file);
  await readHead(file, 4);
  const bytes = await readFile(file).catch((error: unknown) => {
    throw readError(error, file);
  });
  const refused = (where: string, reason: string, advice: string): SluiceError =>
    new SluiceError({ code: 'DATASET_PARSE_FAILED', message: `${where}: ${reason}. ${advice}`, where, details: { file: name, row: null, reason } });
  const shape = 'Write {"train": [...], "valid": [...], "test": [...]}, each a list of pieces, a piece a list of frames, a frame the list of its notes, such as [60, 64, 67].';
  let parsed: unknown;
  try {
    parsed = JSON.parse(bytes.toString('utf8').replace(/^\uFEFF/, ''));
  } catch (error) {
    throw refused(name, `not valid JSON: ${error instanceof Error ? error.message : String(error)}`, 'Correct the file.');
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw refused(name, 'it holds no parts', shape);
  const parts = parsed as Record<string, unknown>;
  const lowest = request.lowest ?? piano.lowest;
  const highest = request.highest ?? piano.highest;
  if (highest < lowest) throw new SluiceError({ code: 'CONFIG_INVALID', message: `highest is ${highest}, below lowest, ${lowest}. Give a range.`, where: 'highest' });
  const entries = highest - lowest + 1;
  const lengths: number[] = [];
  const ends: number[] = [];
  const frames: number[][] = [];
  for (const part of splitNames) {
    const key = partNames[part].find((candidate) => Object.hasOwn(parts, candidate));
    if (key === undefined) throw refused(name, `there is no part "${partNames[part][part === 'validation' ? 1 : 0]}"`, shape);
    const pieces = parts[key];
    if (!Array.isArray(pieces) || pieces.length === 0) throw refused(`${name}, ${key}`, 'the part is no list of pieces', shape);
    pieces.forEach((piece: unknown, number) => {
      const where = `${name}, ${key}, piece ${number + 1}`;
      if (!Array.isArray(piece)) throw refused(where, 'the piece is no list of frames', shape);
      if (piece.length < 2) throw refused(where, `the piece has ${piece.length} frames`, 'A piece needs at least two, one to read and one to predict: leave it out.');
      piece.forEach((frame: unknown, step) => {
        const place = `${where}, frame ${step + 1}`;
        if (!Array.isArray(frame)) throw refused(place, 'the frame is no list of notes', shape);
        for (const note of frame as unknown[]) {
          if (typeof note !== 'number' || !Number.isInteger(note)) throw refused(place, `${JSON.stringify(note)} is no whole number`, 'Correct it.');
          if (note < lowest || note > highest) throw refused(place, `note ${note} is not within ${lowest} to ${highest}`, 'Correct it, or give a wider range with --lowest and --highest.');
        }
        frames.push(frame as number[]);
      });
      lengths.push(piece.length);
    });
    ends.push(lengths.length);
  }
  const values = new Uint8Array(frames.length * entries);
  frames.forEach((frame, step) => {
    for (const note of frame) values[step * entries + note - lowest] = 1;
  });
  const [train = 0, validation = 0, test = 0] = ends;
  const split: Split = { train: [0, train], validation: [train, validation], test: [validation, test] };
  return {
    sequences: { lengths: Uint32Array.from(lengths), split, body: { kind: 'bits', entries, lowest, values } },
    sizeBytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  };
}

/** What an import would make of a piano roll. */
export async function previewPianoRoll(file: string, request: ImportRequest): Promise<FilePreview> {
  const { sequences, sizeBytes } = await readPianoRoll(file, request);
  const { lengths, split, body } = sequences;
  if (body.kind !== 'bits') throw new RangeError('a piano roll holds bits');
  const first: SequenceRow = {
    number: 0,
    split: 'train',
    length: lengths[0] ?? 0,
    ones: Array.from({ length: lengths[0] ?? 0 }, (_, step) => Array.from({ length: body.entries }, (_, entry) => entry).filter((entry) => body.values[step * body.entries + entry] === 1)),
  };
  return {
    kind: 'sequences',
    name: basename(file),
    sizeBytes,
    sequences: { train: split.train[1], validation: split.validation[1] - split.validation[0], test: split.test[1] - split.test[0] },
    steps: lengths.reduce((sum, length) => sum + length, 0),
    shortest: Math.min(...lengths),
    longest: Math.max(...lengths),
    entries: body.entries,
    first,
    suggested: { ...request, task: 'binary-vectors', name: request.name ?? nameFromFile(file, 'data'), lowest: body.lowest, highest: body.lowest + body.entries - 1 },
  };
}
