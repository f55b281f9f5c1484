import fs from 'node:fs';
import path from 'node:path';
import { root } from './paths.mjs';
import { say } from './say.mjs';
import { isFresh, stampOf } from './stamp.mjs';

/** @typedef {'main' | 'window'} Part `main`: main process, engine host and command line; `window`: preload script and page */

const configuration = ['electron.vite.config.ts', 'package.json', 'package-lock.json'];

/** @param {string} file */
const isSource = (file) => !/(\.test\.ts|tsconfig[^/]*\.json|\.md)$/.test(file) && !file.startsWith('engine/native/');

/** @type {Record<Part, import('./stamp.mjs').Sources>} */
const sources = {
  main: { roots: [...configuration, 'engine', 'electron/main', 'electron/engine-host', 'electron/shared'], keep: (file) => isSource(file) && !file.startsWith('engine/samples/') },
  window: { roots: [...configuration, 'engine/contracts', 'electron/preload', 'electron/shared', 'renderer'], keep: isSource },
};

/** @type {Record<Part, string[]>} */
const results = {
  main: ['out/main/index.js', 'out/main/engine-host.js', 'out/main/cli.js'],
  window: ['out/preload/index.cjs', 'out/renderer/index.html'],
};

/** @param {Part} part */
export const bundleFresh = (part) =>
  results[part].every((file) => fs.existsSync(path.join(root, file))) && isFresh(`bundle-${part}`, sources[part]);

/** Bundles the parts whose sources changed. @param {Part[]} parts */
export async function bundle(parts) {
  const stale = parts.filter((part) => !bundleFresh(part));
  if (stale.length === 0) return;
  say(`bundling ${stale.join(' and ')} …`);
  const { resolveConfig } = await import('electron-vite');
  const { build } = await import('vite');
  const before = process.cwd();
  process.chdir(root);
  try {
    for (const part of stale) {
      const done = stampOf(sources[part]);
      const { config } = await resolveConfig({ logLevel: 'warn', root }, 'build', 'production');
      if (!config) throw new Error('electron.vite.config.ts gave no configuration');
      for (const target of part === 'main' ? [config.main] : [config.preload, config.renderer]) {
        await build({ .../** @type {import('vite').InlineConfig} */ (target), configFile: false });
      }
      done(`bundle-${part}`);
    }
  } finally {
    process.chdir(before);
  }
}
