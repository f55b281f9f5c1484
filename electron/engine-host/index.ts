import type { MessagePortMain } from 'electron';
import { toErrorShape, type LogLine } from '../../engine/contracts';
import { createWorkbench, type LocalWorkbench } from '../../engine/workbench';
import { toHost, type FromHost, type ToHost } from '../shared/host-messages';
import { serveControl } from './serve-control';
import { createWatchers, serveFrames } from './serve-frames';

/**
 * The engine host: one workbench in a process of its own, served to the window over ports that the main process
 * hands through. It ends with status 0 when asked to and 1 when it cannot go on; any other end is a crash.
 */
const shell = process.parentPort;
const tell = (message: FromHost): void => shell.postMessage(message);
const log = (level: LogLine['level'], message: string): void => tell({ type: 'log', level, message });

let workbench: LocalWorkbench | null = null;
/** Threads chosen in the settings; null = one core is left to the window. */
let threads: number | null = null;
let watchers: ReturnType<typeof createWatchers> | null = null;
let isEnding = false;

/** Checkpoints running trainings and leaves. */
async function end(status: number): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  try {
    await workbench?.shutdown();
  } catch (error) {
    log('error', `ending the workbench failed: ${error instanceof Error ? error.message : String(error)}`);
  }
  process.exit(status);
}

function start(message: Extract<ToHost, { type: 'start' }>): void {
  threads = message.threads;
  try {
    workbench = createWorkbench({
      workspace: message.workspace,
      samples: message.samples,
      threads: (physicalCores) => threads ?? Math.max(1, physicalCores - 1),
    });
    watchers = createWatchers(workbench);
    workbench.on((event) => {
      if (event.type === 'log') log(event.line.level, event.line.message);
    });
    tell({ type: 'ready' });
  } catch (error) {
    const shape = toErrorShape(error);
    tell({ type: 'failed', message: shape.where ? `${shape.message} (${shape.where})` : shape.message });
    // The message has to leave before the process does.
    setTimeout(() => process.exit(1), 50);
  }
}

function open(ports: MessagePortMain[]): void {
  const [control, frames] = ports;
  if (!workbench || !watchers || !control || !frames) {
    log('warning', 'ports came before the workbench was ready and were refused');
    return;
  }
  serveControl(control, workbench, log);
  serveFrames(frames, workbench, watchers, workbench, log);
}

shell.on('message', (event) => {
  const parsed = toHost.safeParse(event.data);
  if (!parsed.success) {
    log('error', 'the shell sent a message of unknown form');
    return;
  }
  const message = parsed.data;
  if (message.type === 'start') start(message);
  if (message.type === 'ports') open(event.ports);
  if (message.type === 'settings') threads = message.threads;
  if (message.type === 'shutdown') void end(0);
});

// An error nobody caught leaves the workbench in an unknown state: a new host goes on from the checkpoints.
process.on('uncaughtException', (error) => {
  log('error', `the engine host failed: ${error.stack ?? error.message}`);
  setTimeout(() => process.exit(1), 50);
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  // A terminal sends Ctrl-C to every process of the group: the shell decides when this one ends.
  process.on(signal, () => {});
}
