import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { z } from 'zod';
import { readNpz, type NumberArray } from '../arrays';
import { readSafetensors, SluiceError, tensorBytes, type InferRequest, type Safetensors, type SafetensorsEntry } from '../contracts';
import { readError } from '../workspace';
import { initialStates, type StatePairs } from './generate';
import type { OnnxSession, RuntimeTensor, TensorDescription } from './runtime';
import { invalidInput, toTensor } from './tensors';

/** What a file exported by Sluice says of itself; empty for any other file. */
export interface ModelNotes {
  vocabulary: string[] | null;
  /** Input columns and the rows a forecast reads. */
  series: { columns: string[]; lookback: number } | null;
  states: StatePairs;
}

/** Reads the notes from a file's metadata; what is not there or not readable is null. */
export function modelNotes(metadata: Record<string, string>): ModelNotes {
  const parse = <T>(key: string): T | null => {
    try {
      return JSON.parse(metadata[key] ?? 'null') as T | null;
    } catch {
      return null;
    }
  };
  const columns = parse<{ columns: string[] }>('sluice.scaler')?.columns;
  const lookback = parse<{ lookback: number }>('sluice.task')?.lookback;
  return {
    vocabulary: parse('sluice.vocabulary'),
    series: columns && lookback ? { columns, lookback } : null,
    states: parse('sluice.states') ?? [],
  };
}

/**
 * Everything a session needs for one call, from a file (.json, .csv, .npz, .safetensors, .txt), a text or
 * named tensors. States that the notes name and the data leave out begin at zero.
 * @throws SluiceError INPUT_INVALID, COLUMN_NOT_FOUND, FILE_NOT_FOUND with what is missing.
 */
export async function readFeeds(source: InferRequest['input'], session: OnnxSession, notes: ModelNotes): Promise<Record<string, RuntimeTensor>> {
  const states = new Set(notes.states.map(([input]) => input));
  const required = session.inputs.filter(({ name }) => !states.has(name));
  const arrays = await readArrays(source, required, notes);
  const feeds: Record<string, RuntimeTensor> = {};
  for (const input of session.inputs) {
    const array = arrays[input.name];
    if (array) feeds[input.name] = toTensor(array, input);
  }
  const missing = required.filter(({ name }) => !feeds[name]);
  if (missing.length > 0) {
    const wanted = missing.map(({ name, type, shape }) => `${name} (${type} [${shape.join(', ')}])`).join(', ');
    const given = Object.keys(arrays).slice(0, 8).join(', ');
    throw invalidInput(missing[0]!.name, `The model also takes ${wanted}; the data name ${given === '' ? 'nothing' : `only ${given}`}. Give every input by name in a .json, .npz or .safetensors file.`);
  }
  const batch = feeds[required[0]?.name ?? '']?.shape[0] ?? 1;
  return { ...initialStates(session, notes.states.filter(([input]) => !feeds[input]), batch), ...feeds };
}

async function readArrays(source: InferRequest['input'], required: TensorDescription[], notes: ModelNotes): Promise<Record<string, NumberArray>> {
  if ('tensors' in source) return source.tensors;
  if ('text' in source) return { [soleInput(required, 'text').name]: textArray(source.text, notes, 'text') };
  const path = source.file;
  const read = async (): Promise<Buffer> => {
    try {
      return await readFile(path);
    } catch (error) {
      throw readError(error, path);
    }
  };
  try {
    switch (extname(path).toLowerCase()) {
      case '.txt':
        return { [soleInput(required, path).name]: textArray((await read()).toString('utf8').replace(/^\uFEFF/, '').replaceAll('\r\n', '\n'), notes, path) };
      case '.json':
        return jsonArrays(JSON.parse((await read()).toString('utf8')), required, path, notes);
      case '.npz':
        return named(await readNpz(await read()), required);
      case '.safetensors':
        return named(safetensorsArrays(await read()), required);
      case '.csv':
      case '.tsv':
        await read();
        return { [soleInput(required, path).name]: await tableArray(path, soleInput(required, path), notes) };
      default:
        throw invalidInput(path, 'The input must be a .json, .csv, .npz, .safetensors or .txt file.');
    }
  } catch (error) {
    if (error instanceof RangeError || error instanceof SyntaxError) throw new SluiceError({ code: 'FILE_UNREADABLE', message: `${path} cannot be read: ${error.message}.`, where: path }, { cause: error });
    throw error;
  }
}

/** The one input that unnamed data can mean. */
function soleInput(required: TensorDescription[], where: string): TensorDescription {
  if (required.length === 1) return required[0]!;
  throw invalidInput(where, `The model takes ${required.length} inputs (${required.map(({ name }) => name).join(', ')}): give them by name in a .json, .npz or .safetensors file.`);
}

/** A single array of any name is meant for a single input. */
function named(arrays: Record<string, NumberArray>, required: TensorDescription[]): Record<string, NumberArray> {
  const [only, ...others] = Object.values(arrays);
  if (only && others.length === 0 && required.length === 1) return { [required[0]!.name]: only };
  return arrays;
}

/** `where` names the text: the file it came from, or the field. */
function textArray(text: string, { vocabulary }: ModelNotes, where: string): NumberArray {
  if (!vocabulary) throw invalidInput(where, 'The model names no vocabulary, so a text cannot be turned into its input. Give numbers instead.');
  const tokenOf = new Map(vocabulary.map((entry, token) => [entry, token]));
  const data = Array.from(text, (character) => {
    const token = tokenOf.get(character) ?? tokenOf.get('<unk>');
    if (token === undefined) throw invalidInput(where, `The model's vocabulary has no character ${JSON.stringify(character)}.`);
    return token;
  });
  if (data.length === 0) throw invalidInput(where, 'The text is empty.');
  return { shape: [1, data.length], data };
}

const sizes = z.array(z.int().min(0));

/** `{"name": nested arrays}`, `{"name": {"shape", "data"}}`, `{"text": …}`, or the array alone. */
function jsonArrays(value: unknown, required: TensorDescription[], path: string, notes: ModelNotes): Record<string, NumberArray> {
  if (Array.isArray(value)) return { [soleInput(required, path).name]: nested(value, path) };
  if (typeof value !== 'object' || value === null) throw invalidInput(path, `${path} holds neither an array nor named inputs.`);
  if ('text' in value && typeof value.text === 'string') return { [soleInput(required, path).name]: textArray(value.text, notes, path) };
  return Object.fromEntries(
    Object.entries(value).map(([name, entry]: [string, unknown]) => {
      if (typeof entry === 'object' && entry !== null && 'shape' in entry && 'data' in entry) {
        const shape = sizes.safeParse(entry.shape);
        if (!shape.success) throw invalidInput(name, `The shape of ${name} must be a list of whole numbers from 0 on, such as [1, 10].`);
        return [name, { shape: shape.data, data: nested(entry.data, name).data }];
      }
      return [name, nested(entry, name)];
    }),
  );
}

function nested(value: unknown, where: string): NumberArray {
  const shape: number[] = [];
  for (let level = value; Array.isArray(level); level = level[0]) shape.push(level.length);
  const data: number[] = [];
  const visit = (level: unknown, depth: number): void => {
    if (depth === shape.length) {
      if (typeof level !== 'number' && typeof level !== 'boolean') throw invalidInput(where, `${where} holds what is no number.`);
      data.push(Number(level));
      return;
    }
    if (!Array.isArray(level) || level.length !== shape[depth]) throw invalidInput(where, `The nested lists of ${where} are not equally long.`);
    for (const entry of level) visit(entry, depth + 1);
  };
  visit(value, 0);
  return { shape, data };
}

function safetensorsArrays(bytes: Uint8Array): Record<string, NumberArray> {
  const file = readSafetensors(bytes);
  return Object.fromEntries(file.entries.map((entry) => [entry.name, { shape: entry.shape, data: safetensorsValues(file, entry) }]));
}

const valueBytes: Record<string, number> = { F64: 8, I64: 8, F32: 4, I32: 4, I16: 2, I8: 1, U8: 1, BOOL: 1 };

function safetensorsValues(file: Safetensors, entry: SafetensorsEntry): ArrayLike<number> {
  const { name, dtype, shape, start, end } = entry;
  const width = valueBytes[dtype];
  if (width === undefined) throw new RangeError(`tensor ${name} is ${dtype}, which is not supported`);
  const expected = shape.reduce((product, size) => product * size, width);
  if (end - start !== expected) throw new RangeError(`tensor ${name} has ${end - start} bytes, its shape [${shape.join(', ')}] and type ${dtype} need ${expected}`);
  const buffer = tensorBytes(file, entry);
  switch (dtype) {
    case 'F32':
      return new Float32Array(buffer);
    case 'F64':
      return new Float64Array(buffer);
    case 'I64':
      return Float64Array.from(new BigInt64Array(buffer) as ArrayLike<unknown> as ArrayLike<bigint>, Number);
    case 'I32':
      return new Int32Array(buffer);
    case 'I16':
      return new Int16Array(buffer);
    case 'I8':
      return new Int8Array(buffer);
    default:
      return new Uint8Array(buffer);
  }
}

/**
 * A table's number columns as `[1, rows, columns]` (or the rank the input has). For a forecast by Sluice:
 * its own columns by name, and of the rows the last that the model reads.
 */
async function tableArray(path: string, input: TensorDescription, { series }: ModelNotes): Promise<NumberArray> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    const reader = await connection.runAndReadAll('SELECT * FROM read_csv($path)', { path });
    const names = reader.columnNames();
    const columns = reader.getColumnsJS();
    const isNumeric = columns.map((column) => column.every((value) => value === null || typeof value === 'number' || typeof value === 'bigint'));
    const wanted = series?.columns ?? names.filter((_, k) => isNumeric[k]);
    const places = wanted.map((column) => {
      const place = names.indexOf(column);
      if (place < 0) throw new SluiceError({ code: 'COLUMN_NOT_FOUND', message: `${path} has no column ${column}, which the model reads.`, where: `${path}, column ${column}` });
      if (!isNumeric[place]) throw new SluiceError({ code: 'COLUMN_NOT_NUMERIC', message: `The column ${column} of ${path} holds what is no number.`, where: `${path}, column ${column}` });
      return place;
    });
    const total = columns[0]?.length ?? 0;
    if (places.length === 0 || total === 0) throw invalidInput(path, `${path} has ${total === 0 ? 'no rows' : 'no column of numbers'}; the model reads a table with a header line and a column for each feature.`);
    if (series && total < series.lookback) throw invalidInput(path, `${path} has ${total} rows; the model reads the last ${series.lookback}.`);
    const first = series ? total - series.lookback : 0;
    const rows = total - first;
    const data = Float64Array.from({ length: rows * places.length }, (_, k) => Number(columns[places[k % places.length]!]![first + Math.floor(k / places.length)] ?? NaN));
    const gap = data.findIndex(Number.isNaN);
    if (gap >= 0) {
      const row = first + Math.floor(gap / places.length) + 2;
      throw invalidInput(`${path}, row ${row}, column ${wanted[gap % places.length]}`, `${path} has no value in row ${row}, column ${wanted[gap % places.length]}.`);
    }
    const shapes: Record<number, number[]> = { 1: [rows * places.length], 2: [rows, places.length] };
    return { shape: shapes[input.shape.length] ?? [1, rows, places.length], data };
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    throw invalidInput(path, `${path} cannot be read as a table: ${(error as Error).message.split('\n')[0]}`);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
