import fs from 'node:fs';
import path from 'node:path';
import { root } from './paths.mjs';
import { npm, run } from './process.mjs';
import { SetupError, say } from './say.mjs';
import { isFresh, stampOf } from './stamp.mjs';

const oldest = [20, 19];

export function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < oldest[0] || (major === oldest[0] && minor < oldest[1])) {
    throw new SetupError(`Node ${oldest.join('.')} or newer is needed, this is ${process.versions.node}: see https://nodejs.org`);
  }
}

/** @returns {import('./stamp.mjs').Sources} */
const sources = () => ({
  roots: ['package.json', 'package-lock.json', '.npmrc', 'engine/native/crates/node/package.json'],
  facts: [process.platform, process.arch, process.versions.modules],
});

const isInstalled = () => fs.existsSync(path.join(root, 'node_modules/.package-lock.json'));

export const packagesFresh = () => isInstalled() && isFresh('packages', sources());

/** Installs the npm packages of the lock file where it changed. */
export async function installPackages() {
  if (packagesFresh()) return;
  say('installing npm packages …');
  const done = stampOf(sources());
  // `npm ci` would refuse a lock file made where another platform's optional package was not on offer;
  // `--no-save` keeps to the lock file and leaves the tree clean.
  const status = await run(npm, ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'], {
    onError: true,
    // The CPU runtime comes with the package; the install script would fetch CUDA files.
    env: { ONNXRUNTIME_NODE_INSTALL: 'skip' },
  });
  if (status !== 0) throw new SetupError(`npm install failed (status ${status}); is the package registry reachable?`);
  done('packages');
}
