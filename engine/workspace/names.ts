import { SluiceError, name as nameSchema } from '../contracts';

/** Names that one file system would take for the same: case and Unicode composition do not count. */
function fold(name: string): string {
  return name.normalize('NFC').toLowerCase();
}

export function isTaken(name: string, taken: Iterable<string>): boolean {
  const folded = fold(name);
  for (const other of taken) if (fold(other) === folded) return true;
  return false;
}

/** `base`, else `base 2`, `base 3` …: the first that is not taken. */
export function uniqueName(base: string, taken: Iterable<string>): string {
  const folded = new Set([...taken].map(fold));
  if (!folded.has(fold(base))) return base;
  for (let number = 2; ; number += 1) {
    // Cut to the longest name allowed, never inside a surrogate pair.
    const candidate = `${base.slice(0, 79 - String(number).length).replace(/[\uD800-\uDBFF]$/, '')} ${number}`;
    if (!folded.has(fold(candidate))) return candidate;
  }
}

/** The nearest valid name to a file's name without folder and extension; `fallback` where nothing is left. */
export function nameFromFile(file: string, fallback: string): string {
  const stem = (file.split(/[\\/]/).pop() ?? '').replace(/(?<=.)\.[^.]*$/u, '').normalize('NFC');
  const cleaned = [...stem.replace(/[^\p{L}\p{N} ._-]+/gu, ' ').replace(/\s+/g, ' ')]
    .slice(0, 80)
    .join('')
    .replace(/^[^\p{L}\p{N}]+/u, '')
    .replace(/[. ]+$/, '');
  return nameSchema.safeParse(cleaned).success ? cleaned : fallback;
}

/** Throws NAME_INVALID at `where` for a name that could not be a folder on every platform. */
export function checkName(name: string, where = 'name'): string {
  const composed = name.normalize('NFC');
  if (nameSchema.safeParse(composed).success) return composed;
  throw new SluiceError({
    code: 'NAME_INVALID',
    message: `"${name}" cannot be a name: begin with a letter or digit, use letters, digits, spaces, dots, dashes or underscores, at most 80.`,
    where,
    details: { name },
  });
}

export function nameTaken(name: string): SluiceError {
  return new SluiceError({ code: 'NAME_TAKEN', message: `The name "${name}" is taken. Choose another one.`, where: 'name', details: { name } });
}
