import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createSettingsStore, readSettings } from './settings-store';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-settings-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('gives defaults where there is no file', () => {
  expect(createSettingsStore(join(folder, 'settings.json')).get()).toMatchObject({ language: 'system', theme: 'system', threads: null, workspace: null });
});

it('changes the given fields only and writes them', () => {
  const file = join(folder, 'deep', 'settings.json');
  createSettingsStore(file).set({ theme: 'dark' });
  const second = createSettingsStore(file);
  second.set({ language: 'ko' });
  expect(second.get()).toMatchObject({ theme: 'dark', language: 'ko' });
  expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ theme: 'dark', language: 'ko' });
  expect(readdirSync(join(folder, 'deep'))).toEqual(['settings.json']);
});

it('loses one damaged field, not the others', () => {
  expect(readSettings('{"theme":"dark","threads":-3,"colour":"red"}')).toMatchObject({ theme: 'dark', threads: null });
});

it.each(['{"theme":', '[]', 'null', '7', ''])('reads defaults from the damaged file %j', (content) => {
  writeFileSync(join(folder, 'settings.json'), content);
  expect(createSettingsStore(join(folder, 'settings.json')).get().theme).toBe('system');
});

it('refuses a value that is not allowed and keeps what was there', () => {
  const store = createSettingsStore(join(folder, 'settings.json'));
  store.set({ threads: 3 });
  expect(() => store.set({ threads: 0 })).toThrow();
  expect(store.get().threads).toBe(3);
});
