import fs from 'node:fs';
import { read, run } from './process.mjs';
import { SetupError, say } from './say.mjs';
import { isFresh, stampOf } from './stamp.mjs';

/** What a bare Debian 12 lacks for Electron; the rest comes with these. */
const windowPackages = ['libgtk-3-0', 'libnss3', 'libasound2', 'libgbm1'];
const displayPackages = ['xvfb'];

/** Newer Debian and Ubuntu call some of them …t64. @param {string} name */
function nameHere(name) {
  const candidate = /Candidate: (\S+)/.exec(read('apt-cache', ['policy', `${name}t64`], { LC_ALL: 'C' }) ?? '');
  return candidate && candidate[1] !== '(none)' ? `${name}t64` : name;
}

/** @param {string[]} wanted @param {string} missing what was not found, for the message */
async function install(wanted, missing) {
  const hasApt = read('apt-get', ['--version']) !== null;
  if (!hasApt) {
    throw new SetupError(`system libraries are missing: ${missing}. Install your distribution's packages for GTK 3, NSS, ALSA, GBM${wanted.includes('xvfb') ? ' and Xvfb' : ''}`);
  }
  const isRoot = process.getuid?.() === 0;
  if (isRoot) await run('apt-get', ['update', '-qq'], { onError: true });
  const names = wanted.map(nameHere);
  const line = `sudo apt-get install -y ${names.join(' ')}`;
  if (!isRoot) throw new SetupError(`system libraries are missing (${missing}); run this, then start again: ${line}`);
  say(`installing system libraries: ${names.join(' ')} …`);
  const status = await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...names], {
    onError: true,
    env: { DEBIAN_FRONTEND: 'noninteractive' },
  });
  if (status !== 0) throw new SetupError(`could not install ${names.join(' ')} (apt-get gave status ${status})`);
}

/**
 * On Linux, makes sure that Electron finds the libraries of the system it needs (and Xvfb where `display` is
 * asked for). Root on Debian or Ubuntu gets them installed, others are told the line to run.
 * @param {import('./electron-runtime.mjs').Runtime} runtime @param {{ display: boolean }} want
 */
export async function provideLibraries(runtime, want) {
  if (process.platform !== 'linux') return;
  const { size, mtimeMs } = fs.statSync(runtime.executable);
  const sources = { roots: [], facts: [runtime.executable, String(size), String(mtimeMs)] };
  if (!isFresh('libraries', sources)) {
    const missing = missingLibraries(runtime.executable);
    if (missing.length > 0) {
      await install(want.display && !hasDisplayServer() ? [...windowPackages, ...displayPackages] : windowPackages, missing.join(', '));
      const still = missingLibraries(runtime.executable);
      if (still.length > 0) throw new SetupError(`Electron still lacks ${still.join(', ')}: install the packages that hold them`);
    }
    stampOf(sources)('libraries');
  }
  if (want.display && !hasDisplayServer()) await install(displayPackages, 'Xvfb');
}

/** @param {string} executable */
function missingLibraries(executable) {
  const report = read('ldd', [executable]);
  if (report === null) throw new SetupError(`${executable} is no program for this system (ldd refuses it)`);
  return [...report.matchAll(/^\s*(\S+) => not found/gm)].map((match) => match[1]);
}

const hasDisplayServer = () => read('which', ['Xvfb']) !== null;
