import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { encode } from 'iconv-lite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SeriesData, TokenData } from '../binding/types';
import { rowInFile, rowInTable, type ImportRequestInput, type TableDataset, type TableProfile, type TextDataset, type WorkbenchEvent } from '../contracts';
import type { DatasetService, JobContext, Ports } from '../ports';
import { createDatasetService } from '.';

const samples = resolve(__dirname, '../../samples');
let root: string;
let service: DatasetService;
let events: WorkbenchEvent[];
let ports: Ports;

const job = (signal: AbortSignal = new AbortController().signal): JobContext => ({ signal, progress: () => undefined });

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sluice-datasets-'));
  events = [];
  const used: Pick<Ports, 'workspace' | 'samples' | 'clock' | 'log' | 'events'> = {
    workspace: join(root, 'workspace'),
    samples,
    clock: { now: () => new Date('2026-03-01T12:00:00Z') },
    log: () => undefined,
    events: { emit: (event) => events.push(event) },
  };
  // No test here reaches the native engine.
  ports = used as Ports;
  service = createDatasetService(ports);
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(root, name);
  await writeFile(path, content);
  return path;
}
const importOf = (path: string, request: Omit<ImportRequestInput, 'files'> = {}) => service.import({ files: [path], ...request }, job());
const folderOf = (id: string) => join(root, 'workspace', 'datasets', id);
async function nothingLeft(): Promise<void> {
  expect(await readdir(join(root, 'workspace', 'datasets')).catch(() => [])).toEqual([]);
}
/** Days from 2024-01-01 with the given cells. */
const days = (cells: (row: number) => string, count: number) =>
  Array.from({ length: count }, (_, row) => `${new Date(Date.UTC(2024, 0, 1 + row)).toISOString().slice(0, 10)},${cells(row)}`).join('\n');

describe('samples', () => {
  const expected: Record<string, Partial<TableDataset>> = {
    etth1: { rows: 17420, frequency: 'hour', season: 24, timeColumn: 'date' },
    'air-passengers': { rows: 144, frequency: 'month', season: 12 },
    'sunspots-monthly': { rows: 3126, frequency: 'month', season: 12 },
    'sunspots-yearly': { rows: 309, frequency: 'year', season: 11 },
    co2: { rows: 2284, frequency: 'week', season: 52 },
    nile: { rows: 100, frequency: 'year', season: 1, task: { kind: 'forecast', lookback: 17, horizon: 5, targets: ['volume'], covariates: [], scaling: 'standard', subtractLast: true } },
  };
  for (const [id, facts] of Object.entries(expected)) {
    it(`${id} is recognised and trains as it is`, async () => {
      const dataset = (await service.importSample(id, job())) as TableDataset;
      expect(dataset).toMatchObject({ id, ...facts });
      const data = (await service.trainingData({ dataset: id, task: dataset.task })) as SeriesData;
      for (const name of ['train', 'validation', 'test'] as const) expect(data.windows[name].length).toBeGreaterThan(0);
      const profile = await service.profile({ id });
      expect(profile).toMatchObject({ kind: 'table', windows: { train: expect.any(Number) as number } });
    });
  }

  it('reads the times of a table whole while other requests read its rows', async () => {
    await service.importSample('etth1', job());
    const profile = service.profile({ id: 'etth1' });
    for (let offset = 0; offset < 17_000; offset += 500) await service.page({ id: 'etth1', offset, limit: 500 });
    const { times } = (await profile) as TableProfile;
    expect(times?.[0]).toContain('2016-07-01');
    expect(times?.at(-1)).toContain('2018-06-26');
  });

  it('texts of both languages, and every entry has its file', async () => {
    const list = await service.samples({});
    expect(list).toHaveLength(9);
    const novels = (await service.importSample('korean-novels', job())) as TextDataset;
    expect(novels.warnings[0]).toMatchObject({ code: 'UNKNOWN_CHARACTERS', count: 20 });
    const shakespeare = (await service.importSample('shakespeare', job())) as TextDataset;
    expect(shakespeare).toMatchObject({ tokens: 1_115_394, vocabularySize: 65, lines: 40_000, unknownTokens: 0, bytesPerToken: 2 });
    // Again: the same dataset, not a second one.
    expect((await service.importSample('shakespeare', job())).id).toBe('shakespeare');
    expect((await service.list({})).map((dataset) => dataset.id).sort()).toEqual(['korean-novels', 'shakespeare']);
  });
});

describe('text', () => {
  it('takes the vocabulary from the training part and loses no character', async () => {
    const text = `${'ab\n'.repeat(300)}나는 새 글자`;
    const dataset = (await importOf(await file('mine.txt', text.replaceAll('\n', '\r\n')))) as TextDataset;
    expect(dataset).toMatchObject({ id: 'mine', tokens: text.length, lines: 301, vocabularySize: 4, unknownTokens: 7, split: { train: [0, 816] } });
    const tokenizer = await service.tokenizer('mine');
    expect(tokenizer.vocabulary).toEqual(['\n', 'a', 'b', '<unk>']);
    const data = (await service.trainingData({ dataset: 'mine', task: dataset.task })) as TokenData;
    const tokens = new Uint16Array((await readFile(data.path)).buffer.slice(0));
    expect([...tokens.slice(0, 4)]).toEqual([1, 2, 0, 1]);
    expect(tokenizer.decode(tokens)).toBe(text.slice(0, 900) + '<unk>'.repeat(7));
    expect(await service.page({ id: 'mine', offset: 897, limit: 100 })).toEqual({ kind: 'text', total: 907, offset: 897, text: 'ab\n나는 새 글자' });
    const profile = await service.profile({ id: 'mine' });
    expect(profile.kind === 'text' && profile.tokens.find((entry) => entry.text === '새')).toEqual({ text: '새', count: 1, split: 'test' });
    expect(profile.kind === 'text' && profile.tokens[0]?.count).toBe(300);
  });

  it('splits anew with a vocabulary of its own', async () => {
    await importOf(await file('mine.txt', `${'ab\n'.repeat(300)}나는 새 글자${'c'.repeat(100)}`), { split: { shares: [0.5, 0.2, 0.3] } });
    const before = await service.page({ id: 'mine', offset: 0, limit: 5000 });
    const changed = (await service.change({ id: 'mine', change: { split: { rows: [950, 30, 27] } } })) as TextDataset;
    expect(changed).toMatchObject({ split: { train: [0, 950], validation: [950, 980], test: [980, 1007] }, unknownTokens: 0 });
    expect((await service.tokenizer('mine')).unknown).toBeNull();
    expect(await service.page({ id: 'mine', offset: 0, limit: 5000 })).toEqual(before);
    expect((await readdir(join(root, 'workspace', 'datasets')))).toEqual(['mine']);
    // A run keeps the numbers of its tokens: only splits with the same vocabulary are possible then.
    await mkdir(join(root, 'workspace', 'runs', 'r1'), { recursive: true });
    await writeFile(join(root, 'workspace', 'runs', 'r1', 'config.json'), JSON.stringify({ dataset: 'mine' }));
    await expect(service.change({ id: 'mine', change: { split: { rows: [500, 200, 300] } } })).rejects.toMatchObject({ code: 'CONFIG_INVALID', where: 'split', details: { run: 'r1' } });
    expect(await service.change({ id: 'mine', change: { split: { rows: [940, 40, 20] } } })).toMatchObject({ split: { test: [980, 1000] }, warnings: [{ code: 'ROWS_UNUSED' }, { code: 'SHORT_DATA' }] });
    expect(await service.page({ id: 'mine', offset: 0, limit: 5000 })).toEqual(before);
    expect(await readdir(join(root, 'workspace', 'datasets'))).toEqual(['mine']);
    await expect(service.change({ id: 'mine', change: { lookback: 3 } })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  it('reads UTF-16 and refuses what is no text, leaving nothing', async () => {
    const text = '첫 줄\n둘째 줄 😀\n'.repeat(50);
    const dataset = await importOf(await file('u16.txt', Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')])));
    expect(dataset.source.encoding).toBe('utf-16le');
    expect(await service.page({ id: 'u16', offset: 0, limit: 5000 })).toMatchObject({ text });
    await rm(folderOf('u16'), { recursive: true });
    await expect(importOf(await file('binary.txt', Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1, 2])))).rejects.toMatchObject({ code: 'FILE_NOT_TEXT', where: 'binary.txt, byte 4' });
    await expect(importOf(await file('late.txt', Buffer.concat([Buffer.alloc(200_000, 'word '), Buffer.from([0xff, 0x41])])))).rejects.toMatchObject({ code: 'FILE_NOT_TEXT', details: { byte: 200_000 } });
    await expect(importOf(await file('empty.txt', ''))).rejects.toMatchObject({ code: 'FILE_EMPTY' });
    await expect(importOf(await file('mark.txt', Buffer.from([0xef, 0xbb, 0xbf])))).rejects.toMatchObject({ code: 'FILE_EMPTY' });
    await expect(importOf(await file('short.txt', 'abc'))).rejects.toMatchObject({ code: 'DATASET_TOO_SHORT' });
    await expect(importOf(join(root, 'none.txt'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await nothingLeft();
  });

  it('says of the dataset that the disk is full, and leaves nothing', async () => {
    const path = await file('long.txt', 'some words and more\n'.repeat(2000));
    const full: JobContext = {
      signal: new AbortController().signal,
      progress: ({ phase }) => {
        if (phase === 'writing') throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
      },
    };
    await expect(service.import({ files: [path], name: 'x' }, full)).rejects.toMatchObject({ code: 'DISK_FULL', where: folderOf('x') });
    await nothingLeft();
  });

  it('cancelling leaves nothing', async () => {
    const path = await file('long.txt', 'some words and more\n'.repeat(200_000));
    const controller = new AbortController();
    const cancelling: JobContext = { signal: controller.signal, progress: ({ phase }) => phase === 'writing' && controller.abort() };
    await expect(service.import({ files: [path] }, cancelling)).rejects.toMatchObject({ code: 'CANCELLED' });
    await nothingLeft();
    expect(events).toEqual([]);
  });
});

describe('tables', () => {
  it('fills short gaps, splits at long ones, and no window holds a missing value', async () => {
    const missing = new Set([20, 21, ...Array.from({ length: 12 }, (_, index) => 40 + index)]);
    const path = await file('gaps.csv', `day,label,x\n${days((row) => `w${row},${missing.has(row) ? '' : row}`, 200)}\n`);
    const preview = await service.preview({ files: [path], lookback: 5, horizon: 2 });
    const dataset = (await importOf(path, { lookback: 5, horizon: 2 })) as TableDataset;
    expect(preview.kind === 'table' && preview.problems, 'a preview tells what the import will').toEqual(dataset.warnings);
    expect(dataset.gaps).toEqual([
      { column: 'x', row: 20, count: 2, filled: true },
      { column: 'x', row: 40, count: 12, filled: false },
    ]);
    expect(dataset.columns).toMatchObject([
      { name: 'day', kind: 'time', role: 'time', offset: null },
      { name: 'label', kind: 'text', role: 'ignored', offset: null },
      { name: 'x', kind: 'number', role: 'target', offset: 0, missing: 14 },
    ]);
    expect(dataset.warnings.map(({ code, row }) => [code, row])).toEqual([
      ['MISSING_INTERPOLATED', 22],
      ['MISSING_SPLITS_SERIES', 42],
    ]);
    const { data } = await service.values('gaps');
    expect([data[19], data[20], data[21], data[22]]).toEqual([19, 20, 21, 22]);
    expect(data[45]).toBeNaN();
    const series = (await service.trainingData({ dataset: 'gaps', task: dataset.task })) as SeriesData;
    for (const [start, end] of series.windows.train) {
      for (let window = start; window < end; window += 1) {
        for (let row = window; row < window + 7; row += 1) expect(data[row]).not.toBeNaN();
        expect([20, 21]).not.toContain(window + 4);
      }
    }
    // Fitted on the first 140 rows without the gap.
    expect(series.scaler.mean[0]).toBeCloseTo((139 * 70 - Array.from({ length: 12 }, (_, index) => 40 + index).reduce((a, b) => a + b)) / 128, 4);
    const page = await service.page({ id: 'gaps', offset: 19, limit: 3 });
    expect(page).toEqual({ kind: 'table', total: 200, offset: 19, rows: [['2024-01-20', 'w19', 19], ['2024-01-21', 'w20', null], ['2024-01-22', 'w21', null]] });
    expect(await readdir(folderOf('gaps'))).toEqual(['dataset.json', 'table.parquet', 'values.bin']);
  });

  it('puts absent rows in and fills them, breaks at long absences, and counts rows as the file does', async () => {
    const gone = new Set([30, 31, ...Array.from({ length: 29 }, (_, index) => 60 + index)]);
    const lines = days((row) => `w${row},${row === 120 ? '' : row},${row * 2}`, 200).split('\n').filter((_, row) => !gone.has(row));
    const path = await file('absent.csv', `day,label,x,y\n${lines.join('\n')}\n`);
    const dataset = (await importOf(path, { targets: ['x'], covariates: ['y'], lookback: 5, horizon: 2 })) as TableDataset;
    expect(dataset).toMatchObject({ rows: 171, inserted: [{ row: 30, count: 2 }], breaks: [60], frequency: 'day' });
    expect(dataset.gaps).toEqual([
      { column: 'x', row: 30, count: 2, filled: true },
      { column: 'x', row: 91, count: 1, filled: true },
      { column: 'y', row: 30, count: 2, filled: true },
    ]);
    expect(dataset.warnings.map(({ code, row, count }) => [code, row, count])).toEqual([
      ['TIME_ABSENT_FILLED', 32, 2],
      ['TIME_ABSENT_SPLITS', 60, 1],
      ['MISSING_INTERPOLATED', 91, 1],
    ]);
    expect(lines[91 - 2]).toMatch(/,w120,,240$/);
    for (let row = 2; row < 2 + 169; row += 1) expect(rowInFile(dataset, rowInTable(dataset, row))).toEqual({ row, isInserted: false });
    expect([29, 30, 31, 32].map((row) => rowInFile(dataset, row))).toEqual([{ row: 31, isInserted: false }, { row: 32, isInserted: true }, { row: 32, isInserted: true }, { row: 32, isInserted: false }]);
    const { data, times } = await service.values('absent');
    expect([...data.slice(2 * 29, 2 * 33)]).toEqual([29, 58, 30, 60, 31, 62, 32, 64]);
    expect(times(60)).toBe('2024-03-30');
    expect(await service.page({ id: 'absent', offset: 29, limit: 3 })).toMatchObject({ total: 171, rows: [['2024-01-30', 'w29', 29, 58], ['2024-01-31', null, null, null], ['2024-02-01', null, null, null]] });
    const series = (await service.trainingData({ dataset: 'absent', task: dataset.task })) as SeriesData;
    for (const ranges of Object.values(series.windows)) {
      for (const [start, end] of ranges) {
        for (let window = start; window < end; window += 1) {
          expect(window + 6 < 60 || window >= 60).toBe(true);
          // No lookback ends in a filled row.
          expect([30, 31, 91]).not.toContain(window + 4);
        }
      }
    }
    // Newest first, with the same result.
    const turned = (await importOf(await file('turned.csv', `day,label,x,y\n${lines.slice().reverse().join('\n')}\n`), { targets: ['x'], covariates: ['y'], lookback: 5, horizon: 2 })) as TableDataset;
    expect(turned.gaps).toEqual(dataset.gaps);
    expect((await service.values('turned')).data).toEqual(data);
    const preview = await service.preview({ files: [path] });
    expect(preview).toMatchObject({ rowsRead: 169, problems: [{ code: 'TIME_ABSENT_FILLED' }, { code: 'TIME_ABSENT_SPLITS' }] });
    expect(preview.kind === 'table' && preview.rows).toHaveLength(169);
  });

  it('keeps the night of autumn in the order of the file', async () => {
    const quarters = Array.from({ length: 200 }, (_, row) => Date.UTC(2024, 9, 26, 12) + (row - (row >= 60 ? 4 : 0)) * 900_000);
    const lines = quarters.map((ms, row) => `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')},${row}`);
    const dataset = (await importOf(await file('autumn.csv', `time,x\n${lines.join('\n')}`), { lookback: 4, horizon: 2 })) as TableDataset;
    expect(dataset).toMatchObject({ rows: 200, frequency: '15 minutes', warnings: [{ code: 'TIME_CLOCK_CHANGE', severity: 'info', row: 62, count: 1 }] });
    expect([...(await service.values('autumn')).data]).toEqual(quarters.map((_, row) => row));
  });

  it('names the row whose time cannot be read, and numbers that are too large', async () => {
    const mixed = await file('mixed.csv', `date,x\n${days(String, 100).replace('2024-02-10', '10/02/2024')}`);
    await expect(importOf(mixed)).rejects.toMatchObject({ code: 'DATASET_PARSE_FAILED', where: 'mixed.csv, row 42, column date' });
    expect(await service.preview({ files: [mixed] })).toMatchObject({ problems: [{ code: 'TIME_UNREADABLE', severity: 'error', row: 42 }] });
    await expect(importOf(mixed, { name: 'untimed', timeColumn: '' })).resolves.toMatchObject({ timeColumn: null });
    await expect(importOf(await file('blank.csv', `date,x\n${days(String, 100).replace('2024-02-10', '')}`))).rejects.toMatchObject({ where: 'blank.csv, row 42, column date', message: expect.stringContaining('the time is missing') as string });
    const halves = days(String, 100).split('\n').map((line, row) => (row < 60 ? line : line.replace(/(\d+)-(\d+)-(\d+)/, '$3/$2/$1')));
    await expect(importOf(await file('halves.csv', `date,x\n${halves.join('\n')}`))).rejects.toMatchObject({ where: 'halves.csv, row 62, column date' });
    const unknown = (await importOf(await file('unknown.csv', `date,x\n${days(String, 100).replaceAll(/(\d+)-(\d+)-(\d+)/g, 'on the $3. of $2, $1').replaceAll(',', ';').replaceAll(/;(\d+)$/gm, ',$1')}`))) as TableDataset;
    expect(unknown.warnings[0]).toMatchObject({ code: 'TIME_UNREADABLE', severity: 'warning', column: 'date' });
    const large = await file('large.csv', `date,x,y\n${days((row) => `${row === 40 ? '1e39' : row},${row}`, 100)}`);
    await expect(importOf(large, { targets: ['x'] })).rejects.toMatchObject({ code: 'COLUMN_NOT_NUMERIC', where: 'large.csv, row 42, column x', message: expect.stringContaining('1e39 is beyond') as string });
    await expect(importOf(large)).resolves.toMatchObject({ valueColumns: ['y'] });
  });

  it('refuses the time column as target or covariate, and names the nearest column', async () => {
    const path = await file('roles.csv', `date,price\n${days(String, 100)}`);
    for (const request of [{ targets: ['date'] }, { targets: ['price'], covariates: ['date'] }]) {
      await expect(importOf(path, request)).rejects.toMatchObject({ code: 'CONFIG_INVALID', details: { column: 'date' } });
      await expect(service.preview({ files: [path], ...request })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    }
    await expect(importOf(path, { targets: ['date'] })).rejects.toMatchObject({ message: 'targets: column "date" of roles.csv holds the times. Name a column of numbers, for example "price".' });
    await expect(importOf(path, { targets: ['price'], covariates: ['price'] })).rejects.toMatchObject({ code: 'CONFIG_INVALID', where: 'covariates' });
    await expect(importOf(path, { covariates: ['prize'] })).rejects.toMatchObject({ code: 'COLUMN_NOT_FOUND', details: { suggestion: 'price' } });
    await nothingLeft();
  });

  it('reads tables and texts of older Korean programs', async () => {
    const rows = Array.from({ length: 31 }, (_, row) => `2024년 1월 ${row + 1}일,서울,${row}`);
    const bytes = encode(`날짜,지점,기온\r\n${rows.join('\r\n')}\r\n`, 'cp949');
    const path = await file('기온.csv', bytes);
    const preview = await service.preview({ files: [path] });
    expect(preview).toMatchObject({ encoding: 'euc-kr', columns: [{ name: '날짜', role: 'time' }, { name: '지점' }, { name: '기온', role: 'target' }] });
    expect(await importOf(path)).toMatchObject({ source: { encoding: 'euc-kr' }, valueColumns: ['기온'], rows: 31 });
    expect(await service.page({ id: '기온', offset: 0, limit: 1 })).toMatchObject({ rows: [['2024-01-01', '서울', 0]] });
    // Forced, it is read so even where most of it is not Hangul.
    const hanja = await file('hanja.txt', encode('運數 좋은 날 '.repeat(20), 'cp949'));
    await expect(importOf(hanja, { task: 'language-model', encoding: 'utf-8' })).rejects.toMatchObject({ code: 'FILE_NOT_TEXT' });
    expect(await importOf(hanja, { encoding: 'euc-kr' })).toMatchObject({ kind: 'text', source: { encoding: 'euc-kr' } });
    expect(await service.page({ id: 'hanja', offset: 0, limit: 7 })).toMatchObject({ text: '運數 좋은 날' });
  });

  it('reads numbers with dots between thousands, and refuses what can be read two ways', async () => {
    const european = await file('european.csv', `d;x\n${Array.from({ length: 40 }, (_, row) => `${row};1.${String(200 + row)},5`).join('\n')}\n40;2.000`);
    expect((await importOf(european, { targets: ['x'] })) as TableDataset).toMatchObject({ rows: 41 });
    const { data } = await service.values('european');
    expect([data[1], data[81]]).toEqual([1200.5, 2000]);
    const twoWays = await file('two.csv', `d;x\n${Array.from({ length: 40 }, (_, row) => `${row};${row}.5`).join('\n')}\n40;1.200,5`);
    await expect(importOf(twoWays, { targets: ['x'] })).rejects.toMatchObject({ code: 'COLUMN_NOT_NUMERIC', details: { row: 42 } });
  });

  it('refuses more columns than fit', async () => {
    const path = await file('broad.csv', `${Array.from({ length: 6000 }, (_, column) => `a rather long name ${column}`).join(',')}\n${Array(6000).fill('1').join(',')}\n`);
    await expect(importOf(path)).rejects.toMatchObject({ code: 'DATASET_PARSE_FAILED', message: expect.stringContaining('6000 columns; a table may have at most 5000') as string });
    await nothingLeft();
  });

  it('nothing of validation reaches training, not even through a gap at the border', async () => {
    // Rows 68 to 71 are missing; training ends at row 70.
    const table = (later: number) => `day,x\n${days((row) => (row >= 68 && row < 72 ? '' : row < 72 ? String(row % 7) : String(later + row)), 100)}`;
    const seen = [];
    for (const later of [0, 5000]) {
      const name = `border ${later}`;
      const dataset = (await importOf(await file(`${later}.csv`, table(later)), { name, lookback: 3, horizon: 2 })) as TableDataset;
      expect(dataset.gaps).toMatchObject([{ row: 68, count: 4, filled: true }]);
      const data = (await service.trainingData({ dataset: name, task: dataset.task })) as SeriesData;
      const { data: values } = await service.values(name);
      const rows = data.windows.train.flatMap(([start, end]) => [...values.slice(start, end + 4)]);
      seen.push({ scaler: data.scaler, windows: data.windows.train, rows });
    }
    expect(seen[1]).toEqual(seen[0]);
    expect(seen[0]?.windows).toEqual([[0, 64]]);
  });

  it('names row and value of text in the target column', async () => {
    const path = await file('words.csv', `date,price\n${days((row) => (row === 57 ? 'twelve' : String(row)), 100)}`);
    await expect(importOf(path)).rejects.toMatchObject({ code: 'COLUMN_NOT_NUMERIC', where: 'words.csv, row 59, column price', details: { row: 59, value: 'twelve' } });
    await nothingLeft();
    const marked = await file('marks.csv', `date,price\n${days((row) => (row === 57 ? 'n/a' : row === 60 ? '-' : String(row)), 100)}`);
    const dataset = await importOf(marked);
    expect(dataset.warnings[0]).toMatchObject({ code: 'TEXT_IN_NUMBER_COLUMN', severity: 'warning', row: 59, column: 'price', count: 2 });
    await expect(importOf(marked, { name: 'b', targets: ['prize'] })).rejects.toMatchObject({ code: 'COLUMN_NOT_FOUND', details: { suggestion: 'price' } });
    // A preview shows the trouble, so that another column can be chosen.
    const preview = await service.preview({ files: [path], targets: ['price'] });
    expect(preview).toMatchObject({ problems: [{ severity: 'error', code: 'TEXT_IN_NUMBER_COLUMN', row: 59, column: 'price' }] });
    expect(preview.kind === 'table' && preview.rows[57]).toEqual(['2024-02-27', 'twelve']);
  });

  describe('a column that one cell keeps from being numbers', () => {
    const cells = (bad: string) => Array.from({ length: 300 }, (_, row) => (row === 150 ? bad : `${row}.5`));
    const written: Record<string, (bad: string) => Promise<string>> = {
      'a.csv': (bad) => file('a.csv', `date,x,y\n${days((row) => `${cells(bad)[row]},${row}`, 300)}`),
      'a.jsonl': (bad) => file('a.jsonl', cells(bad).map((cell, row) => `{"date":"${new Date(Date.UTC(2024, 0, 1 + row)).toISOString().slice(0, 10)}","x":${cell === 'hello' ? '"hello"' : cell},"y":${row}}`).join('\n')),
      'a.parquet': async (bad) => {
        const path = join(root, 'a.parquet');
        const instance = await DuckDBInstance.create(':memory:');
        const connection = await instance.connect();
        const x = bad === 'hello' ? `CASE WHEN i = 150 THEN 'hello' ELSE (i + 0.5)::VARCHAR END` : `CASE WHEN i = 150 THEN ${bad}::DOUBLE ELSE i + 0.5 END`;
        await connection.run(`COPY (SELECT DATE '2024-01-01' + i::INTEGER AS date, ${x} AS x, i AS y FROM range(300) r(i)) TO '${path}'`);
        connection.closeSync();
        return path;
      },
    };
    for (const [name, write] of Object.entries(written)) {
      it(`is left out with a word about it: ${name}`, async () => {
        const row = name === 'a.csv' ? 152 : 151;
        for (const bad of ['hello', '1e39']) {
          const path = await write(bad);
          const dataset = (await importOf(path, { name: `d${bad}` })) as TableDataset;
          expect(dataset.task.targets).toEqual(['y']);
          const reason = bad === 'hello' ? '"hello" is not a number' : /1e\+?39 is beyond what training can hold/;
          expect(dataset.warnings).toMatchObject([{ severity: 'warning', code: 'COLUMN_LEFT_OUT', row, column: 'x', count: 1 }]);
          expect(dataset.warnings[0]?.message).toMatch(reason);
          expect(dataset.warnings[0]?.message).toContain('Correct or empty the cell and import again');
          expect(await service.preview({ files: [path] })).toMatchObject({ problems: dataset.warnings });
          await expect(importOf(path, { targets: ['x'] })).rejects.toMatchObject({ code: 'COLUMN_NOT_NUMERIC', details: { row, column: 'x' } });
        }
      });
    }

    it('is no warning where every fifth cell is a word', async () => {
      const path = await file('mixed.csv', `date,x,y\n${days((row) => `${row % 5 === 2 ? 'word' : row},${row}`, 100)}`);
      expect((await importOf(path)).warnings[0]).toMatchObject({ severity: 'info', code: 'COLUMN_LEFT_OUT', row: 4, count: 20, value: 'word' });
    });
  });

  it('names the row of ragged records, open quotes and a wrong delimiter', async () => {
    await expect(importOf(await file('ragged.csv', `a,b\n1,2\n3,4\n5,6,7\n8,9\n`))).rejects.toMatchObject({ code: 'DATASET_PARSE_FAILED', where: 'ragged.csv, row 4', details: { expected: 2, found: 3 } });
    await expect(importOf(await file('open.csv', `a,b\n1,2\n3,"4\n5,6\n`))).rejects.toMatchObject({ code: 'DATASET_PARSE_FAILED' });
    await expect(importOf(await file('wrong.csv', `a,b\n1,2\n3,4\n`), { delimiter: ';' })).rejects.toMatchObject({ code: 'DATASET_PARSE_FAILED', details: { row: 1, guess: ',' } });
    await expect(importOf(await file('head.csv', `a,b\n`))).rejects.toMatchObject({ code: 'DATASET_PARSE_FAILED' });
    await expect(importOf(await file('bad.jsonl', `{"a":1}\n{"a":\n`))).rejects.toMatchObject({ code: 'DATASET_PARSE_FAILED' });
    await expect(importOf(await file('bad.parquet', `PAR1 and nothing`))).rejects.toMatchObject({ code: 'DATASET_PARSE_FAILED' });
    await expect(importOf(await file('latin.csv', Buffer.from(`a,b\n1,caf\xe9\n`, 'latin1')))).rejects.toMatchObject({ code: 'FILE_NOT_TEXT', details: { byte: 9 } });
    await expect(importOf(await file('empty.csv', ''))).rejects.toMatchObject({ code: 'FILE_EMPTY' });
    await nothingLeft();
  });

  it('reads the types of a Parquet file, and passes over a column without values', async () => {
    const parquet = join(root, 'types.parquet');
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    await connection.run(`COPY (SELECT CAST(epoch_ms(1704067200000 + i * 3600000) AS TIMESTAMPTZ) AS t, i::HUGEINT AS h, CASE WHEN i = 5 THEN 'NaN'::DOUBLE ELSE i END AS n,
      CASE WHEN i = 7 THEN '-inf'::DOUBLE ELSE i END AS inf, NULL::INTEGER AS nothing, [i] AS list FROM range(200) r(i)) TO '${parquet}'`);
    connection.closeSync();
    await expect(importOf(parquet, { targets: ['inf'] })).rejects.toMatchObject({ code: 'COLUMN_NOT_NUMERIC', details: { row: 8, value: '-inf' } });
    await expect(importOf(parquet, { targets: ['nothing'] })).rejects.toMatchObject({ code: 'COLUMN_NOT_NUMERIC' });
    const dataset = (await importOf(parquet, { targets: ['n'], covariates: ['h'] })) as TableDataset;
    expect(dataset).toMatchObject({ frequency: 'hour', valueColumns: ['h', 'n'], gaps: [{ column: 'n', row: 5, count: 1, filled: true }] });
    expect((await service.values('types')).times(1)).toBe('2024-01-01 01:00');
    const plain = (await importOf(await file('mostly.csv', `date,x\n${days((row) => (row % 10 < 8 ? '' : String(row)), 200)}`), { lookback: 4 }).catch((error: unknown) => error)) as Error;
    expect(plain.message).toContain('part of 140 rows between its missing values and jumps in time');
  });

  it('says what horizon works where the one asked for is too long', async () => {
    const path = await file('short.csv', `date,x\n${days(String, 100)}`);
    await expect(importOf(path, { horizon: 24, lookback: 10 })).rejects.toMatchObject({ code: 'DATASET_TOO_SHORT', where: 'task.horizon', details: { horizon: 24, part: 'validation', rows: 10, largestHorizon: 10 } });
    await nothingLeft();
    await expect(importOf(path, { horizon: 10, lookback: 10 })).resolves.toMatchObject({ rows: 100 });
    await expect(service.change({ id: 'short', change: { horizon: 11 } })).rejects.toMatchObject({ code: 'DATASET_TOO_SHORT' });
    await expect(importOf(path, { name: 'b', split: { rows: [80, 30, 10] } })).rejects.toMatchObject({ code: 'CONFIG_INVALID', where: 'split' });
  });

  it('puts rows in time order and names what is out of it', async () => {
    const lines = days(String, 120).split('\n').reverse();
    const dataset = (await importOf(await file('down.csv', `date,x\n${lines.join('\n')}`))) as TableDataset;
    expect(dataset.warnings[0]).toMatchObject({ code: 'TIME_UNSORTED', row: 3 });
    expect((await service.values('down')).data.slice(0, 3)).toEqual(Float32Array.from([0, 1, 2]));
    expect((await service.page({ id: 'down', offset: 0, limit: 1 }))).toMatchObject({ rows: [['2024-01-01', 0]] });
  });

  it('reads other delimiters, decimal commas, UTF-16, files without header, JSON lines and Parquet', async () => {
    const rows = Array.from({ length: 60 }, (_, row) => [`${(row % 28) + 1}.${Math.floor(row / 28) + 1}.2023`, `${row},5`, `${row * 2}`]);
    const semicolon = (await importOf(await file('eu.csv', `Datum;a;b\n${rows.map((row) => row.join(';')).join('\n')}`), { targets: ['a'] })) as TableDataset;
    expect(semicolon.source.delimiter).toBe(';');
    expect(semicolon.timeColumn).toBe('Datum');
    expect((await service.values('eu')).data.slice(0, 4)).toEqual(Float32Array.from([0.5, 0, 1.5, 2]));

    const tab = `\ufeff시각\t값\r\n${Array.from({ length: 50 }, (_, row) => `2024-01-01 ${String(Math.floor(row / 4)).padStart(2, '0')}:${String((row % 4) * 15).padStart(2, '0')}\t${row}`).join('\r\n')}`;
    const utf16 = (await importOf(await file('표.tsv', Buffer.from(tab, 'utf16le')))) as TableDataset;
    expect(utf16).toMatchObject({ id: '표', frequency: '15 minutes', timeColumn: '시각', season: 96, source: { encoding: 'utf-16le', delimiter: '\t' } });

    const bare = (await importOf(await file('bare.csv', Array.from({ length: 50 }, (_, row) => `${row % 7},${row}`).join('\n')))) as TableDataset;
    expect(bare).toMatchObject({ firstRow: 1, timeColumn: null, valueColumns: ['column 1', 'column 2'], rows: 50 });

    const json = Array.from({ length: 50 }, (_, row) => JSON.stringify({ when: `2024-02-01T${String(row % 24).padStart(2, '0')}:00:00`, v: row === 3 ? null : row / 2, tag: { a: 1 } })).join('\n');
    const lines = (await importOf(await file('lines.jsonl', json))) as TableDataset;
    expect(lines.columns.map(({ name, kind }) => [name, kind])).toEqual([['when', 'time'], ['v', 'number'], ['tag', 'text']]);

    const parquet = join(root, 'p [1].parquet');
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    await connection.run(`COPY (SELECT TIMESTAMP '2024-01-01' + INTERVAL (i) HOUR AS t, i::DECIMAL(10,2) AS d, i % 2 = 0 AS flag FROM range(80) r(i)) TO '${parquet}'`);
    connection.closeSync();
    const typed = (await importOf(parquet, { targets: ['d'], covariates: ['flag'] })) as TableDataset;
    expect(typed).toMatchObject({ id: 'p 1', frequency: 'hour', timeColumn: 't', valueColumns: ['d', 'flag'] });
    expect(await service.page({ id: 'p 1', offset: 1, limit: 1 })).toMatchObject({ rows: [['2024-01-01 01:00', 1, 0]] });
  });

  it('previews real rows and suggests what the import then does', async () => {
    const path = await file('prices.csv', `date,a,b\n${days((row) => `${row},${row * row}`, 300)}`);
    const preview = await service.preview({ files: [path] });
    expect(preview).toMatchObject({
      kind: 'table',
      rowsRead: 300,
      delimiter: ',',
      encoding: 'utf-8',
      columns: [{ name: 'date', role: 'time' }, { name: 'a', role: 'ignored' }, { name: 'b', role: 'target' }],
      suggested: { task: 'forecast', name: 'prices', targets: ['b'], timeColumn: 'date' },
    });
    expect(preview.kind === 'table' && preview.rows[2]).toEqual(['2024-01-03', 2, 4]);
    const dataset = (await service.import(preview.suggested, job())) as TableDataset;
    expect(dataset.task).toMatchObject({ lookback: preview.suggested.lookback, horizon: preview.suggested.horizon });
    await expect(service.import(preview.suggested, job())).rejects.toMatchObject({ code: 'NAME_TAKEN' });
    const text = await service.preview({ files: [await file('t.txt', 'hello\nworld')] });
    expect(text).toMatchObject({ kind: 'text', head: 'hello\nworld', characters: 11, suggested: { task: 'language-model', name: 't' } });
  });

  it('says what is wrong with a file in words of that file', async () => {
    const refused = async (name: string, content: string) => importOf(await file(name, content)).catch((error: unknown) => (error instanceof Error ? error.message : ''));
    expect(await refused('no.parquet', 'no table at all, only words')).toBe('no.parquet is not a Parquet file, or only a part of one. Choose another file.');
    expect(await refused('head.csv', 'a,b\n')).toBe('head.csv has no data rows, only a header. Choose a file with values.');
    expect(await refused('ragged.csv', 'a,b\n1,2\n1,2,3\n4,5\n6,7\n')).toContain('ragged.csv, row 3: 3 columns found, 2 expected');
    expect(await refused('short.txt', 'a short text')).toBe('This is a text with 12 characters; at least 31 are needed. Choose a longer text.');
    expect(await importOf(await file('long enough.txt', 'x'.repeat(31)))).toMatchObject({ kind: 'text', tokens: 31 });
    await expect(importOf(await file('shorter.txt', 'x'.repeat(30)))).rejects.toMatchObject({ code: 'DATASET_TOO_SHORT' });
  });

  it('takes a table of many columns, in time order', async () => {
    const width = 120;
    const cells = (row: number) => Array.from({ length: width }, (_, column) => String(row * 1000 + column)).join(',');
    const lines = days(cells, 60).split('\n').reverse();
    const path = await file('wide.csv', `day,${Array.from({ length: width }, (_, column) => `v${column}`).join(',')}\n${lines.join('\n')}`);
    const preview = await service.preview({ files: [path] });
    expect(preview.kind === 'table' && preview.rows[0]?.slice(-1)).toEqual([59_119]);
    const dataset = (await importOf(path)) as TableDataset;
    expect(dataset.valueColumns).toHaveLength(width);
    const page = await service.page({ id: 'wide', offset: 0, limit: 3 });
    expect(page.kind === 'table' && page.rows.map((row) => [row[0], row[1], row[40], row[120]])).toEqual([0, 1, 2].map((row) => [`2024-01-0${row + 1}`, row * 1000, row * 1000 + 39, row * 1000 + 119]));
  });

  it('answers requests at the same time, each whole', async () => {
    const count = 20_000;
    const hours = Array.from({ length: count }, (_, row) => `${new Date(Date.UTC(2020, 0, 1, row)).toISOString().slice(0, 13)}:00,${row % 24}`).join('\n');
    await importOf(await file('busy.csv', `time,x\n${hours}`));
    const alone = await service.profile({ id: 'busy' });
    for (let round = 0; round < 5; round += 1) {
      // A service that has profiled nothing yet: the profile is made again between the other requests.
      service = createDatasetService(ports);
      const [profile, ...rest] = await Promise.all([
        service.profile({ id: 'busy' }),
        ...Array.from({ length: 8 }, (_, index) => service.page({ id: 'busy', offset: index * 1000, limit: 500 })),
        ...Array.from({ length: 4 }, async () => {
          const { times } = await service.values('busy');
          return times(count - 1);
        }),
      ]);
      expect(profile).toEqual(alone);
      expect(rest.slice(0, 8).map((page) => typeof page === 'object' && page?.kind === 'table' && page.rows.length)).toEqual(Array(8).fill(500));
      expect(rest.slice(8)).toEqual(Array(4).fill('2022-04-13 07:00'));
    }
  });

  it('calls a table damaged that gives fewer rows than it should', async () => {
    await importOf(await file('cut.csv', `day,x\n${days(String, 100)}`));
    const path = join(folderOf('cut'), 'table.parquet');
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    await connection.run(`COPY (SELECT TIMESTAMP '2024-01-01' + INTERVAL (i) DAY AS day, i::DOUBLE AS x FROM range(60) r(i)) TO '${path}'`);
    connection.closeSync();
    await expect(service.values('cut')).rejects.toMatchObject({ code: 'DATASET_DAMAGED', where: path });
    await expect(service.profile({ id: 'cut' })).rejects.toMatchObject({ code: 'DATASET_DAMAGED' });
  });

  it('changes roles, window and split, and only what fits', async () => {
    await importOf(await file('m.csv', `date,a,b\n${days((row) => `${row},${row * row}`, 300)}`));
    const changed = (await service.change({ id: 'm', change: { targets: ['a'], covariates: ['b'], lookback: 9, horizon: 3, split: { rows: [100, 50, 50] } } })) as TableDataset;
    expect(changed.columns.map(({ role }) => role)).toEqual(['time', 'target', 'covariate']);
    expect(changed.warnings).toMatchObject([{ code: 'ROWS_UNUSED', count: 100, row: 202 }]);
    const data = (await service.trainingData({ dataset: 'm', task: changed.task })) as SeriesData;
    expect(data).toMatchObject({ inputs: [0, 1], targetCount: 1, windows: { train: [[0, 89]], validation: [[91, 139]], test: [[141, 189]] } });
    expect(data.scaler.mean[0]).toBeCloseTo(49.5, 6);
    await expect(service.change({ id: 'm', change: { covariates: ['c'] } })).rejects.toMatchObject({ code: 'CONFIG_INVALID', where: 'task.covariates.0' });
    await expect(service.trainingData({ dataset: 'm', task: { kind: 'language-model' } })).rejects.toMatchObject({ code: 'CONFIG_INVALID', where: 'task.kind' });
    await truncate(join(folderOf('m'), 'values.bin'), 100);
    await expect(service.trainingData({ dataset: 'm', task: changed.task })).rejects.toMatchObject({ code: 'DATASET_DAMAGED' });
  });
});

describe('files that are not what the import wrote', () => {
  const damage = async (path: string, at: number) => {
    const bytes = await readFile(path);
    bytes[at] = (bytes[at] as number) ^ 0x40;
    await writeFile(path, bytes);
  };

  it('are named: the numbers of a table, of the right length', async () => {
    const { task } = (await importOf(await file('m.csv', `date,a\n${days(String, 300)}`))) as TableDataset;
    await service.check('m');
    const path = join(folderOf('m'), 'values.bin');
    await damage(path, 602);
    const refusal = { code: 'DATASET_DAMAGED', where: path, message: `${path} is damaged: its content is not what the import wrote. Import the file again.` };
    for (const use of [() => service.check('m'), () => service.values('m'), () => service.trainingData({ dataset: 'm', task }), () => service.profile({ id: 'm' })]) await expect(use()).rejects.toMatchObject(refusal);
    await damage(path, 602);
    await service.check('m');
    await rm(path);
    await expect(service.check('m')).rejects.toMatchObject({ code: 'DATASET_DAMAGED', message: `${path} is damaged: it is missing. Import the file again.` });
  });

  it('are named: tokens, vocabulary and unknown characters of a text', async () => {
    const { task } = (await importOf(await file('t.txt', `${'ab\n'.repeat(300)}나는 새 글자`))) as TextDataset;
    const read = () => service.page({ id: 't', offset: 890, limit: 20 });
    const before = await read();
    const refused = async (name: string, reason: string) =>
      expect(read()).rejects.toMatchObject({ code: 'DATASET_DAMAGED', where: join(folderOf('t'), name), message: `${join(folderOf('t'), name)} is damaged: ${reason} Import the text again.` });

    await damage(join(folderOf('t'), 'tokens.bin'), 20);
    await refused('tokens.bin', 'its content is not what the import wrote.');
    await expect(service.check('t')).rejects.toMatchObject({ code: 'DATASET_DAMAGED' });
    await expect(service.trainingData({ dataset: 't', task })).rejects.toMatchObject({ code: 'DATASET_DAMAGED' });
    await damage(join(folderOf('t'), 'tokens.bin'), 20);

    const unknown = join(folderOf('t'), 'unknown.bin');
    const pairs = await readFile(unknown);
    await writeFile(unknown, Buffer.alloc(pairs.length, 0x7f));
    await refused('unknown.bin', 'its content is not what the import wrote.');
    await writeFile(unknown, pairs.subarray(16));
    await refused('unknown.bin', `${pairs.length - 16} bytes, not ${pairs.length}.`);
    await rm(unknown);
    await refused('unknown.bin', 'it is missing.');
    await writeFile(unknown, pairs);

    const tokenizer = join(folderOf('t'), 'tokenizer.json');
    const json = await readFile(tokenizer, 'utf8');
    await writeFile(tokenizer, json.slice(0, -20));
    await refused('tokenizer.json', 'it is not complete JSON.');
    await writeFile(tokenizer, json.replace(/"b":\s*2,/, ''));
    await refused('tokenizer.json', 'it has 3 tokens, not 4.');
    await rm(tokenizer);
    await refused('tokenizer.json', 'it is missing.');
    await writeFile(tokenizer, json);
    expect(await read()).toEqual(before);
  });

  it('are not looked for in a dataset that was made before there were checksums', async () => {
    const { checksum, ...older } = await importOf(await file('m.csv', `date,a\n${days(String, 300)}`));
    expect(checksum).toMatch(/^[0-9a-f]{8}$/);
    await writeFile(join(folderOf('m'), 'dataset.json'), JSON.stringify(older));
    await service.check('m');
  });
});

describe('catalogue', () => {
  it('renames, deletes and gives back', async () => {
    await service.importText({ name: 'a', text: 'to be or not to be '.repeat(20) }, job());
    await service.importText({ name: 'b', text: 'that is the question '.repeat(20) }, job());
    await expect(service.rename({ id: 'a', name: 'B' })).rejects.toMatchObject({ code: 'NAME_TAKEN' });
    expect(await service.rename({ id: 'a', name: '햄릿' })).toMatchObject({ id: '햄릿' });
    await expect(service.get({ id: 'a' })).rejects.toMatchObject({ code: 'DATASET_NOT_FOUND' });
    const { trashed } = await service.delete({ id: '햄릿' });
    expect((await service.list({})).map(({ id }) => id)).toEqual(['b']);
    await service.importText({ name: '햄릿', text: 'another one '.repeat(20) }, job());
    expect(await service.restore({ trashed })).toEqual({ id: '햄릿 2' });
    expect(await service.get({ id: '햄릿 2' })).toMatchObject({ id: '햄릿 2', source: { name: 'pasted.txt' } });
    expect(events.every(({ type }) => type === 'datasetsChanged')).toBe(true);
  });

  it('takes a pasted table for a table', async () => {
    const dataset = await service.importText({ name: null, text: `day\tx\r\n${days(String, 60).replaceAll(',', '\t').replaceAll('\n', '\r\n')}` }, job());
    expect(dataset).toMatchObject({ kind: 'table', id: 'pasted', timeColumn: 'day' });
  });

  it('skips a damaged one in the list and names it when asked', async () => {
    await service.importText({ name: 'good', text: 'to be or not to be '.repeat(20) }, job());
    await mkdir(folderOf('bad'));
    await writeFile(join(folderOf('bad'), 'dataset.json'), '{"format":');
    expect((await service.list({})).map(({ id }) => id)).toEqual(['good']);
    await expect(service.get({ id: 'bad' })).rejects.toMatchObject({ code: 'DATASET_DAMAGED' });
    await service.delete({ id: 'bad' });
    expect(await stat(folderOf('bad')).catch(() => null)).toBeNull();
  });
});
