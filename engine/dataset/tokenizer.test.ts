import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTokenizer, readTokenizer, tokenizerJson, unknownToken } from './tokenizer';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-tokenizer-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('tokenizer', () => {
  it('gives back every text over its own characters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (raw) => {
        const text = raw.replace(/^\ufeff/, '').replaceAll('\r\n', '\n');
        const tokenizer = createTokenizer([...new Set(text)]);
        return tokenizer.decode(tokenizer.encode(raw)) === text;
      }),
    );
  });

  it('gives the unknown token to characters outside, or refuses them', () => {
    const known = createTokenizer(['a', 'b', unknownToken]);
    expect([...known.encode('a가b😀')]).toEqual([0, 2, 1, 2]);
    expect(() => createTokenizer(['a', 'b']).encode('ab가')).toThrowError(expect.objectContaining({ code: 'INPUT_INVALID', where: 'character 3' }));
  });

  it('survives its file, whatever the characters', async () => {
    const vocabulary = ['\n', ' ', '"', '\\', '0', '9', '_', '가', '😀', unknownToken];
    const path = join(folder, 'tokenizer.json');
    await writeFile(path, JSON.stringify(tokenizerJson(vocabulary)));
    const tokenizer = await readTokenizer(folder, { vocabularySize: vocabulary.length });
    expect(tokenizer.vocabulary).toEqual(vocabulary);
    expect(tokenizer.unknown).toBe(9);
  });

  it('names a damaged file', async () => {
    const file = tokenizerJson(['a', 'b']);
    delete file.model.vocab['a'];
    await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(file));
    await expect(readTokenizer(folder, { vocabularySize: 1 })).rejects.toMatchObject({ code: 'DATASET_DAMAGED' });
    await expect(readTokenizer(folder, { vocabularySize: 2 })).rejects.toMatchObject({ code: 'DATASET_DAMAGED' });
    await rm(join(folder, 'tokenizer.json'));
    await expect(readTokenizer(folder, { vocabularySize: 2 })).rejects.toMatchObject({ code: 'DATASET_DAMAGED', where: join(folder, 'tokenizer.json'), message: expect.stringContaining('Import the text again') as string });
  });
});
