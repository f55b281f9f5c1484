import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { cache, root } from './paths.mjs';

/**
 * Remembers from which sources something was made. Looking is quick: only where a file's size or time
 * changed since are contents read.
 *
 * @typedef {object} Sources
 * @property {string[]} roots files and folders, from the checkout's root
 * @property {(file: string) => boolean} [keep] which files of the folders count (path from the root, with `/`)
 * @property {string[]} [facts] further text the result depends on
 */

const neverLooked = new Set(['node_modules', 'target', '.git', '.cache', 'out']);

/** @param {Sources} sources @returns {string[]} */
function list(sources) {
  /** @type {string[]} */
  const files = [];
  /** @param {string} relative */
  const visit = (relative) => {
    const stat = fs.statSync(path.join(root, relative), { throwIfNoEntry: false });
    if (!stat) return;
    if (stat.isFile()) {
      if (!sources.keep || sources.keep(relative)) files.push(relative);
      return;
    }
    for (const name of fs.readdirSync(path.join(root, relative)).sort()) {
      if (!neverLooked.has(name)) visit(`${relative}/${name}`);
    }
  };
  for (const each of sources.roots) visit(each);
  return files;
}

/** @param {Sources} sources */
function signature(sources) {
  const hash = createHash('sha256');
  for (const fact of sources.facts ?? []) hash.update(`${fact}\n`);
  for (const file of list(sources)) {
    const { size, mtimeMs } = fs.statSync(path.join(root, file));
    hash.update(`${file}:${size}:${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

/** @param {Sources} sources */
function contents(sources) {
  const hash = createHash('sha256');
  for (const fact of sources.facts ?? []) hash.update(`${fact}\n`);
  for (const file of list(sources)) {
    hash.update(`${file}\n`);
    hash.update(fs.readFileSync(path.join(root, file)));
  }
  return hash.digest('hex');
}

/** @param {string} name */
const fileOf = (name) => path.join(cache, `${name}.stamp`);

/** @param {string} name @param {{ signature: string, contents: string }} stamp */
function write(name, stamp) {
  fs.mkdirSync(cache, { recursive: true });
  const temporary = `${fileOf(name)}.${process.pid}.tmp`;
  fs.writeFileSync(temporary, JSON.stringify(stamp));
  fs.renameSync(temporary, fileOf(name));
}

/**
 * True where the stamp of that name was made from exactly these sources.
 * @param {string} name @param {Sources} sources
 */
export function isFresh(name, sources) {
  /** @type {{ signature: string, contents: string }} */
  let stamp;
  try {
    stamp = JSON.parse(fs.readFileSync(fileOf(name), 'utf8'));
  } catch {
    return false;
  }
  const now = signature(sources);
  if (stamp.signature === now) return true;
  if (stamp.contents !== contents(sources)) return false;
  write(name, { signature: now, contents: stamp.contents });
  return true;
}

/**
 * What the sources are before the work starts: a change during it leaves the stamp stale, so that the next
 * set-up works again.
 * @param {Sources} sources @returns {(name: string) => void} writes the stamp once the work is done
 */
export function stampOf(sources) {
  const stamp = { signature: signature(sources), contents: contents(sources) };
  return (name) => write(name, stamp);
}
