import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { inject } from 'vitest';
import type {} from './cli-bundle';

export const samples = resolve(import.meta.dirname, '../../samples');
export const fixtures = resolve(import.meta.dirname, '../fixtures');

export type Line = Record<string, unknown> & { event?: string };

export interface Finished {
  status: number | null;
  signal: NodeJS.Signals | null;
  /** Objects on standard output. */
  lines: Line[];
  /** The last of them. */
  last: Line;
  stdout: string;
  stderr: string;
}

export interface Running {
  process: ChildProcess;
  /** The first line with this event, from now or before. Rejects when the process ends without one. */
  until(matches: (line: Line) => boolean): Promise<Line>;
  ended: Promise<Finished>;
}

export interface CliOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  input?: string;
}

/** Starts the real command line as a process of its own. `--json` unless the arguments ask for help. */
export function startCli(args: string[], workspace: string, options: CliOptions = {}): Running {
  // The test's own npm would otherwise be taken for the caller's folder.
  const inherited = { ...process.env };
  delete inherited['INIT_CWD'];
  const child = spawn(process.execPath, ['--enable-source-maps', inject('cliBundle'), ...args, '--json', '--workspace', workspace], {
    env: { ...inherited, ...options.env },
    cwd: options.cwd ?? tmpdir(),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  const lines: Line[] = [];
  const watchers = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const whole = (stdout + text).split('\n');
    stdout += text;
    for (const line of whole.slice(lines.length, -1)) lines.push(JSON.parse(line) as Line);
    for (const watch of watchers) watch();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin.end(options.input ?? '');
  const ended = new Promise<Finished>((done, fail) => {
    child.on('error', fail);
    child.on('close', (status, signal) => done({ status, signal, lines, last: lines.at(-1) ?? {}, stdout, stderr }));
  });
  return {
    process: child,
    ended,
    until: (matches) =>
      new Promise((done, fail) => {
        const watch = (): void => {
          const found = lines.find(matches);
          if (!found) return;
          watchers.delete(watch);
          done(found);
        };
        watchers.add(watch);
        watch();
        void ended.then(() => {
          watch();
          if (watchers.has(watch)) fail(new Error(`the process ended before that line; it said: ${stderr}\n${stdout}`));
        }, fail);
      }),
  };
}

export function runCli(args: string[], workspace: string, options: CliOptions = {}): Promise<Finished> {
  return startCli(args, workspace, options).ended;
}

/** Runs a command that must succeed and gives its last line. */
export async function succeed(args: string[], workspace: string, options: CliOptions = {}): Promise<Line> {
  const result = await runCli(args, workspace, options);
  if (result.status !== 0) throw new Error(`${args.join(' ')} ended with status ${result.status}:\n${result.stderr}\n${result.stdout}`);
  return result.last;
}

/** A folder of its own for one test, and how to remove it. */
export async function temporaryFolder(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'sluice-test-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** SHA-256 of every file below a folder, by relative path; a missing folder has none. */
export async function fingerprint(folder: string): Promise<Record<string, string>> {
  const result: Record<string, string> = {};
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const entry of entries.filter((one) => one.isFile())) {
    const path = join(entry.parentPath, entry.name);
    result[path.slice(folder.length + 1)] = createHash('sha256').update(await readFile(path)).digest('hex');
  }
  return result;
}
