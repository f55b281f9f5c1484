import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { outputPlace } from '.';

let root: string;
beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'sluice-output-')));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const refused = (path: string, says: RegExp) => expect(outputPlace(path)).rejects.toMatchObject({ code: 'INPUT_INVALID', where: path, message: expect.stringMatching(says) as string });

describe('outputPlace', () => {
  it('is the path itself for a new file and for one that is there', async () => {
    await writeFile(join(root, 'old'), '');
    expect(await outputPlace(join(root, 'old'))).toBe(join(root, 'old'));
    expect(await outputPlace(join(root, 'new'))).toBe(join(root, 'new'));
  });

  it('follows links, also to what is not there yet', async () => {
    await mkdir(join(root, 'deep', 'er'), { recursive: true });
    await writeFile(join(root, 'deep', 'real'), '');
    await symlink('deep/real', join(root, 'link'));
    await symlink('link', join(root, 'twice'));
    await symlink('deep/er', join(root, 'folder'));
    // Relative to the folder the link lies in, not to the way there.
    await symlink('../later', join(root, 'deep', 'er', 'ahead'));
    expect(await outputPlace(join(root, 'twice'))).toBe(join(root, 'deep', 'real'));
    expect(await outputPlace(join(root, 'folder', 'ahead'))).toBe(join(root, 'deep', 'later'));
  });

  it('says a folder that is missing, and what stands in the way', async () => {
    await writeFile(join(root, 'file'), '');
    await symlink('a', join(root, 'b'));
    await symlink('b', join(root, 'a'));
    await symlink('nowhere/x', join(root, 'astray'));
    await refused(join(root, 'nowhere', 'x'), /its folder does not exist/);
    await refused(join(root, 'astray'), /its folder does not exist/);
    await refused(join(root, 'file', 'x'), /a file stands where a folder should be/);
    await refused(join(root, 'a'), /links lead in a circle/);
    await refused(root, /it is a folder, not a file/);
  });

  it.skipIf(process.platform === 'win32')('refuses devices, pipes and sockets, also through a link', async () => {
    // Only asked, never written: nothing can befall the device.
    await refused('/dev/null', /it is a device, not a file/);
    await symlink('/dev/null', join(root, 'link'));
    await refused(join(root, 'link'), /it is a device, not a file/);
    execFileSync('mkfifo', [join(root, 'pipe')]);
    await refused(join(root, 'pipe'), /it is a pipe or socket, not a file/);
    const server = createServer().listen(join(root, 'socket'));
    await new Promise((resolve) => server.once('listening', resolve));
    await refused(join(root, 'socket'), /it is a pipe or socket, not a file/);
    server.close();
  });
});
