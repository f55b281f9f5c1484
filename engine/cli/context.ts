import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { SluiceError } from '../contracts';
import { createWorkbench, type LocalWorkbench } from '../workbench';
import { count, createOutput, duration, type Output } from './output';
import { untilReaderLeaves } from './reader';

const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Options that every command has. */
export interface CommonOptions {
  workspace?: string;
  json?: boolean;
  debug?: boolean;
}

/** What a command works with. */
export interface Context {
  output: Output;
  workbench: LocalWorkbench;
  /** A path as the caller means it: relative ones against the folder the command was typed in. */
  path(given: string): string;
}

/** Under npm the working folder is the package's; `INIT_CWD` is where its user stands. */
export function callerPath(given: string, environment: NodeJS.ProcessEnv = process.env): string {
  return resolve(environment['INIT_CWD'] ?? process.cwd(), given);
}

export function workspacePath(option: string | undefined, environment: NodeJS.ProcessEnv = process.env): string {
  if (option !== undefined) return callerPath(option, environment);
  const named = environment['SLUICE_WORKSPACE'];
  return named ? callerPath(named, environment) : join(homedir(), 'Sluice');
}

/** The application's own folder, above wherever this bundle lies. */
export function applicationFolder(): string {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest) && (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string }).name === 'sluice') return folder;
    if (dirname(folder) === folder) throw new SluiceError({ code: 'INTERNAL', message: `no package.json of sluice above ${import.meta.dirname}` });
  }
}

export function applicationVersion(): string {
  return (JSON.parse(readFileSync(join(applicationFolder(), 'package.json'), 'utf8')) as { version: string }).version;
}

export function createContext(options: CommonOptions): Context {
  const output = createOutput(options.json === true);
  const workbench = createWorkbench({ workspace: workspacePath(options.workspace), samples: join(applicationFolder(), 'samples') });
  // A name that cannot be followed would have other figures measured than those asked for.
  const kernelProblem = workbench.kernelProblem();
  if (kernelProblem !== null) throw new SluiceError({ code: 'USAGE', message: kernelProblem, where: 'SLUICE_KERNEL' });
  workbench.on((event) => {
    // What failed is told once, by the command's own error.
    if (event.type === 'log' && event.line.level === 'warning') output.message(`warning: ${event.line.message}`);
    if (event.type === 'progress') {
      const { title, phase, share, rate, secondsLeft } = event.progress;
      const parts = [`${title}: ${phase}`, share === null ? '' : `${count(share * 100)} %`, rate ?? '', secondsLeft === null ? '' : `${duration(secondsLeft)} left`];
      output.progress(parts.filter((part) => part !== '').join('  '));
    }
  });
  return { output, workbench, path: (given) => callerPath(given) };
}

/**
 * Runs long work under the job `cli`; Ctrl-C, SIGTERM and a closed terminal cancel it, so that it can clean up behind itself;
 * a second signal ends at once.
 */
export async function cancellable<T>({ workbench }: Context, work: () => Promise<T>): Promise<T> {
  let isCancelled = false;
  const cancel = (): void => {
    if (isCancelled) process.exit(1);
    isCancelled = true;
    void workbench.call('jobs.cancel', { job: 'cli' });
  };
  for (const signal of endingSignals) process.on(signal, cancel);
  try {
    // What the job makes is wanted although nobody reads its last line any more.
    return await untilReaderLeaves(() => undefined, work);
  } finally {
    for (const signal of endingSignals) process.off(signal, cancel);
  }
}
