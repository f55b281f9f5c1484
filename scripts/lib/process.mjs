import { spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import path from 'node:path';
import { root } from './paths.mjs';

const isWindows = process.platform === 'win32';

/**
 * @typedef {object} RunOptions
 * @property {NodeJS.ProcessEnv} [env] added to this process's own
 * @property {number} [timeoutMs]
 * @property {boolean} [onError] its output goes to standard error
 * @property {string} [cwd]
 */

/**
 * Runs a command in the checkout, its output shown, and gives its exit status; a signal counts as 128 + its number.
 * @param {string} command @param {string[]} args @param {RunOptions} [options] @returns {Promise<number>}
 */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd ?? root,
      env: { ...process.env, ...options.env },
      stdio: options.onError ? ['ignore', 2, 2] : 'inherit',
      // npm and napi are .cmd files on Windows, which only a shell starts.
      shell: isWindows && command.endsWith('.cmd'),
      ...(options.timeoutMs !== undefined && { timeout: options.timeoutMs, killSignal: 'SIGKILL' }),
    });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  });
}

/** Output of a short command, or null where it fails or does not exist. @param {string} command @param {string[]} args @param {NodeJS.ProcessEnv} [env] */
export function read(command, args, env = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    timeout: 60_000,
    shell: isWindows && command.endsWith('.cmd'),
  });
  return result.status === 0 ? result.stdout : null;
}

export const npm = isWindows ? 'npm.cmd' : 'npm';

/** Path of a JavaScript file inside node_modules, to be run by this very Node. @param {string} file */
export function tool(file) {
  return path.join(root, 'node_modules', file);
}
