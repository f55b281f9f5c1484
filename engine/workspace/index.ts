import { readdir } from 'node:fs/promises';
import { purgeTrash } from './trash';
import { removeStaleTemporaries } from './atomic';
import { workspacePaths, type WorkspacePaths } from './paths';

export { ensureFolder, readJson, removeStaleTemporaries, syncFolder, temporaryPath, writeAtomic, writeJson } from './atomic';
export { isMissing, readError, writeError } from './file-error';
export { checkName, isTaken, nameFromFile, nameTaken, uniqueName } from './names';
export { outputPlace } from './output-place';
export { workspacePaths, type WorkspacePaths } from './paths';
export { moveToTrash, purgeTrash, restoreFromTrash, trashDays } from './trash';

/**
 * Tidies a workspace at the start of a process: what dead processes left half-written, what has been in
 * the trash too long. A read-only or missing workspace is no error here: reading commands work in it.
 */
export async function tidyWorkspace(root: string, now: Date): Promise<WorkspacePaths> {
  const workspace = workspacePaths(root);
  const runs = await readdir(workspace.runs).catch(() => []);
  for (const folder of [workspace.root, workspace.datasets, workspace.runs, ...runs.map((run) => workspace.exports(run))]) await removeStaleTemporaries(folder, now);
  await purgeTrash(workspace, now);
  return workspace;
}
