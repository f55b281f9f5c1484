// npm run licences: writes THIRD-PARTY-LICENSES.md from what npm and cargo know of the packages that ship.
import fs from 'node:fs';
import path from 'node:path';
import { findRust } from './lib/native.mjs';
import { root } from './lib/paths.mjs';
import { read } from './lib/process.mjs';
import { SetupError, main } from './lib/say.mjs';
import { windowPackages } from './lint/rooms.mjs';

/** @typedef {{ name: string, version: string, licence: string, source: string | null }} Entry */

/** @param {string} file */
const readJson = (file) => JSON.parse(fs.readFileSync(path.join(root, file), 'utf8'));

/** @param {unknown} licence a package's `license` field in any of its historical forms */
function licenceName(licence) {
  if (typeof licence === 'string') return licence;
  const type = /** @type {{ type?: string } | null} */ (licence)?.type;
  return type ?? 'see its own files';
}

/** Addresses in the forms that package files use, null where there is none. @param {unknown} repository */
function address(repository) {
  const url = typeof repository === 'string' ? repository : /** @type {{ url?: string } | undefined} */ (repository)?.url;
  if (!url) return null;
  const plain = url.replace(/^git\+/, '').replace(/^git:/, 'https:').replace(/^ssh:\/\/git@/, 'https://').replace(/\.git$/, '');
  return /^https?:/.test(plain) ? plain : `https://github.com/${plain.replace(/^github:/, '')}`;
}

/** The packages that reach a user: what the engine needs at run time and what is bundled into the page. @returns {Entry[]} */
function npmPackages() {
  const { packages } = readJson('package-lock.json');
  /** @type {Map<string, Entry>} */
  const found = new Map();
  /** Where Node would find `name`, asked for from `from`. @param {string} name @param {string} from */
  const locate = (name, from) => {
    for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
      const place = folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
      if (packages[place]) return place;
      if (folder === '') return null;
    }
  };
  /** @param {string} name @param {string} from */
  const visit = (name, from) => {
    const place = locate(name, from);
    if (!place || found.has(place) || packages[place].link) return;
    const { version, license, dependencies = {}, optionalDependencies = {} } = packages[place];
    const file = path.join(place, 'package.json');
    const about = fs.existsSync(path.join(root, file)) ? readJson(file) : {};
    found.set(place, { name, version, licence: licenceName(about.license ?? license), source: address(about.repository) });
    for (const each of Object.keys({ ...dependencies, ...optionalDependencies })) visit(each, place);
  };
  const direct = readJson('package.json');
  for (const name of [...Object.keys(direct.dependencies), ...windowPackages, 'electron']) {
    if (name === 'electron') {
      // Its own dependencies only fetch the program.
      const { version, license } = packages['node_modules/electron'];
      found.set('electron', { name, version, licence: `${license}; Chromium and Node.js: LICENSES.chromium.html beside the program`, source: 'https://github.com/electron/electron' });
    } else visit(name, '');
  }
  const list = [...found.values()];
  return list.filter((entry, at) => list.findIndex((other) => other.name === entry.name && other.version === entry.version) === at);
}

/** The crates compiled into the native engine. @returns {Entry[]} */
function crates() {
  const output = read('cargo', ['metadata', '--format-version', '1', '--locked', '--manifest-path', 'engine/native/Cargo.toml'], findRust());
  if (output === null) throw new SetupError('cargo metadata failed');
  const { packages, resolve } = JSON.parse(output);
  const byId = new Map(packages.map((/** @type {{ id: string }} */ each) => [each.id, each]));
  const nodes = new Map(resolve.nodes.map((/** @type {{ id: string }} */ each) => [each.id, each]));
  const seen = new Set();
  /** @param {string} id */
  const visit = (id) => {
    if (seen.has(id)) return;
    seen.add(id);
    for (const { pkg, dep_kinds: kinds } of nodes.get(id).deps) {
      if (kinds.some((/** @type {{ kind: string | null }} */ each) => each.kind === null)) visit(pkg);
    }
  };
  visit(packages.find((/** @type {{ name: string }} */ each) => each.name === 'sluice-node').id);
  return [...seen]
    .map((id) => byId.get(id))
    .filter((each) => each.source !== null)
    .map(({ name, version, license, repository }) => ({ name, version, licence: license ?? 'see its own files', source: repository ?? null }));
}

/** @param {string} title @param {Entry[]} entries */
function table(title, entries) {
  const rows = entries
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    // Packages of another platform are not installed here and say no address.
    .map(({ name, version, licence, source }) => `| ${source === null ? name : `[${name}](${source})`} | ${version} | ${licence} |`);
  return [`## ${title}`, '', '| package | version | licence |', '| --- | --- | --- |', ...rows, ''].join('\n');
}

await main(async () => {
  const text = [
    '# Third-party licences',
    '',
    'Sluice itself is under the MIT licence (`LICENSE`). What ships with it is listed here with the licence each package',
    'states; the full texts are in the packages. This page is written by `npm run licences`. The sample data have licences of',
    'their own, named in `samples/README.md`.',
    '',
    table('npm packages in the application', npmPackages()),
    table('Rust crates in the native engine', crates()),
  ].join('\n');
  fs.writeFileSync(path.join(root, 'THIRD-PARTY-LICENSES.md'), `${text.trimEnd()}\n`);
  return 0;
});
