import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { root } from './paths.mjs';
import { read, run, tool } from './process.mjs';
import { SetupError, say } from './say.mjs';
import { isFresh, stampOf } from './stamp.mjs';

const crate = 'engine/native/crates/node';
const oldestRust = [1, 89];

/** @type {import('./stamp.mjs').Sources} */
const sources = {
  roots: ['engine/native'],
  keep: (file) => /\.(rs|toml|lock)$/.test(file) && !/\/(tests|benches)\//.test(file),
  facts: [process.platform, process.arch],
};

const isBuilt = () =>
  fs.existsSync(path.join(root, crate, 'index.js')) && fs.readdirSync(path.join(root, crate)).some((name) => name.endsWith('.node'));

export const nativeFresh = () => isBuilt() && isFresh('native', sources);

/**
 * Environment in which cargo works: rustup looks for its tool chains below the home folder, and a changed HOME
 * hides them although cargo itself is found; then they are looked for beside cargo.
 * @returns {NodeJS.ProcessEnv | null} null where there is no working cargo
 */
function rustEnvironment() {
  if (read('cargo', ['--version']) !== null) return {};
  const name = process.platform === 'win32' ? 'cargo.exe' : 'cargo';
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), path.join(os.homedir(), '.cargo/bin')];
  for (const folder of folders) {
    if (!folder || !fs.existsSync(path.join(folder, name))) continue;
    const env = {
      PATH: `${folder}${path.delimiter}${process.env.PATH ?? ''}`,
      CARGO_HOME: process.env.CARGO_HOME ?? path.dirname(folder),
      RUSTUP_HOME: process.env.RUSTUP_HOME ?? path.join(folder, '../../.rustup'),
    };
    if (read(path.join(folder, name), ['--version'], env) !== null) return env;
  }
  return null;
}

/** Working Rust, or one line that says what to install. @returns {NodeJS.ProcessEnv} what to add to cargo's environment */
export function findRust() {
  const env = rustEnvironment();
  if (!env) {
    throw new SetupError(`Rust ${oldestRust.join('.')} or newer is needed to build the engine: install it from https://rustup.rs, then run this again`);
  }
  const version = /rustc (\d+)\.(\d+)/.exec(read('rustc', ['--version'], env) ?? '');
  if (version && (Number(version[1]) < oldestRust[0] || (Number(version[1]) === oldestRust[0] && Number(version[2]) < oldestRust[1]))) {
    throw new SetupError(`Rust ${oldestRust.join('.')} or newer is needed, this is ${version[1]}.${version[2]}: run "rustup update stable", then this again`);
  }
  if (process.platform !== 'win32' && read('cc', ['--version'], env) === null) {
    const install = process.platform === 'darwin' ? 'xcode-select --install' : 'sudo apt-get install build-essential (Debian, Ubuntu) or your system\'s gcc package';
    throw new SetupError(`a C compiler is needed to link the engine: ${install}`);
  }
  return env;
}

/** Builds the engine's addon where its sources changed. */
export async function buildNative() {
  if (nativeFresh()) return;
  const env = findRust();
  say('building the native engine …');
  const done = stampOf(sources);
  const status = await run(
    process.execPath,
    [tool('@napi-rs/cli/dist/cli.js'), 'build', '--platform', '--release', '--cwd', crate],
    { onError: true, env },
  );
  if (status !== 0) {
    const hint = process.platform === 'win32' ? '; Rust needs the "Desktop development with C++" part of Visual Studio Build Tools' : '';
    throw new SetupError(`building the native engine failed (status ${status}), the reason is above${hint}`);
  }
  done('native');
}
