import { frameRequest, readSafetensors, type FrameMessage, type LogLine, type Workbench } from '../../engine/contracts';
import type { HostPort } from './port';

/** Where live traces come from: the newest one of a run, taken at most once. */
export interface FrameSource {
  onFrame(listener: (run: string) => void): () => void;
  takeFrame(run: string): Uint8Array | null;
  setLive(run: string, isLive: boolean): void;
}

/** How many frames may wait untaken before the run stops making them. */
const unwantedLimit = 4;

/**
 * Counts who watches which run, so that frames are made only while somebody looks. One per host.
 */
export function createWatchers(source: FrameSource): { add(run: string): void; remove(run: string): void; count(run: string): number } {
  const counts = new Map<string, number>();
  return {
    add(run) {
      counts.set(run, (counts.get(run) ?? 0) + 1);
      source.setLive(run, true);
    },
    remove(run) {
      const left = (counts.get(run) ?? 1) - 1;
      if (left > 0) {
        counts.set(run, left);
        return;
      }
      counts.delete(run);
      source.setLive(run, false);
    },
    count: (run) => counts.get(run) ?? 0,
  };
}

/**
 * Sends live traces of the run that one window watches: the newest, only against credit, all others dropped.
 * A window that gives no credit (hidden, busy) soon costs the training nothing: frames are no longer made until
 * it does.
 */
export function serveFrames(
  port: HostPort,
  source: FrameSource,
  watchers: ReturnType<typeof createWatchers>,
  workbench: Pick<Workbench, 'on'>,
  log: (level: LogLine['level'], message: string) => void,
): void {
  let watched: string | null = null;
  /** The watched run makes frames for this window; false after too many that nobody took. */
  let isLive = false;
  let credit = 0;
  let unwanted = 0;

  const setLive = (live: boolean): void => {
    if (watched === null || live === isLive) return;
    isLive = live;
    if (live) watchers.add(watched);
    else watchers.remove(watched);
  };

  const pump = (): void => {
    if (watched === null || credit === 0) return;
    const bytes = source.takeFrame(watched);
    if (!bytes) return;
    let step: number;
    try {
      step = Number(readSafetensors(bytes).metadata.step);
    } catch (error) {
      log('error', `a live trace is damaged: ${error instanceof Error ? error.message : String(error)}`);
      return;
    }
    credit -= 1;
    unwanted = 0;
    const message: FrameMessage = { kind: 'frame', run: watched, step, bytes };
    port.postMessage(message);
  };

  const forgetFrames = source.onFrame((run) => {
    if (run !== watched) return;
    if (credit > 0) {
      pump();
      return;
    }
    unwanted += 1;
    if (unwanted >= unwantedLimit) setLive(false);
  });
  const forgetEvents = workbench.on((event) => {
    // A run that waited in the queue, or one that goes on, starts with live frames off.
    if (event.type === 'run' && event.event.event === 'started' && event.event.run === watched && isLive) source.setLive(watched, true);
  });

  port.on('message', (event) => {
    const parsed = frameRequest.safeParse(event.data);
    if (!parsed.success) {
      log('warning', 'a frame request of unknown form was refused');
      return;
    }
    const request = parsed.data;
    if (request.kind === 'watch') {
      if (request.run === watched) return;
      setLive(false);
      watched = request.run;
      isLive = false;
      unwanted = 0;
      setLive(true);
    } else {
      credit = Math.min(4, credit + request.frames);
      unwanted = 0;
      setLive(true);
    }
    pump();
  });
  port.on('close', () => {
    setLive(false);
    watched = null;
    forgetFrames();
    forgetEvents();
  });
  port.start();
}
