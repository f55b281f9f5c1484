import { chmod, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { name as nameSchema } from '../contracts';
import { checkName, ensureFolder, moveToTrash, nameFromFile, readError, readJson, restoreFromTrash, tidyWorkspace, uniqueName, workspacePaths, writeAtomic, writeError, writeJson } from '.';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sluice-workspace-'));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

describe('writeAtomic', () => {
  it('replaces a file whole and leaves nothing beside it', async () => {
    const path = join(root, 'a.json');
    await writeAtomic(path, 'old');
    await writeAtomic(path, async (file) => {
      await file.write('ne');
      await file.write('w');
    });
    expect(await readFile(path, 'utf8')).toBe('new');
    expect(await readdir(root)).toEqual(['a.json']);
  });

  it('keeps the old file and removes its own when writing fails', async () => {
    const path = join(root, 'a.json');
    await writeAtomic(path, 'old');
    const full = Object.assign(new Error('no space'), { code: 'ENOSPC' });
    await expect(writeAtomic(path, () => Promise.reject(full))).rejects.toMatchObject({ code: 'DISK_FULL', where: path });
    expect(await readFile(path, 'utf8')).toBe('old');
    expect(await readdir(root)).toEqual(['a.json']);
  });

  it('says in words what a file system says by a code', async () => {
    await writeFile(join(root, 'file'), 'x');
    await expect(ensureFolder(join(root, 'file'))).rejects.toMatchObject({ code: 'INPUT_INVALID', message: expect.stringContaining('a file stands where a folder should be') as string });
    await expect(writeAtomic(join(root, 'n'.repeat(300)), 'x')).rejects.toMatchObject({ message: expect.stringContaining('the name is too long') as string });
    for (const code of ['EISDIR', 'ELOOP', 'ENAMETOOLONG', 'EMFILE', 'EIO', 'ENXIO', 'EACCES']) {
      const raw = Object.assign(new Error(`${code}: words of the system, open`), { code });
      expect(readError(raw, '/data/x.csv')).toMatchObject({ code: 'FILE_UNREADABLE', message: expect.not.stringContaining(code) as string, where: '/data/x.csv' });
    }
  });

  it('codes a read-only place', () => {
    expect(writeError(Object.assign(new Error(), { code: 'EROFS' }), '/w/x')).toMatchObject({ code: 'WORKSPACE_READ_ONLY', where: '/w/x' });
    expect(writeError(Object.assign(new Error(), { code: 'EACCES' }), '/w/x')).toMatchObject({ code: 'WORKSPACE_READ_ONLY' });
  });

  it.skipIf(process.getuid?.() === 0 || process.platform === 'win32')('codes a folder without the right to write', async () => {
    await chmod(root, 0o500);
    await expect(writeAtomic(join(root, 'a'), 'x')).rejects.toMatchObject({ code: 'WORKSPACE_READ_ONLY' });
    await chmod(root, 0o700);
  });
});

describe('readJson', () => {
  const schema = z.strictObject({ a: z.strictObject({ b: z.int() }) });
  it('names the file and the field', async () => {
    const path = join(root, 'x.json');
    await expect(readJson(schema, path)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await writeFile(path, '{"a":');
    await expect(readJson(schema, path, 'DATASET_DAMAGED')).rejects.toMatchObject({ code: 'DATASET_DAMAGED', where: path });
    await writeJson(path, { a: { b: 'x' } });
    await expect(readJson(schema, path)).rejects.toMatchObject({ code: 'FILE_UNREADABLE', where: `${path}, a.b` });
    await writeJson(path, { a: { b: 3 } });
    expect(await readJson(schema, path)).toEqual({ a: { b: 3 } });
  });
});

describe('names', () => {
  it('counts up, and takes case and composition for the same', () => {
    expect(uniqueName('a', [])).toBe('a');
    expect(uniqueName('Nile', ['nile', 'nile 2'])).toBe('Nile 3');
    expect(uniqueName('한글', ['한글'.normalize('NFD')])).toBe('한글 2');
  });

  it('makes a valid name of any file name', () => {
    expect(nameFromFile('/data/my prices (2024).csv', 'data')).toBe('my prices 2024');
    expect(nameFromFile('소설.txt', 'data')).toBe('소설');
    expect(nameFromFile('con.txt', 'data')).toBe('data');
    expect(nameFromFile('???', 'data')).toBe('data');
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (file) => nameSchema.safeParse(nameFromFile(file, 'data')).success));
  });

  it('refuses what leads elsewhere', () => {
    for (const bad of ['../x', 'a/b', '.', 'nul', 'a.', '']) expect(() => checkName(bad)).toThrowError(expect.objectContaining({ code: 'NAME_INVALID' }));
  });
});

describe('trash', () => {
  it('gives back what was deleted, under a free name', async () => {
    const workspace = workspacePaths(root);
    await mkdir(workspace.dataset('a'), { recursive: true });
    await writeFile(join(workspace.dataset('a'), 'dataset.json'), 'one');
    const key = await moveToTrash(workspace, { kind: 'dataset', id: 'a', paths: [workspace.dataset('a')] }, new Date());
    expect(await readdir(workspace.datasets)).toEqual([]);
    await mkdir(workspace.dataset('a'));
    await expect(restoreFromTrash(workspace, key, 'run')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    const restored = await restoreFromTrash(workspace, key, 'dataset');
    expect(restored.id).toBe('a 2');
    expect(await readFile(join(workspace.dataset('a 2'), 'dataset.json'), 'utf8')).toBe('one');
    expect(await readdir(workspace.trash)).toEqual([]);
    await expect(restoreFromTrash(workspace, key, 'dataset')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await expect(restoreFromTrash(workspace, '../datasets', 'dataset')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });

  it('keeps files of one export together', async () => {
    const workspace = workspacePaths(root);
    const folder = workspace.exports('r');
    await mkdir(folder, { recursive: true });
    const paths = ['m.onnx', 'm.report.json'].map((file) => join(folder, file));
    for (const path of paths) await writeFile(path, 'x');
    const key = await moveToTrash(workspace, { kind: 'export', id: 'm', paths }, new Date());
    await writeFile(paths[0] as string, 'new');
    expect((await restoreFromTrash(workspace, key, 'export')).id).toBe('m 2');
    expect((await readdir(folder)).sort()).toEqual(['m 2.onnx', 'm 2.report.json', 'm.onnx']);
  });

  it('puts everything back when one entry cannot be moved', async () => {
    const workspace = workspacePaths(root);
    await mkdir(workspace.dataset('a'), { recursive: true });
    await expect(
      moveToTrash(workspace, { kind: 'dataset', id: 'a', paths: [workspace.dataset('a'), workspace.dataset('none')] }, new Date()),
    ).rejects.toThrow();
    expect(await readdir(workspace.datasets)).toEqual(['a']);
    expect(await readdir(workspace.trash)).toEqual([]);
  });

  it('forgets after thirty days, not before', async () => {
    const workspace = workspacePaths(root);
    const start = new Date('2026-01-01T00:00:00Z');
    await mkdir(workspace.run('r'), { recursive: true });
    await moveToTrash(workspace, { kind: 'run', id: 'r', paths: [workspace.run('r')] }, start);
    await tidyWorkspace(root, new Date('2026-01-30T00:00:00Z'));
    expect(await readdir(workspace.trash)).toHaveLength(1);
    await tidyWorkspace(root, new Date('2026-02-01T00:00:00Z'));
    expect(await readdir(workspace.trash)).toHaveLength(0);
  });
});

describe('tidyWorkspace', () => {
  it("removes a dead process's temporaries only", async () => {
    const workspace = workspacePaths(root);
    await mkdir(workspace.datasets, { recursive: true });
    const old = new Date(Date.now() - 3600_000);
    // No process has this number: above the largest of Linux.
    for (const name of ['.dead.4194999-0a1b2c3d.tmp', `.mine.${process.pid}-0a1b2c3d.tmp`, 'notes.tmp']) {
      await writeFile(join(workspace.datasets, name), '');
      await utimes(join(workspace.datasets, name), old, old);
    }
    // Nobody looks at a dead process's file, however young; imports are folders, exports lie with their run.
    await mkdir(join(workspace.datasets, '.young.4194999-0a1b2c3d.tmp', 'scratch'), { recursive: true });
    await mkdir(workspace.exports('r'), { recursive: true });
    for (const name of ['m.onnx', '.m.onnx.4194999-0a1b2c3d.tmp', `.n.onnx.${process.pid}-0a1b2c3d.tmp`]) await writeFile(join(workspace.exports('r'), name), '');
    await tidyWorkspace(root, new Date());
    expect((await readdir(workspace.datasets)).sort()).toEqual([`.mine.${process.pid}-0a1b2c3d.tmp`, 'notes.tmp'].sort());
    expect((await readdir(workspace.exports('r'))).sort()).toEqual([`.n.onnx.${process.pid}-0a1b2c3d.tmp`, 'm.onnx'].sort());
  });
});
