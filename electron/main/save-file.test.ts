import { execFileSync } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { saveFile } from './save-file';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sluice-save-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const save = (path: string): Promise<void> => saveFile(path, (temporary) => writeFile(temporary, 'new'));

describe('a file saved from the window', () => {
  it('is there whole, and replaces what a link leads to', async () => {
    await writeFile(join(root, 'real'), 'old');
    await symlink('real', join(root, 'link'));
    await save(join(root, 'link'));
    await save(join(root, 'fresh'));
    expect(await readFile(join(root, 'real'), 'utf8')).toBe('new');
    expect((await lstat(join(root, 'link'))).isSymbolicLink()).toBe(true);
    expect((await readdir(root)).sort()).toEqual(['fresh', 'link', 'real']);
  });

  it('leaves the old one where it cannot be written', async () => {
    await writeFile(join(root, 'a'), 'old');
    const full = Object.assign(new Error('no space'), { code: 'ENOSPC' });
    await expect(saveFile(join(root, 'a'), async (temporary) => {
      await writeFile(temporary, 'ne');
      throw full;
    })).rejects.toMatchObject({ code: 'DISK_FULL' });
    expect(await readFile(join(root, 'a'), 'utf8')).toBe('old');
    expect(await readdir(root)).toEqual(['a']);
  });

  it('says in words why it cannot be written', async () => {
    await expect(save(join(root, 'nowhere', 'a'))).rejects.toMatchObject({ code: 'FILE_UNREADABLE', message: expect.stringContaining('its folder does not exist') as string });
    const odd = Object.assign(new Error('EODD: words of the system'), { code: 'EODD' });
    await expect(saveFile(join(root, 'b'), () => Promise.reject(odd))).rejects.toMatchObject({ message: expect.not.stringContaining('EODD') as string });
  });

  it('is refused in the place of a folder', async () => {
    await mkdir(join(root, 'folder'));
    await expect(save(join(root, 'folder'))).rejects.toMatchObject({ code: 'INPUT_INVALID', message: expect.stringContaining('not a file') as string });
  });

  it.skipIf(process.platform === 'win32')('is refused in the place of a pipe, which stays', async () => {
    execFileSync('mkfifo', [join(root, 'pipe')]);
    await expect(save(join(root, 'pipe'))).rejects.toMatchObject({ code: 'INPUT_INVALID' });
    expect((await lstat(join(root, 'pipe'))).isFIFO()).toBe(true);
  });
});
