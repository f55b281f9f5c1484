import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

/**
 * Whether Chromium's sandbox has to stay off: only for root, which it refuses, and where Linux forbids
 * user namespaces to others and no setuid helper stands beside the program.
 * @param {{ platform: string, uid: number | null, hasSetuidHelper: boolean, allowsUserNamespaces: boolean }} facts
 */
export function needsNoSandbox(facts) {
  if (facts.platform !== 'linux') return false;
  if (facts.uid === 0) return true;
  return !facts.hasSetuidHelper && !facts.allowsUserNamespaces;
}

/** @param {string} executable of Electron */
function hasSetuidHelper(executable) {
  const stat = fs.statSync(path.join(path.dirname(executable), 'chrome-sandbox'), { throwIfNoEntry: false });
  return stat !== undefined && stat.uid === 0 && (stat.mode & 0o4000) !== 0;
}

function allowsUserNamespaces() {
  const result = spawnSync('unshare', ['--user', '--map-root-user', 'true'], { stdio: 'ignore' });
  // Without the tool nothing is known: then the sandbox stays on, and Electron says so where it cannot.
  return result.error !== undefined || result.status === 0;
}

/** Switches that Electron needs on this machine. @param {string} executable @returns {string[]} */
export function sandboxSwitches(executable) {
  const isLinux = process.platform === 'linux';
  const uid = process.getuid?.() ?? null;
  const off = needsNoSandbox({
    platform: process.platform,
    uid,
    hasSetuidHelper: isLinux && hasSetuidHelper(executable),
    allowsUserNamespaces: !isLinux || uid === 0 || allowsUserNamespaces(),
  });
  return off ? ['--no-sandbox'] : [];
}
