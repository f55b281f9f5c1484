import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { settings as settingsSchema, type Settings } from '../../engine/contracts';

export type SettingsChange = { [Field in keyof Settings]?: Settings[Field] | undefined };

export interface SettingsStore {
  get(): Settings;
  /** Changes the given fields, keeps the others. */
  set(change: SettingsChange): Settings;
}

/** Whatever of a file's content is valid, defaults for the rest: one damaged field costs only itself. */
export function readSettings(content: string | null): Settings {
  let raw: unknown = {};
  try {
    raw = content === null ? {} : JSON.parse(content);
  } catch {
    raw = {};
  }
  const values: Record<string, unknown> = {};
  if (typeof raw === 'object' && raw !== null) {
    for (const [key, field] of Object.entries(settingsSchema.shape)) {
      const parsed = field.safeParse((raw as Record<string, unknown>)[key]);
      if (parsed.success) values[key] = parsed.data;
    }
  }
  return settingsSchema.parse(values);
}

/**
 * Settings in one file, read anew at every look (another window may have written) and replaced whole: written
 * beside, flushed, renamed.
 */
export function createSettingsStore(file: string): SettingsStore {
  const get = (): Settings => {
    let content: string | null = null;
    try {
      content = readFileSync(file, 'utf8');
    } catch {
      content = null;
    }
    return readSettings(content);
  };
  const set = (change: SettingsChange): Settings => {
    const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
    const next = settingsSchema.parse({ ...get(), ...given });
    mkdirSync(dirname(file), { recursive: true });
    const temporary = `${file}.${process.pid}.tmp`;
    const handle = openSync(temporary, 'w');
    try {
      writeSync(handle, `${JSON.stringify(next, null, 2)}\n`);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(temporary, file);
    return next;
  };
  return { get, set };
}
