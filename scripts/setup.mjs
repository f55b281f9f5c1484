import { bundle, bundleFresh } from './lib/bundle.mjs';
import { provideRuntime } from './lib/electron-runtime.mjs';
import { provideLibraries } from './lib/libraries.mjs';
import { exclusively } from './lib/lock.mjs';
import { buildNative, nativeFresh } from './lib/native.mjs';
import { checkNode, installPackages, packagesFresh } from './lib/packages.mjs';

/**
 * Everything a fresh clone needs to run the command line: npm packages, the native engine, the bundle. Uses
 * Node's own modules only until the packages are there. Quick where nothing changed.
 * @param {{ parts?: import('./lib/bundle.mjs').Part[] }} [options]
 */
export async function setUpEngine({ parts = ['main'] } = {}) {
  checkNode();
  const isFresh = packagesFresh() && nativeFresh() && parts.every(bundleFresh);
  if (isFresh) return;
  await exclusively(async () => {
    await installPackages();
    await buildNative();
    await bundle(parts);
  });
}

/**
 * The same, and what a window needs: the page, Electron, the system's libraries.
 * @param {{ display?: boolean, parts?: import('./lib/bundle.mjs').Part[] }} [options] `display`: also a display server for tests
 */
export async function setUpWindow({ display = false, parts = ['main', 'window'] } = {}) {
  await setUpEngine({ parts });
  const runtime = await exclusively(provideRuntime);
  await provideLibraries(runtime, { display });
  return runtime;
}
