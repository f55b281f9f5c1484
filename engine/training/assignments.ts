import { runConfig, SluiceError } from '../contracts';
import { bare, isRecord, schemasAt, type Path } from './schema-paths';
import { z } from 'zod';

function invalid(message: string, where: string): SluiceError {
  return new SluiceError({ code: 'CONFIG_INVALID', message, where });
}

const inherited = new Set(['__proto__', 'constructor', 'prototype']);

function parseValue(text: string, path: Path, config: unknown): unknown {
  const schemas = schemasAt(runConfig, path, config).map(bare);
  // `--set dataset=2024` is a name, not a number.
  if (schemas.length > 0 && schemas.every((schema) => schema instanceof z.ZodString) && text !== 'null') return text;
  // An option of a cell is a word or a list of numbers: `periods=1,2,4` is the list.
  if (schemas.length > 0 && schemas.every((schema) => schema instanceof z.ZodUnion) && /^\d+(,\d+)*$/.test(text)) return text.split(',').map(Number);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    const isList = schemas.length > 0 && schemas.every((schema) => schema instanceof z.ZodArray);
    return isList ? text.split(',') : text;
  }
}

/**
 * Applies `path=value` (`model.layers.0.cell=gru`) to a configuration and returns the changed copy. Values are
 * JSON where they can be read so, else text. A new `kind` (`training.optimizer.kind=sgd`) drops the fields of
 * the old kind, and a new `cell` the options of the old one, so these are set first. Whether fields exist is for `completeConfig` to say.
 */
export function applyAssignments(config: unknown, assignments: readonly string[]): unknown {
  const result = structuredClone(isRecord(config) ? config : {});
  const parsed = assignments.map((assignment) => {
    const equals = assignment.indexOf('=');
    if (equals < 1) throw invalid(`--set takes path=value, for example model.layers.0.cell=gru; got "${assignment}"`, assignment);
    const name = assignment.slice(0, equals).trim();
    // Written through, these would change every object of the process.
    if (name.split('.').some((part) => inherited.has(part))) throw invalid(`there is no field ${name}`, name);
    const path: Path = name.split('.').map((part) => (/^\d+$/.test(part) ? Number(part) : part));
    return { name, path, text: assignment.slice(equals + 1) };
  });
  const isKind = ({ path }: { path: Path }): boolean => path.at(-1) === 'kind' || path.at(-1) === 'cell';
  for (const { name, path, text } of [...parsed.filter(isKind), ...parsed.filter((one) => !isKind(one))]) {
    const value = parseValue(text, path, result);
    const last = path.at(-1) ?? '';
    let parent: Record<string | number, unknown> = result;
    for (const [depth, key] of path.slice(0, -1).entries()) {
      if (Array.isArray(parent)) growTo(parent, key, name);
      const next = Object.hasOwn(parent, key) ? parent[key] : undefined;
      if (isRecord(next) || Array.isArray(next)) {
        parent = next as Record<string | number, unknown>;
      } else {
        const created: Record<string | number, unknown> = typeof path[depth + 1] === 'number' ? ([] as never) : {};
        parent[key] = created;
        parent = created;
      }
    }
    if (Array.isArray(parent)) growTo(parent, last, name);
    if (last === 'kind' && parent['kind'] !== value) for (const key of Object.keys(parent)) delete parent[key];
    if (last === 'cell' && parent['cell'] !== value) delete parent['options'];
    parent[last] = value;
  }
  return result;
}

/** A list may grow by one element at its end; holes have no meaning. */
function growTo(list: unknown[], key: string | number, name: string): void {
  if (typeof key !== 'number' || key > list.length) {
    throw invalid(`${name}: ${key} is no position of this list, which has ${list.length}; use 0 to ${list.length}`, name);
  }
  if (key === list.length) list.push({});
}
