import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { detectEncoding, firstInvalidUtf8, readHead, readText, TextDecoding, type Encoding } from './encoding';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-encoding-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function encode(text: string, encoding: Encoding, hasMark: boolean): Uint8Array {
  const body = encoding === 'utf-8' ? Buffer.from(text, 'utf8') : Buffer.from(text, 'utf16le');
  if (encoding === 'utf-16be') body.swap16();
  const mark = { 'utf-8': [0xef, 0xbb, 0xbf], 'utf-16le': [0xff, 0xfe], 'utf-16be': [0xfe, 0xff] }[encoding];
  return Buffer.concat([Buffer.from(hasMark ? mark : []), body]);
}

async function readAll(bytes: Uint8Array): Promise<{ text: string; encoding: Encoding }> {
  const file = join(folder, 'x.txt');
  await writeFile(file, bytes);
  const { head, isWhole } = await readHead(file);
  const detected = detectEncoding(head, isWhole, file);
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
        fc.constantFrom<Encoding>('utf-8', 'utf-16le', 'utf-16be'),
        fc.array(fc.nat(7), { maxLength: 40 }),
        (raw, encoding, cuts) => {
          const text = raw.replaceAll('\0', '');
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
