import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import iconv from 'iconv-lite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { execFileSync } from 'node:child_process';
import { firstInvalidUtf8, readHead, readText, resolveEncoding, TextDecoding, type Encoding } from './encoding';
import { decodeKorean, firstInvalidKorean, looksKorean } from './korean';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-encoding-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function encode(text: string, encoding: Encoding, hasMark: boolean): Uint8Array {
  if (encoding === 'euc-kr') return iconv.encode(text, 'cp949');
  const body = encoding === 'utf-8' ? Buffer.from(text, 'utf8') : Buffer.from(text, 'utf16le');
  if (encoding === 'utf-16be') body.swap16();
  const mark = { 'utf-8': [0xef, 0xbb, 0xbf], 'utf-16le': [0xff, 0xfe], 'utf-16be': [0xfe, 0xff] }[encoding];
  return Buffer.concat([Buffer.from(hasMark ? mark : []), body]);
}

async function readAll(bytes: Uint8Array): Promise<{ text: string; encoding: Encoding }> {
  const file = join(folder, 'x.txt');
  await writeFile(file, bytes);
  const { head, isWhole } = await readHead(file);
  const detected = await resolveEncoding(head, isWhole, file, null);
  let text = '';
  for await (const block of readText(file, detected, new AbortController().signal)) text += block.text;
  return { text, encoding: detected.encoding };
}

describe('encodings', () => {
  const samples = ['To be, or not to be.\nThat is\r\nthe question 😀.', '운수 좋은 날\n설렁탕을 사다 놓았는데 왜 먹지를 못하니, 왜 먹지를 못하니…\n'];
  for (const encoding of ['utf-8', 'utf-16le', 'utf-16be'] as const) {
    for (const hasMark of [true, false]) {
      it(`${encoding} ${hasMark ? 'with' : 'without'} a mark`, async () => {
        for (const sample of samples) {
          expect(await readAll(encode(sample, encoding, hasMark))).toEqual({ text: sample.replaceAll('\r\n', '\n'), encoding });
        }
      });
    }
  }

  it('decodes the same however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('\r', '\n', '가', '😀')) }),
        fc.constantFrom<Encoding>('utf-8', 'utf-16le', 'utf-16be', 'euc-kr'),
        fc.array(fc.nat(7), { maxLength: 40 }),
        (raw, encoding, cuts) => {
          const text = [...raw].filter((character) => character !== '\0' && (encoding !== 'euc-kr' || iconv.decode(iconv.encode(character, 'cp949'), 'cp949') === character)).join('');
          const bytes = encode(text, encoding, false);
          const decoding = new TextDecoding('x', encoding, 0);
          let decoded = '';
          let start = 0;
          for (const cut of cuts) {
            decoded += decoding.decode(bytes.subarray(start, start + cut), false);
            start = Math.min(bytes.length, start + cut);
          }
          decoded += decoding.decode(bytes.subarray(start), true);
          return decoded === text.replaceAll('\r\n', '\n');
        },
      ),
    );
  });

  it('knows Korean of older programs, late in a file too', async () => {
    const text = '날짜,지점,평균기온(℃)\n2024-01-01,서울,-1.5\n2024-01-02,똠방각하 펲시콜라,2.0\n';
    expect(await readAll(encode(text, 'euc-kr', false))).toEqual({ text, encoding: 'euc-kr' });
    const late = `${'date,value\n'.repeat(100_000)}비고: 없음\n`;
    expect(await readAll(encode(late, 'euc-kr', false))).toEqual({ text: late, encoding: 'euc-kr' });
    // A block's end cuts characters of two bytes; an odd start makes sure of it.
    const long = `x${'가나다라마바사 '.repeat(120_000)}`;
    expect((await readAll(encode(long, 'euc-kr', false))).text).toBe(long);
    const damaged = Buffer.concat([encode(long, 'euc-kr', false), Buffer.from([0xff, 0x41])]);
    await expect(readAll(damaged)).rejects.toMatchObject({ code: 'FILE_NOT_TEXT', details: { byte: damaged.length - 2 } });
    await expect(readAll(Buffer.concat([encode(long, 'euc-kr', false), Buffer.from([0])]))).rejects.toMatchObject({ code: 'FILE_NOT_TEXT' });
  });

  it('takes no other language for Korean', () => {
    const western = ['café, naïve, façade', 'für Ärger und Größe', 'Ünlü şehir', 'São João'];
    for (const text of western) expect(looksKorean(Buffer.from(text, 'latin1'), true)).toBe(false);
    // Japanese in EUC-JP and Shift_JIS, Chinese in GB 2312.
    const others = ['c6fccbdcb8eca4cecab8bbfaa4f2c6c9a4dfa4dea4b9a1a3', '93fa967b8cea82cc95b68e9a82f093c782dd82dc82b78142', 'd6d0ced2c3c7d4dab6c1d5e2d0a9d7d6b5c4cab1bafdcbfcc3c7cac7b2bbcdacb5c4'];
    for (const hex of others) expect(looksKorean(Buffer.from(hex, 'hex'), true)).toBe(false);
    fc.assert(fc.property(fc.uint8Array({ minLength: 40, maxLength: 200 }), (bytes) => !looksKorean(bytes, true)));
  });

  it('finds the character that is none', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0x30, max: 0xff }), { maxLength: 6 }), (list) => {
        const bytes = Uint8Array.from(list);
        const at = firstInvalidKorean(bytes);
        return at < 0 ? decodeKorean(bytes) !== null : decodeKorean(bytes) === null && decodeKorean(bytes.subarray(0, at)) !== null;
      }),
      { numRuns: 2000 },
    );
  });

  it.skipIf(process.platform === 'win32')('refuses pipes and devices without waiting', async () => {
    const pipe = join(folder, 'pipe.csv');
    execFileSync('mkfifo', [pipe]);
    await expect(readHead(pipe)).rejects.toMatchObject({ code: 'FILE_UNREADABLE', message: `${pipe} is a pipe, not a file. Choose a file, or save what the pipe gives to one first.` });
    await expect(readHead('/dev/null')).rejects.toMatchObject({ code: 'FILE_UNREADABLE', message: '/dev/null is a device, not a file. Choose a file.' });
  });

  it('agrees with the platform on what is UTF-8', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 6 }), (bytes) => {
        let isValid = true;
        try {
          new TextDecoder('utf-8', { fatal: true }).decode(bytes);
        } catch {
          isValid = false;
        }
        return firstInvalidUtf8(bytes, true) < 0 === isValid;
      }),
      { numRuns: 2000 },
    );
  });

  it('names the byte at which a file is not text', async () => {
    const binary = Buffer.concat([Buffer.from('hello '), Buffer.from([0, 1, 2, 0xff, 0xfe, 0, 7, 9, 0x80, 0x81])]);
    await expect(readAll(binary)).rejects.toMatchObject({ code: 'FILE_NOT_TEXT', details: { byte: 6 } });
    await expect(readAll(Buffer.from([0x41, 0x42, 0xff, 0x43]))).rejects.toMatchObject({ code: 'FILE_NOT_TEXT', details: { byte: 2 } });
    // Behind what the detection looks at.
    const late = Buffer.concat([Buffer.alloc(700_000, 'ab '), Buffer.from([0xc3, 0x28])]);
    await expect(readAll(late)).rejects.toMatchObject({ code: 'FILE_NOT_TEXT', details: { byte: 700_000 } });
    await expect(readAll(encode('ok', 'utf-16le', true).slice(0, 5))).rejects.toMatchObject({ code: 'FILE_NOT_TEXT' });
  });

  it('refuses an empty or missing file', async () => {
    await expect(readAll(new Uint8Array(0))).rejects.toMatchObject({ code: 'FILE_EMPTY' });
    await expect(readHead(join(folder, 'none'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await expect(readHead(folder)).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
  });
});
