import { randomBytes } from 'node:crypto';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { z } from 'zod';
import { SluiceError } from '../contracts';
import { ensureFolder, readJson, syncFolder, writeJson } from './atomic';
import { isMissing, writeError } from './file-error';
import { uniqueName } from './names';
import type { WorkspacePaths } from './paths';

export const trashDays = 30;

const trashRecord = z.strictObject({
  format: z.literal('sluice-trash/1'),
  kind: z.enum(['dataset', 'run', 'export']),
  id: z.string(),
  deletedAt: z.string(),
  /** Where each entry was, relative to the workspace, with forward slashes. */
  from: z.array(z.string()).min(1),
});
type TrashRecord = z.infer<typeof trashRecord>;

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: unknown) => {
      if (isMissing(error)) return false;
      throw error;
    },
  );
}

/**
 * Moves files or folders of one deleted thing into the trash and returns the key under which
 * `restoreFromTrash` finds them. Entries that belong together share a folder and a stem.
 */
export async function moveToTrash(
  workspace: WorkspacePaths,
  item: { kind: TrashRecord['kind']; id: string; paths: string[] },
  now: Date,
): Promise<string> {
  const key = `${now.toISOString().replace(/[:.]/g, '-')}-${randomBytes(3).toString('hex')}`;
  const folder = join(workspace.trash, key);
  await ensureFolder(folder);
  const from = item.paths.map((path) => relative(workspace.root, path).split(sep).join('/'));
  const moved: [string, string][] = [];
  try {
    // The record first: entries without one could never be put back.
    await writeJson(join(folder, 'trash.json'), { format: 'sluice-trash/1', kind: item.kind, id: item.id, deletedAt: now.toISOString(), from } satisfies TrashRecord);
    for (const path of item.paths) {
      const target = join(folder, `item-${basename(path)}`);
      await rename(path, target);
      moved.push([path, target]);
    }
  } catch (error) {
    for (const [path, target] of moved.reverse()) await rename(target, path);
    await rm(folder, { recursive: true, force: true }).catch(() => undefined);
    throw writeError(error, folder);
  }
  return key;
}

/**
 * Puts a deleted thing back. Where its name is taken by now, it returns under the next free one.
 * Returns the id it has now and where its entries are.
 */
export async function restoreFromTrash(
  workspace: WorkspacePaths,
  key: string,
  kind: TrashRecord['kind'],
): Promise<{ id: string; paths: string[] }> {
  const folder = join(workspace.trash, key);
  if (!/^[\w-]+$/.test(key) || !(await exists(join(folder, 'trash.json')))) {
    throw new SluiceError({ code: 'FILE_NOT_FOUND', message: `${key} is not in the trash any more.`, where: key });
  }
  const record = await readJson(trashRecord, join(folder, 'trash.json'));
  if (record.kind !== kind) throw new SluiceError({ code: 'FILE_NOT_FOUND', message: `${key} is no ${kind}.`, where: key });
  const origins = record.from.map((path) => resolve(workspace.root, path));
  for (const origin of origins) {
    if (!origin.startsWith(resolve(workspace.root) + sep)) {
      throw new SluiceError({ code: 'FILE_UNREADABLE', message: `${join(folder, 'trash.json')} is damaged: a path leads out of the workspace.`, where: folder });
    }
  }
  const home = dirname(origins[0] as string);
  await ensureFolder(home);
  const present = await readdir(home);
  const stem = basename(origins[0] as string).startsWith(record.id) ? record.id : basename(origins[0] as string);
  const renamed = (path: string, next: string) => join(dirname(path), basename(path).startsWith(stem) ? next + basename(path).slice(stem.length) : basename(path));
  // Every entry of the thing must find its place free, so the stem avoids all names that begin alike.
  const clashes = origins.some((path) => present.some((other) => other.toLowerCase() === basename(path).toLowerCase()));
  const next = clashes ? uniqueName(stem, [stem, ...present.map((name) => name.replace(/\.(onnx|json|report\.json)$/, '')), ...present]) : stem;
  const targets = origins.map((path) => renamed(path, next));
  try {
    for (const [index, target] of targets.entries()) await rename(join(folder, `item-${basename(origins[index] as string)}`), target);
    await syncFolder(home);
  } catch (error) {
    throw writeError(error, home);
  }
  await rm(folder, { recursive: true, force: true }).catch(() => undefined);
  return { id: next === stem ? record.id : next, paths: targets };
}

/** Removes what has been in the trash longer than 30 days. */
export async function purgeTrash(workspace: WorkspacePaths, now: Date): Promise<void> {
  for (const key of await readdir(workspace.trash).catch(() => [])) {
    const folder = join(workspace.trash, key);
    const record = await readJson(trashRecord, join(folder, 'trash.json')).catch(() => null);
    // A folder without a readable record is not ours to judge: it stays.
    if (record && now.getTime() - Date.parse(record.deletedAt) > trashDays * 24 * 3600_000) {
      await rm(folder, { recursive: true, force: true }).catch(() => undefined);
    }
  }
}
