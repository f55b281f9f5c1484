import type { RunConfig } from '../../../../engine/contracts';

/** A setting in which compared runs differ. */
export interface Difference {
  /** `model.layers.0.cell`. */
  path: string;
  /** Value of each run in the order given; null where a run has no such setting. */
  values: (string | null)[];
}

/** Settings that do not make two runs different models or trainings. */
const ignored = /^(probe|checkpoint|training\.threads)\b/;

/** Where the configurations differ, most telling first (model, then training, then the rest). */
export function differences(configs: readonly RunConfig[]): Difference[] {
  if (configs.length < 2) return [];
  const flat = configs.map((config) => flatten(config));
  const paths = new Set(flat.flatMap((values) => [...values.keys()]));
  const rank = (path: string) => ['model', 'training', 'task', 'dataset'].findIndex((part) => path.startsWith(part));
  return [...paths]
    .filter((path) => !ignored.test(path))
    .map((path) => ({ path, values: flat.map((values) => values.get(path) ?? null) }))
    .filter(({ values }) => values.some((value) => value !== values[0]))
    .sort((a, b) => (rank(a.path) + 9) % 9 - ((rank(b.path) + 9) % 9) || a.path.localeCompare(b.path));
}

/** The last telling part of a path: `cell`, `hiddenSize`, `layers`. */
export function shortName(path: string): string {
  return path.split('.').findLast((part) => !/^\d+$/.test(part) && part !== 'kind' && part !== 'norm') ?? path;
}

function flatten(value: unknown, path = '', into = new Map<string, string>()): Map<string, string> {
  if (value !== null && typeof value === 'object') {
    for (const [key, inner] of Object.entries(value)) flatten(inner, path ? `${path}.${key}` : key, into);
  } else {
    into.set(path, String(value));
  }
  return into;
}
