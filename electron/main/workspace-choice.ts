import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/**
 * The workspace's folder: `--workspace`, else the setting, else `$SLUICE_WORKSPACE`, else `~/Sluice`.
 * Relative paths are taken from the folder the command was called in.
 */
export function chooseWorkspace(given: { argument: string | undefined; setting: string | null; environment: string | undefined; home?: string; from: string }): string {
  const chosen = given.argument || given.setting || given.environment;
  return chosen ? resolve(given.from, chosen) : join(given.home ?? homedir(), 'Sluice');
}

/** `--workspace DIR` or `--workspace=DIR` among a program's arguments. */
export function workspaceArgument(args: readonly string[]): string | undefined {
  const at = args.findIndex((argument) => argument === '--workspace' || argument.startsWith('--workspace='));
  if (at < 0) return undefined;
  return args[at]?.includes('=') ? args[at].slice('--workspace='.length) : args[at + 1];
}

/** Name of a workspace's folder for the window's own data (its lock, size and place). */
export function workspaceKey(workspace: string): string {
  return createHash('sha256').update(workspace).digest('hex').slice(0, 16);
}
