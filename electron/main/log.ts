import { appendFileSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { LogLine, ShellOutputs } from '../../engine/contracts';

const keptLines = 1000;
const maximumFileBytes = 1_000_000;

export interface ShellLog {
  (level: LogLine['level'], message: string): void;
  lines(): ShellOutputs['log.shell'];
}

/** The shell's log: its last lines in memory, all of them in a file that is turned over at 1 MB (one old file is kept). */
export function createLog(file: string, now: () => Date): ShellLog {
  const kept: ShellOutputs['log.shell'] = [];
  let sizeBytes = 0;
  let isFileBroken = false;
  try {
    mkdirSync(dirname(file), { recursive: true });
    sizeBytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  } catch {
    isFileBroken = true;
  }
  const log = (level: LogLine['level'], message: string): void => {
    const time = now().toISOString();
    kept.push({ time, level, source: 'shell', message });
    if (kept.length > keptLines) kept.shift();
    if (isFileBroken) return;
    try {
      const line = `${time} ${level} ${message}\n`;
      if (sizeBytes + line.length > maximumFileBytes) {
        renameSync(file, `${file}.old`);
        sizeBytes = 0;
      }
      appendFileSync(file, line);
      sizeBytes += line.length;
    } catch {
      // A full disk must not end the window; the lines in memory remain.
      isFileBroken = true;
    }
  };
  return Object.assign(log, { lines: () => [...kept] });
}
