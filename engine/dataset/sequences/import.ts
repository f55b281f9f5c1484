import { createHash } from 'node:crypto';
import { basename, join } from 'node:path';
import { SluiceError, type ImportRequest, type SequenceDataset } from '../../contracts';
import type { JobContext } from '../../ports';
import { ensureFolder } from '../../workspace';
import { readBlocks, readHead } from '../encoding';
import { removeFolder, tableFormat } from '../table-source';
import { readLongTable } from './long-table';
import { looksLikePianoRoll, readPianoRoll } from './piano-roll';
import { writeSequences } from './write';

/** Whether a file is read as sequences: asked for, or a piano roll by its beginning. */
export async function isSequences(file: string, task: ImportRequest['task']): Promise<boolean> {
  if (task !== null) return task === 'regress' || task === 'binary-vectors';
  return looksLikePianoRoll((await readHead(file, 256)).head);
}

/** Options that sequences have no use for are wrong use, not silently dropped. */
function checkRequest(request: ImportRequest): void {
  const isRoll = request.task === 'binary-vectors';
  const unused = ['covariates', 'lookback', 'horizon', ...(isRoll ? (['targets', 'inputs', 'sequence', 'timeColumn', 'delimiter', 'split'] as const) : (['lowest', 'highest'] as const))] as const;
  const given = unused.find((key) => {
    const value = request[key];
    return Array.isArray(value) ? value.length > 0 : value !== null && value !== '';
  });
  if (given === undefined) return;
  const reason = given === 'split' ? 'the file says itself which pieces are for training' : `${given} is not for ${request.task}`;
  throw new SluiceError({ code: 'CONFIG_INVALID', message: `${given}: ${reason}. Leave it out.`, where: given });
}

/** Imports sequences into `folder`; the caller writes the description last. */
export async function importSequences(file: string, given: ImportRequest, id: string, createdAt: string, folder: string, job: JobContext): Promise<SequenceDataset> {
  const request: ImportRequest = { ...given, task: given.task ?? 'binary-vectors' };
  checkRequest(request);
  job.progress({ phase: 'reading', share: null, rate: null, secondsLeft: null });
  const base: Pick<SequenceDataset, 'format' | 'id' | 'createdAt' | 'warnings' | 'generated'> = { format: 'sluice-dataset/1', id, createdAt, warnings: [], generated: null };
  if (request.task === 'binary-vectors') {
    const { sequences, sizeBytes, sha256 } = await readPianoRoll(file, request);
    const files = await writeSequences(folder, sequences, job.signal);
    return { ...base, source: { name: basename(file), sizeBytes, sha256, encoding: null, delimiter: null, sample: request.sample }, ...files, task: { kind: 'binary-vectors' } };
  }
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const { bytes } of readBlocks(file, 0, job.signal)) {
    hash.update(bytes);
    sizeBytes += bytes.length;
  }
  const { head } = await readHead(file, 64);
  const scratch = join(folder, 'scratch');
  await ensureFolder(scratch);
  try {
    const { sequences, encoding, delimiter } = await readLongTable(file, tableFormat(file, head) ?? 'csv', request, scratch, job.signal);
    const files = await writeSequences(folder, sequences, job.signal);
    return {
      ...base,
      source: { name: basename(file), sizeBytes, sha256: hash.digest('hex'), encoding, delimiter, sample: request.sample },
      ...files,
      task: { kind: 'regress', inputs: files.columns.map(({ name }) => name), targets: files.targetColumns.map(({ name }) => name), scaling: request.scaling },
    };
  } finally {
    await removeFolder(scratch);
  }
}
