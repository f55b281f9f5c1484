import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { dataset as datasetSchema, SluiceError, type Dataset } from '../contracts';
import { isMissing, readError, readJson, writeJson, type WorkspacePaths } from '../workspace';
import { nearest } from './nearest';

/** Names of the datasets' folders; temporary ones begin with a dot. */
export async function datasetNames(workspace: WorkspacePaths): Promise<string[]> {
  const entries = await readdir(workspace.datasets, { withFileTypes: true }).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw readError(error, workspace.datasets);
  });
  return entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).map((entry) => entry.name);
}

/** Throws DATASET_NOT_FOUND with the nearest name, DATASET_DAMAGED with file and field. */
export async function readDataset(workspace: WorkspacePaths, id: string): Promise<Dataset> {
  const folder = workspace.dataset(id);
  const isThere = await stat(folder).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
  if (!isThere) {
    const names = await datasetNames(workspace);
    const suggestion = nearest(id, names);
    throw new SluiceError({
      code: 'DATASET_NOT_FOUND',
      message: `There is no dataset "${id}"${suggestion ? `; did you mean "${suggestion}"?` : names.length === 0 ? '. Import one first.' : `. There are ${names.join(', ')}.`}`,
      where: id,
      details: { id, suggestion },
    });
  }
  try {
    // The folder's name is the id: a person may have renamed or copied it.
    return { ...(await readJson(datasetSchema, join(folder, 'dataset.json'), 'DATASET_DAMAGED')), id };
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== 'FILE_NOT_FOUND') throw error;
    throw new SluiceError({ code: 'DATASET_DAMAGED', message: `${folder} holds no dataset.json. Delete it or import the data again.`, where: folder }, { cause: error });
  }
}

export function writeDataset(folder: string, dataset: Dataset): Promise<void> {
  return writeJson(join(folder, 'dataset.json'), dataset);
}
