import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { SluiceError, type TextEncoding } from '../contracts';
import { completeKorean, decodeKorean, firstInvalidKorean, looksKorean } from './korean';
import { readError } from '../workspace';

export type Encoding = TextEncoding;

const blockBytes = 512 * 1024;
/** Bytes looked at to recognise the encoding. */
const headBytes = 64 * 1024;

export interface DetectedEncoding {
  encoding: Encoding;
  /** Bytes of the byte order mark, 0 without one. */
  bomBytes: number;
}

function notText(file: string, byte: number, reason: string): SluiceError {
  const name = basename(file);
  return new SluiceError({
    code: 'FILE_NOT_TEXT',
    message: `${name} is not text: ${reason} at byte ${byte}. Choose a file in UTF-8, UTF-16 or EUC-KR.`,
    where: `${name}, byte ${byte}`,
    details: { file: name, byte },
  });
}

/** Position of the first byte that is not valid UTF-8, or −1; an unfinished sequence at the end counts only if `isLast`. */
export function firstInvalidUtf8(bytes: Uint8Array, isLast: boolean): number {
  let index = 0;
  while (index < bytes.length) {
    const lead = bytes[index] as number;
    if (lead < 0x80) {
      index += 1;
      continue;
    }
    // Smallest and largest second byte exclude overlong forms, surrogates and numbers above 10FFFF (RFC 3629).
    let length: number;
    let low = 0x80;
    let high = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) length = 2;
    else if (lead >= 0xe0 && lead <= 0xef) {
      length = 3;
      if (lead === 0xe0) low = 0xa0;
      if (lead === 0xed) high = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      length = 4;
      if (lead === 0xf0) low = 0x90;
      if (lead === 0xf4) high = 0x8f;
    } else return index;
    for (let next = 1; next < length; next += 1) {
      if (index + next >= bytes.length) return isLast ? index : -1;
      const byte = bytes[index + next] as number;
      if (byte < (next === 1 ? low : 0x80) || byte > (next === 1 ? high : 0xbf)) return index;
    }
    index += length;
  }
  return -1;
}

/** Position of the first control character that no text holds (tab, line feed, form feed, return and escape are fine), or −1. */
function firstControl(bytes: Uint8Array): number {
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index] as number;
    if (byte < 0x20 && byte !== 9 && byte !== 10 && byte !== 12 && byte !== 13 && byte !== 27) return index;
  }
  return -1;
}

/** UTF-16 without a mark shows by spaces, line feeds and digits whose other byte is zero. */
function guessUtf16(head: Uint8Array): Encoding | null {
  let little = 0;
  let big = 0;
  const units = Math.floor(head.length / 2);
  for (let unit = 0; unit < units; unit += 1) {
    const first = head[2 * unit] as number;
    const second = head[2 * unit + 1] as number;
    const isPlain = (byte: number) => byte === 9 || byte === 10 || byte === 13 || (byte >= 0x20 && byte < 0x7f);
    if (second === 0 && isPlain(first)) little += 1;
    if (first === 0 && isPlain(second)) big += 1;
  }
  const share = Math.max(little, big) / Math.max(1, units);
  if (share < 0.05 || Math.min(little, big) > 0.1 * Math.max(little, big)) return null;
  const encoding = little > big ? 'utf-16le' : 'utf-16be';
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(head.subarray(0, 2 * units), { stream: true });
    // Random bytes decode too; text does not consist of controls, private and unassigned characters.
    const odd = text.match(/[\p{Cc}\p{Co}\p{Cn}]/gu)?.filter((character) => !'\t\n\r\f'.includes(character)).length ?? 0;
    return odd <= 0.001 * text.length ? encoding : null;
  } catch {
    return null;
  }
}

/** Recognises the encoding from the first bytes. Throws FILE_NOT_TEXT with the byte position for binary content. */
export function detectEncoding(head: Uint8Array, isWhole: boolean, file: string): DetectedEncoding {
  if (head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf) return { encoding: 'utf-8', bomBytes: 3 };
  if (head[0] === 0xff && head[1] === 0xfe) return { encoding: 'utf-16le', bomBytes: 2 };
  if (head[0] === 0xfe && head[1] === 0xff) return { encoding: 'utf-16be', bomBytes: 2 };
  const invalid = firstInvalidUtf8(head, isWhole);
  const control = firstControl(head);
  if (invalid < 0 && control < 0) return { encoding: 'utf-8', bomBytes: 0 };
  if (control < 0 && looksKorean(head, isWhole)) return { encoding: 'euc-kr', bomBytes: 0 };
  const guess = guessUtf16(head);
  if (guess) return { encoding: guess, bomBytes: 0 };
  if (control >= 0 && (invalid < 0 || control < invalid)) {
    throw notText(file, control, `control character 0x${(head[control] as number).toString(16).padStart(2, '0')}`);
  }
  throw notText(file, invalid, `byte 0x${(head[invalid] as number).toString(16)} is not UTF-8`);
}

/** Opens a file that a user named. Pipes, devices and sockets have no end or no start, and reading one may wait for ever. */
export async function openPlain(file: string): Promise<{ handle: FileHandle; size: number }> {
  let handle: FileHandle;
  try {
    // Without it, opening a pipe waits for who writes to it. Windows has no such flag.
    handle = await open(file, constants.O_RDONLY | ((constants.O_NONBLOCK as number | undefined) ?? 0));
  } catch (error) {
    throw readError(error, file);
  }
  try {
    const entry = await handle.stat();
    if (entry.isFile()) return { handle, size: entry.size };
    const kind = entry.isDirectory() ? 'a folder' : entry.isFIFO() ? 'a pipe' : entry.isSocket() ? 'a socket' : 'a device';
    throw new SluiceError({ code: 'FILE_UNREADABLE', message: `${file} is ${kind}, not a file. Choose a file${kind === 'a pipe' ? ', or save what the pipe gives to one first' : ''}.`, where: file });
  } catch (error) {
    await handle.close();
    throw readError(error, file);
  }
}

/** The first bytes of a file and its size. Throws FILE_NOT_FOUND, FILE_UNREADABLE, FILE_EMPTY. */
export async function readHead(file: string, bytes = headBytes): Promise<{ head: Uint8Array; sizeBytes: number; isWhole: boolean }> {
  const { handle, size } = await openPlain(file);
  try {
    const buffer = new Uint8Array(Math.min(size, bytes));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    if (size === 0) {
      throw new SluiceError({
        code: 'FILE_EMPTY',
        message: `${basename(file)} is empty. Choose a file that holds data.`,
        where: basename(file),
        details: { file: basename(file) },
      });
    }
    return { head: buffer.subarray(0, bytesRead), sizeBytes: size, isWhole: bytesRead === size };
  } catch (error) {
    throw readError(error, file);
  } finally {
    await handle.close();
  }
}

function firstLoneSurrogate(bytes: Uint8Array, encoding: Encoding): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let index = 0; index + 1 < bytes.length; index += 2) {
    const unit = view.getUint16(index, encoding === 'utf-16le');
    if (unit < 0xd800 || unit > 0xdfff) continue;
    const next = index + 3 < bytes.length ? view.getUint16(index + 2, encoding === 'utf-16le') : 0;
    if (unit > 0xdbff || next < 0xdc00 || next > 0xdfff) return index;
    index += 2;
  }
  return Math.max(0, bytes.length - 1);
}

const koreanDecoder = {
  decode: (bytes: Uint8Array): string => {
    const text = decodeKorean(bytes);
    if (text === null) throw new TypeError('not EUC-KR');
    return text;
  },
};

/**
 * Decodes bytes block by block to text without byte order mark and with LF line ends. A block never ends
 * inside a surrogate pair or between CR and LF. Throws FILE_NOT_TEXT with the byte position.
 */
export class TextDecoding {
  private readonly decoder: { decode(bytes: Uint8Array): string };
  /** Bytes of a sequence that the last block did not finish. */
  private rest: Uint8Array = new Uint8Array(0);
  private position = 0;
  private held = '';

  constructor(
    private readonly file: string,
    private readonly encoding: Encoding,
    bomBytes: number,
  ) {
    this.decoder = encoding === 'euc-kr' ? koreanDecoder : new TextDecoder(encoding, { fatal: true, ignoreBOM: true });
    this.position = bomBytes;
  }

  /** `bytes` follow the ones given before, the mark left out. */
  decode(bytes: Uint8Array, isLast: boolean): string {
    const all = this.rest.length > 0 ? Buffer.concat([this.rest, bytes]) : bytes;
    if (this.encoding === 'utf-8' || this.encoding === 'euc-kr') {
      const zero = Buffer.from(all.buffer, all.byteOffset, all.byteLength).indexOf(0);
      if (zero >= 0) throw notText(this.file, this.position + zero, 'control character 0x00');
    }
    const whole = isLast ? all : all.subarray(0, completeLength(all, this.encoding));
    let text: string;
    try {
      text = this.decoder.decode(whole);
    } catch {
      const at = this.encoding === 'utf-8' ? firstInvalidUtf8(whole, true) : this.encoding === 'euc-kr' ? firstInvalidKorean(whole) : firstLoneSurrogate(whole, this.encoding);
      throw notText(this.file, this.position + Math.max(0, at), `bytes that are not ${this.encoding.toUpperCase()}`);
    }
    this.position += whole.length;
    this.rest = all.slice(whole.length);
    text = this.held + text;
    this.held = '';
    if (!isLast && text.endsWith('\r')) {
      this.held = '\r';
      text = text.slice(0, -1);
    }
    return text.includes('\r') ? text.replaceAll('\r\n', '\n') : text;
  }
}

/** Length of the longest prefix that does not end inside a character. */
function completeLength(bytes: Uint8Array, encoding: Encoding): number {
  if (encoding === 'euc-kr') return completeKorean(bytes);
  if (encoding === 'utf-8') {
    for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
      const byte = bytes[bytes.length - back] as number;
      if (byte < 0x80) break;
      if (byte >= 0xc0) {
        const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
        return length > back ? bytes.length - back : bytes.length;
      }
    }
    return bytes.length;
  }
  const even = bytes.length - (bytes.length % 2);
  if (even < 2) return even;
  const high = bytes[even - (encoding === 'utf-16le' ? 1 : 2)] as number;
  return high >= 0xd8 && high <= 0xdb ? even - 2 : even;
}

/** Blocks of a file in order; `done` is the share read so far. Throws CANCELLED's cause when aborted. */
export async function* readBlocks(
  file: string,
  from: number,
  signal: AbortSignal,
): AsyncGenerator<{ bytes: Uint8Array; isLast: boolean; done: number }> {
  const { handle, size } = await openPlain(file);
  try {
    let position = from;
    do {
      signal.throwIfAborted();
      const bytes = new Uint8Array(Math.min(blockBytes, Math.max(0, size - position)));
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, position);
      position += bytesRead;
      // A file that shrinks while it is read ends where it ends.
      const isLast = bytesRead === 0 || position >= size;
      yield { bytes: bytes.subarray(0, bytesRead), isLast, done: size === 0 ? 1 : position / size };
      if (isLast) return;
    } while (position < size);
  } finally {
    await handle.close();
  }
}

/** Decoded text of a file, block by block. */
export async function* readText(file: string, detected: DetectedEncoding, signal: AbortSignal): AsyncGenerator<{ text: string; done: number }> {
  const decoding = new TextDecoding(file, detected.encoding, detected.bomBytes);
  for await (const { bytes, isLast, done } of readBlocks(file, detected.bomBytes, signal)) {
    yield { text: decoding.decode(bytes, isLast), done };
  }
}

/** Bytes that are read on where the first ones are all ASCII: a Korean comment may come late. */
const lateBytes = 16 * 1024 * 1024;

/**
 * The encoding a user chose, or what the bytes say; a chosen one still drops its own mark. A head that is ASCII all
 * through says nothing yet: then the bytes around the first other one decide.
 */
export async function resolveEncoding(head: Uint8Array, isWhole: boolean, file: string, chosen: Encoding | null, signal: AbortSignal = new AbortController().signal): Promise<DetectedEncoding> {
  if (chosen !== null) {
    const mark = { 'utf-8': [0xef, 0xbb, 0xbf], 'utf-16le': [0xff, 0xfe], 'utf-16be': [0xfe, 0xff], 'euc-kr': [] }[chosen];
    return { encoding: chosen, bomBytes: mark.every((byte, index) => head[index] === byte) ? mark.length : 0 };
  }
  const detected = detectEncoding(head, isWhole, file);
  if (isWhole || detected.encoding !== 'utf-8' || head.some((byte) => byte >= 0x80)) return detected;
  let read = 0;
  for await (const { bytes, isLast } of readBlocks(file, head.length, signal)) {
    const at = bytes.findIndex((byte) => byte >= 0x80);
    read += bytes.length;
    if (at >= 0 && looksKorean(bytes.subarray(at), isLast)) return { encoding: 'euc-kr', bomBytes: 0 };
    if (at >= 0 || read > lateBytes) break;
  }
  return detected;
}
