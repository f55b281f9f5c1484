import { mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { z } from 'zod';
import { forecastTask, generateRequest, importRequest, rowInFile, SluiceError, type Dataset, type DatasetChange, type DatasetProfile, type FilePreview, type ImportRequest, type Problem, type SequenceDataset, type TableDataset, type TextDataset } from '../contracts';
import type { DatasetService, JobContext, Ports } from '../ports';
import { checkName, ensureFolder, isTaken, moveToTrash, nameFromFile, nameTaken, readError, readJson, restoreFromTrash, syncFolder, temporaryPath, uniqueName, workspacePaths, writeError } from '../workspace';
import { datasetNames, readDataset, writeDataset } from './catalogue';
import { looksLikeTable } from './csv-dialect';
import { readHead, readText, resolveEncoding } from './encoding';
import { formatTime, laterTime, parseFrequency } from './frequency';
import { generate } from './generate';
import { findSample, listSamples } from './samples';
import { checkSequences, importSequences, isSequences, looksLikePianoRoll, previewPianoRoll, profileSequences, readSequences } from './sequences';
import { splitRanges } from './split';
import { importTable, previewTable } from './table-import';
import { numericColumn } from './table-analysis';
import { openInstance, openTable, removeFolder, streamNumbers, tableFormat, type TableFormat } from './table-source';
import { checkValues, profileTable, readRows, readTimes, readValues } from './table-reader';
import { planWindows, rowMarks } from './table-windows';
import { importTextFile, previewText, tokenize } from './text-import';
import { checkTokens, datasetBlocks, profileText, readOriginalText } from './token-reader';
import { readTokenizer } from './tokenizer';
import { checkRoles, trainingData } from './training-data';

/** How a file is read: as asked, by its extension or magic number, else as text. */
async function formatOf(file: string, task: ImportRequest['task']): Promise<TableFormat | null> {
  const { head } = await readHead(file, 64);
  if (task === 'language-model') return null;
  return tableFormat(file, head) ?? (task === 'forecast' || task === 'regress' ? 'csv' : null);
}

function onlyFile(request: ImportRequest): string {
  const [file, ...rest] = request.files;
  if (file === undefined || rest.length > 0) {
    throw new SluiceError({ code: 'INPUT_INVALID', message: `One file makes one dataset; ${request.files.length} were given. Import them one by one.`, where: 'files', details: { files: request.files.length } });
  }
  return file;
}

/** Text or table options that the chosen reading has no use for are wrong use, not silently dropped. */
function checkTextRequest(request: ImportRequest): void {
  const field = (['targets', 'covariates'] as const).find((key) => request[key].length > 0) ?? (['lookback', 'horizon', 'timeColumn', 'delimiter'] as const).find((key) => request[key] !== null && request[key] !== '');
  if (field) throw new SluiceError({ code: 'CONFIG_INVALID', message: `${field} is for forecasts; the file is read as text. Add the task forecast, or leave ${field} out.`, where: field });
}

/** The same for options of sequences. */
function checkNotSequences(request: ImportRequest): void {
  const field = (['sequence', 'lowest', 'highest'] as const).find((key) => request[key] !== null) ?? (request.inputs.length > 0 ? 'inputs' : undefined);
  if (field === undefined) return;
  const task = field === 'lowest' || field === 'highest' ? 'binary-vectors' : 'regress';
  throw new SluiceError({ code: 'CONFIG_INVALID', message: `${field} is for sequences. Add the task ${task}, or leave ${field} out.`, where: field });
}

/** A full disk or a read-only folder is said of the dataset, not of the temporary file that met it. */
function atHome(error: unknown, path: string): unknown {
  if (!(error instanceof SluiceError)) return error;
  const causes = { DISK_FULL: 'ENOSPC', WORKSPACE_READ_ONLY: 'EROFS' } as const;
  const code = error.code === 'DISK_FULL' || error.code === 'WORKSPACE_READ_ONLY' ? causes[error.code] : null;
  return code === null ? error : writeError(Object.assign(new Error(error.message), { code }), path);
}

export function createDatasetService(ports: Ports): DatasetService {
  const workspace = workspacePaths(ports.workspace);
  const profiles = new Map<string, { key: string; profile: Promise<DatasetProfile> }>();
  let database: Promise<DuckDBInstance> | null = null;
  /** Every request reads over a connection of its own: a second query on one would cut the first one's stream. */
  async function reading<T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    const connection = await (await (database ??= openInstance(null))).connect();
    try {
      return await work(connection);
    } finally {
      connection.closeSync();
    }
  }
  const changed = () => ports.events.emit({ type: 'datasetsChanged' });
  const get = (id: string) => readDataset(workspace, id);

  /**
   * Makes a dataset in a folder with a temporary name and gives it its own at the end: whatever fails or is
   * cancelled before leaves nothing.
   */
  async function make(wanted: string | null, fallback: string, job: JobContext, build: (folder: string, id: string) => Promise<Dataset>): Promise<Dataset> {
    const taken = await datasetNames(workspace);
    if (wanted !== null && isTaken(checkName(wanted), taken)) throw nameTaken(wanted);
    let id = wanted === null ? uniqueName(fallback, taken) : checkName(wanted);
    await ensureFolder(workspace.datasets);
    const folder = temporaryPath(workspace.dataset(id));
    try {
      await ensureFolder(folder);
      let dataset = await build(folder, id);
      job.signal.throwIfAborted();
      for (let isNamed = false; !isNamed; ) {
        const present = await datasetNames(workspace);
        if (isTaken(id, present)) {
          // Another process was quicker.
          if (wanted !== null) throw nameTaken(wanted);
          id = uniqueName(fallback, present);
          dataset = { ...dataset, id };
        }
        await writeDataset(folder, dataset);
        await syncFolder(folder);
        isNamed = await rename(folder, workspace.dataset(id)).then(
          () => true,
          (error: unknown) => {
            // Quicker still, between the list and the renaming: a folder that holds something is never replaced.
            if (error instanceof Error && 'code' in error && (error.code === 'ENOTEMPTY' || error.code === 'EEXIST')) return false;
            throw error;
          },
        );
      }
      await syncFolder(workspace.datasets);
      changed();
      return dataset;
    } catch (error) {
      await rm(folder, { recursive: true, force: true }).catch(() => undefined);
      if (job.signal.aborted) throw new SluiceError({ code: 'CANCELLED', message: 'The import was cancelled; nothing was kept.' }, { cause: error });
      throw atHome(writeError(error, workspace.dataset(id)), workspace.dataset(id));
    }
  }

  async function importFile(request: ImportRequest, job: JobContext): Promise<Dataset> {
    const file = onlyFile(request);
    if (await isSequences(file, request.task)) {
      return make(request.name, nameFromFile(file, 'data'), job, (folder, id) => importSequences(file, request, id, ports.clock.now().toISOString(), folder, job));
    }
    checkNotSequences(request);
    const format = await formatOf(file, request.task);
    if (!format) checkTextRequest(request);
    return make(request.name, nameFromFile(file, 'data'), job, async (folder, id) => {
      const createdAt = ports.clock.now().toISOString();
      try {
        return format ? await importTable(file, format, request, id, createdAt, folder, job) : await importTextFile(file, request, id, createdAt, folder, job);
      } catch (error) {
        // What fails inside the new folder is the workspace's fault, what names the file is the file's.
        throw error instanceof Error && 'path' in error && error.path === file ? readError(error, file) : error;
      }
    });
  }

  async function changeTable(dataset: TableDataset, change: DatasetChange): Promise<TableDataset> {
    const folder = workspace.dataset(dataset.id);
    const { split: request, ...task } = change;
    const next: TableDataset = { ...dataset, task: forecastTask.parse({ ...dataset.task, ...task }) };
    if (change.targets && !change.covariates) next.task.covariates = next.task.covariates.filter((name) => !change.targets?.includes(name));
    checkRoles(next, next.task);
    if (request) next.split = splitRanges(request, dataset.rows);
    next.columns = dataset.columns.map((column) => ({
      ...column,
      role: column.name === dataset.timeColumn ? 'time' : next.task.targets.includes(column.name) ? 'target' : next.task.covariates.includes(column.name) ? 'covariate' : 'ignored',
    }));
    planWindows(next, next.task, rowMarks(await readValues(folder, next), next, next.task));
    const unused = next.rows - next.split.test[1];
    const note: Problem = { severity: 'info', code: 'ROWS_UNUSED', message: `${unused} rows behind the split are not used.`, row: rowInFile(next, next.split.test[1]).row, column: null, count: unused };
    next.warnings = [...dataset.warnings.filter(({ code }) => code !== 'ROWS_UNUSED'), ...(unused > 0 ? [note] : [])];
    await writeDataset(folder, next);
    return next;
  }

  /** A run that was trained on this dataset; its weights know tokens by their present numbers. */
  async function runOn(id: string): Promise<string | null> {
    for (const run of await readdir(workspace.runs).catch(() => [])) {
      const config = await readJson(z.looseObject({ dataset: z.string() }), join(workspace.run(run), 'config.json')).catch(() => null);
      if (config?.dataset === id) return run;
    }
    return null;
  }

  /**
   * Another split of a text may mean another vocabulary: then everything is written anew beside the old and
   * swapped in, unless a run needs the old one.
   */
  async function changeText(dataset: TextDataset, change: DatasetChange): Promise<TextDataset> {
    const field = Object.keys(change).find((key) => key !== 'split');
    if (field) throw new SluiceError({ code: 'CONFIG_INVALID', message: `${field} is for tables; "${dataset.id}" is text.`, where: field });
    if (!change.split) return dataset;
    const folder = workspace.dataset(dataset.id);
    const fresh = temporaryPath(folder);
    const old = temporaryPath(folder);
    try {
      await ensureFolder(fresh);
      const next: TextDataset = { ...dataset, ...(await tokenize(datasetBlocks(folder, dataset), change.split, fresh, () => undefined)) };
      const before = (await readTokenizer(folder, dataset)).vocabulary;
      const after = (await readTokenizer(fresh, next)).vocabulary;
      if (before.length === after.length && before.every((token, index) => token === after[index])) {
        await rm(fresh, { recursive: true, force: true });
        await writeDataset(folder, next);
        return next;
      }
      const run = await runOn(dataset.id);
      if (run !== null) {
        throw new SluiceError({
          code: 'CONFIG_INVALID',
          message: `split: another training part has other characters, and run ${run} was trained with the present ones. Import the text again under another name, with this split.`,
          where: 'split',
          details: { run },
        });
      }
      await writeDataset(fresh, next);
      await rename(folder, old);
      try {
        await rename(fresh, folder);
      } catch (error) {
        await rename(old, folder);
        throw error;
      }
      await rm(old, { recursive: true, force: true });
      return next;
    } catch (error) {
      await rm(fresh, { recursive: true, force: true }).catch(() => undefined);
      throw writeError(error, folder);
    }
  }

  /** Another split or scaling of sequences only changes their description; a piano roll's split is that of its file. */
  async function changeSequences(dataset: SequenceDataset, change: DatasetChange): Promise<SequenceDataset> {
    const field = Object.keys(change).find((key) => key !== 'split' && !(key === 'scaling' && dataset.task.kind === 'regress'));
    if (field) throw new SluiceError({ code: 'CONFIG_INVALID', message: `${field} is for tables; "${dataset.id}" holds sequences.`, where: field });
    if (change.split && dataset.task.kind !== 'regress') throw new SluiceError({ code: 'CONFIG_INVALID', message: `split: the parts of "${dataset.id}" are those it was made with.`, where: 'split' });
    const next: SequenceDataset = { ...dataset, task: dataset.task.kind === 'regress' ? { ...dataset.task, scaling: change.scaling ?? dataset.task.scaling } : dataset.task };
    if (change.split) next.split = splitRanges(change.split, dataset.sequences);
    await writeDataset(workspace.dataset(dataset.id), next);
    return next;
  }

  return {
    async list() {
      const found: Dataset[] = [];
      for (const id of await datasetNames(workspace)) {
        try {
          found.push(await get(id));
        } catch (error) {
          ports.log('warning', `dataset ${id}: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
      return found.sort((a, b) => b.createdAt.localeCompare(a.createdAt) || a.id.localeCompare(b.id));
    },

    get: ({ id }) => get(id),

    samples: () => listSamples(ports.samples),

    async preview(input): Promise<FilePreview> {
      const request = importRequest.parse(input);
      const file = onlyFile(request);
      if (request.task === 'binary-vectors' || (request.task === null && looksLikePianoRoll((await readHead(file, 256)).head))) return previewPianoRoll(file, request);
      const format = await formatOf(file, request.task);
      if (!format) return previewText(file, request);
      const folder = await mkdtemp(join(tmpdir(), 'sluice-preview-'));
      try {
        return await previewTable(file, format, request, folder, new AbortController().signal);
      } finally {
        await removeFolder(folder);
      }
    },

    import: (input, job) => importFile(importRequest.parse(input), job),

    async importText({ name, text }, job) {
      const extension = looksLikeTable(text.slice(0, 64 * 1024).replaceAll('\r\n', '\n'), text.length <= 64 * 1024) ? '.csv' : '.txt';
      const folder = await mkdtemp(join(tmpdir(), 'sluice-paste-'));
      try {
        const file = join(folder, `pasted${extension}`);
        await writeFile(file, text).catch((error: unknown) => {
          throw writeError(error, file);
        });
        return await importFile(importRequest.parse({ files: [file], name }), job);
      } finally {
        await removeFolder(folder);
      }
    },

    async importSample(id, job) {
      const sample = await findSample(ports.samples, id);
      // The same sample twice would only fill the list.
      for (const name of await datasetNames(workspace)) {
        const present = await get(name).catch(() => null);
        if (present?.source.sample === id) return present;
      }
      const file = join(ports.samples, sample.file);
      const request = importRequest.parse({ files: [file], task: sample.kind === 'text' ? 'language-model' : 'forecast', targets: sample.targets, sample: id });
      const name = uniqueName(id, await datasetNames(workspace));
      return importFile({ ...request, name }, job);
    },

    generate(input, job) {
      const request = generateRequest.parse(input);
      return make(request.name, request.task, job, (folder, id) => generate(request, id, ports.clock.now().toISOString(), folder, job.signal));
    },

    async page({ id, offset, limit }) {
      const dataset = await get(id);
      const folder = workspace.dataset(id);
      if (dataset.kind === 'table') return reading((connection) => readRows(connection, folder, dataset, offset, limit));
      if (dataset.kind === 'sequences') return { kind: 'sequences', total: dataset.sequences, offset, sequences: await readSequences(folder, dataset, offset, limit) };
      const start = Math.min(offset, dataset.tokens);
      return { kind: 'text', total: dataset.tokens, offset: start, text: await readOriginalText(folder, dataset, start, Math.min(dataset.tokens, start + limit)) };
    },

    async profile({ id }) {
      const dataset = await get(id);
      const folder = workspace.dataset(id);
      const key = JSON.stringify([dataset.createdAt, dataset.source.sha256, dataset.split, dataset.task]);
      const known = profiles.get(id);
      if (known?.key === key) return known.profile;
      const profile: Promise<DatasetProfile> = dataset.kind === 'text' ? profileText(folder, dataset) : dataset.kind === 'sequences' ? profileSequences(folder, dataset) : reading((connection) => profileTable(connection, folder, dataset));
      profiles.set(id, { key, profile });
      profile.catch(() => profiles.delete(id));
      return profile;
    },

    async change({ id, change }) {
      const dataset = await get(id);
      const next = dataset.kind === 'table' ? await changeTable(dataset, change) : dataset.kind === 'text' ? await changeText(dataset, change) : await changeSequences(dataset, change);
      changed();
      return next;
    },

    async rename({ id, name }) {
      const next = checkName(name);
      const dataset = await get(id);
      if (next === id) return dataset;
      const others = (await datasetNames(workspace)).filter((other) => other !== id);
      if (isTaken(next, others)) throw nameTaken(next);
      const renamed = { ...dataset, id: next };
      try {
        await rename(workspace.dataset(id), workspace.dataset(next));
        await syncFolder(workspace.datasets);
      } catch (error) {
        throw writeError(error, workspace.dataset(id));
      }
      // Readers take the folder's name for the id, so a kill between the two steps costs nothing.
      await writeDataset(workspace.dataset(next), renamed);
      changed();
      return renamed;
    },

    async delete({ id }) {
      // A damaged one can be deleted too: only its folder is asked for.
      if (!(await datasetNames(workspace)).includes(checkName(id))) await get(id);
      const trashed = await moveToTrash(workspace, { kind: 'dataset', id, paths: [workspace.dataset(id)] }, ports.clock.now());
      profiles.delete(id);
      changed();
      return { trashed };
    },

    async restore({ trashed }) {
      const { id } = await restoreFromTrash(workspace, trashed, 'dataset');
      changed();
      return { id };
    },

    async tokenizer(id) {
      const dataset = await get(id);
      if (dataset.kind !== 'text') {
        throw new SluiceError({ code: 'INPUT_INVALID', message: `"${id}" is no text and has no tokenizer.`, where: id });
      }
      return readTokenizer(workspace.dataset(id), dataset);
    },

    async check(id) {
      const dataset = await get(id);
      if (dataset.kind === 'text') await checkTokens(workspace.dataset(id), dataset);
      else if (dataset.kind === 'sequences') await checkSequences(workspace.dataset(id), dataset);
      else await checkValues(workspace.dataset(id), dataset);
    },

    async trainingData({ dataset: id, task }) {
      return trainingData(workspace.dataset(id), await get(id), task);
    },

    async readText(file) {
      const { head, isWhole } = await readHead(file);
      const detected = await resolveEncoding(head, isWhole, file, null);
      let text = '';
      for await (const block of readText(file, detected, new AbortController().signal)) text += block.text;
      return text;
    },

    async readTable(file, columns) {
      const { head } = await readHead(file, 64);
      const folder = await mkdtemp(join(tmpdir(), 'sluice-table-'));
      const { signal } = new AbortController();
      try {
        const source = await openTable(file, tableFormat(file, head) ?? 'csv', { encoding: null, delimiter: null, limit: null, folder, signal });
        try {
          const data = new Float32Array(source.rows * columns.length);
          for (const [offset, name] of columns.entries()) {
            const { number } = numericColumn(name, source, basename(file), 'columns');
            const values = await streamNumbers(source.connection, `SELECT ${number} FROM source ORDER BY rowid`, source.rows, basename(file), signal);
            for (let row = 0; row < source.rows; row += 1) data[row * columns.length + offset] = values[row] as number;
          }
          return { data, rows: source.rows };
        } finally {
          source.close();
        }
      } finally {
        await removeFolder(folder);
      }
    },

    async values(id) {
      const dataset = await get(id);
      if (dataset.kind !== 'table') throw new SluiceError({ code: 'INPUT_INVALID', message: `"${id}" is no table.`, where: id });
      const folder = workspace.dataset(id);
      const values = await readValues(folder, dataset);
      const times = await reading((connection) => readTimes(connection, folder, dataset));
      const frequency = parseFrequency(dataset.frequency);
      return {
        ...values,
        split: dataset.split,
        breaks: dataset.breaks ?? [],
        instant: (row) => times?.[row] ?? null,
        times: (row, steps = 0) => {
          const time = times?.[row];
          if (time === undefined) return null;
          if (steps === 0) return formatTime(time, frequency);
          return frequency && formatTime(laterTime(time, frequency, steps), frequency);
        },
      };
    },
  };
}
