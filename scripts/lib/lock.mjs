import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { cache } from './paths.mjs';
import { say } from './say.mjs';

const file = path.join(cache, 'setup.lock');

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
  }
}

/** Takes the lock, or gives the pid of its owner. */
function take() {
  fs.mkdirSync(cache, { recursive: true });
  try {
    fs.writeFileSync(file, String(process.pid), { flag: 'wx' });
    return null;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
  }
  let owner;
  try {
    owner = Number(fs.readFileSync(file, 'utf8'));
  } catch {
    return 0;
  }
  if (owner > 0 && !isAlive(owner)) {
    fs.rmSync(file, { force: true });
    return take();
  }
  return owner;
}

/**
 * Only one set-up works on a checkout at a time; a second waits for it. A lock whose owner died is taken over.
 * @template T @param {() => Promise<T>} work @returns {Promise<T>}
 */
export async function exclusively(work) {
  for (let told = false; ; ) {
    const owner = take();
    if (owner === null) break;
    if (!told) say(`waiting for another set-up of this checkout (process ${owner}) …`);
    told = true;
    await delay(200);
  }
  try {
    return await work();
  } finally {
    fs.rmSync(file, { force: true });
  }
}
