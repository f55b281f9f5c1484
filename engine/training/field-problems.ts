import type { z } from 'zod';
import type { ModelDescription } from '../contracts';
import { editDistance, nearestName } from './nearest-name';
import { isRecord, keysAt, kindsWith, leafPaths, type Path } from './schema-paths';

/** Something that is wrong at a field; `code` lets the window say it in any language. */
export type FieldProblem = ModelDescription['problems'][number];

export function problem(path: string, code: string, message: string, details: FieldProblem['details'] = {}): FieldProblem {
  return { path, code, message, details };
}

export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inner, key) => (isRecord(inner) || Array.isArray(inner) ? (inner as Record<string | number, unknown>)[key] : undefined),
    value,
  );
}

/** A value that works at a path: that of the defaults, where they have one. */
function usualValue(defaults: unknown, path: Path): string | number | null {
  const found = valueAt(defaults, path.map((key) => (typeof key === 'number' ? 0 : key)));
  return typeof found === 'number' || typeof found === 'string' ? found : null;
}

/** The allowed field a person most likely meant: a sibling, unless a field elsewhere is spelled more alike. */
function nearestField(schema: z.ZodType, unknown: string, path: Path, config: unknown): string | null {
  const lastPart = (full: string): string => full.slice(full.lastIndexOf('.') + 1);
  const distance = (name: string | null): number => (name === null ? Infinity : editDistance(unknown, name));
  const sibling = nearestName(unknown, keysAt(schema, path, config));
  const parent = path.map((key) => (typeof key === 'number' ? 0 : key)).join('.');
  // Beside the unknown one stand the fields of other kinds too, which this value cannot have.
  const elsewhere = leafPaths(schema).filter((full) => full.slice(0, Math.max(0, full.lastIndexOf('.'))) !== parent);
  const alike = nearestName(unknown, elsewhere.map(lastPart));
  if (sibling !== null && distance(sibling) <= distance(alike)) return [...path, sibling].join('.');
  return elsewhere.find((full) => lastPart(full) === alike) ?? null;
}

/** What a schema refused, in plain words at its fields. `defaults` holds values that work, where there are any. */
export function issueProblems(schema: z.ZodType, issue: z.core.$ZodIssue, config: unknown, defaults: unknown): FieldProblem[] {
  const path = issue.path.map((key) => (typeof key === 'number' ? key : String(key)));
  const where = path.join('.');
  const value = valueAt(config, path);
  const shown = value === undefined ? null : isRecord(value) || Array.isArray(value) ? JSON.stringify(value) : String(value as string | number | boolean | null);
  const usual = usualValue(defaults, path);
  const example = usual === null ? '' : `, for example ${usual}`;
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => {
        const full = [...path, key].join('.');
        const having = kindsWith(schema, path, key, config);
        if (having && having.kinds.length > 0) {
          const kind = [...path, having.discriminator].join('.');
          const present = String(valueAt(config, [...path, having.discriminator]));
          return problem(full, 'UNKNOWN_FIELD', `${full} is a field of the kind ${having.kinds.join(', ')}, and ${kind} is ${present}; leave it out or set ${kind}=${having.kinds[0]}`, { nearest: kind });
        }
        const nearest = nearestField(schema, key, path, config);
        return problem(full, 'UNKNOWN_FIELD', `there is no field ${full}; the nearest is ${nearest ?? 'none'}`, { nearest });
      });
    case 'too_small': {
      const minimum = Number(issue.minimum);
      if (issue.origin === 'array') return [problem(where, 'TOO_SHORT', `${where} needs at least ${minimum} element${minimum === 1 ? '' : 's'}`, { minimum })];
      if (issue.origin === 'string') return [problem(where, 'TOO_SMALL', `${where} has ${String(value).length} characters; it must have at least ${minimum}`, { value: shown, minimum, usual })];
      const bound = issue.inclusive === false ? `above ${minimum}` : `at least ${minimum}`;
      return [problem(where, 'TOO_SMALL', `${where} is ${shown}; it must be ${bound}${example}`, { value: shown, minimum, usual })];
    }
    case 'too_big': {
      const maximum = Number(issue.maximum);
      if (issue.origin === 'array') return [problem(where, 'TOO_LONG', `${where} may have at most ${maximum} elements`, { maximum })];
      if (issue.origin === 'string') return [problem(where, 'TOO_BIG', `${where} has ${String(value).length} characters; it may have at most ${maximum}`, { value: shown, maximum, usual })];
      const bound = issue.inclusive === false ? `below ${maximum}` : `at most ${maximum}`;
      return [problem(where, 'TOO_BIG', `${where} is ${shown}; it must be ${bound}${example}`, { value: shown, maximum, usual })];
    }
    case 'invalid_value':
    case 'invalid_union': {
      const allowed = issue.code === 'invalid_value' ? issue.values.map(String) : ('options' in issue && Array.isArray(issue.options) ? issue.options.map(String) : []);
      const nearest = shown === null ? null : nearestName(shown, allowed);
      return [
        problem(where, 'NOT_ALLOWED', `${where} is ${shown ?? 'missing'}; it must be one of ${allowed.join(', ')}`, {
          value: shown,
          allowed: allowed.join(', '),
          nearest,
        }),
      ];
    }
    case 'invalid_type':
      if (value === undefined) return [problem(where, 'MISSING', `${where} is missing`, {})];
      return [
        problem(where, 'WRONG_TYPE', `${where} is ${typeof value === 'string' ? `"${value}"` : shown}; it must be ${typeName(issue.expected)}${example}`, {
          value: shown,
          expected: issue.expected,
          usual,
        }),
      ];
    default:
      return [problem(where, 'INVALID', `${where} is ${shown}, which does not work here`, { value: shown })];
  }
}

function typeName(expected: string): string {
  const names: Record<string, string> = { int: 'a whole number', number: 'a number', string: 'a text', boolean: 'true or false', array: 'a list', object: 'an object' };
  return names[expected] ?? expected;
}
