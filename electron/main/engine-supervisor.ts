import type { EngineState, LogLine } from '../../engine/contracts';
import { fromHost, type ToHost } from '../shared/host-messages';

/** The engine host's process as the supervisor sees it; `Port` is whatever its messages can carry. */
export interface HostProcess<Port> {
  readonly pid: number | undefined;
  post(message: ToHost, ports?: Port[]): void;
  onMessage(listener: (message: unknown) => void): void;
  /** Called once, when the process is gone: for one that a signal ended, the signal's number. */
  onExit(listener: (code: number) => void): void;
  kill(): void;
}

export interface SupervisorOptions<Port> {
  spawn(): HostProcess<Port>;
  /** First message of every new process; asked each time, so that settings of the moment count. */
  startMessage(): Extract<ToHost, { type: 'start' }>;
  log(level: LogLine['level'], message: string): void;
  /** Calls `action` after a time; returns what cancels it. */
  after(milliseconds: number, action: () => void): () => void;
  now(): number;
  platform: string;
  handshakeLimitMs?: number;
  /** Time for checkpoints when the application quits. */
  shutdownLimitMs?: number;
  maximumRestarts?: number;
  restartWindowMs?: number;
}

const signalNames: Record<number, string> = { 2: 'SIGINT', 6: 'SIGABRT', 7: 'SIGBUS', 9: 'SIGKILL', 11: 'SIGSEGV', 15: 'SIGTERM' };

/** What ended a process, from its exit code. The host itself only ever ends with 0 or 1. */
function ending(code: number, platform: string): { code: number | null; signal: string | null; text: string } {
  const signal = platform === 'win32' ? undefined : signalNames[code];
  return signal
    ? { code: null, signal, text: `The engine's process was ended by ${signal}.` }
    : { code, signal: null, text: `The engine's process ended with code ${code}.` };
}

/**
 * Keeps one engine host alive: starts it, waits for its handshake for a limited time, tells what state it is
 * in, starts it again when it dies (at once, but at most `maximumRestarts` times in `restartWindowMs`), and
 * ends it in order. Knows nothing of Electron.
 *
 * starting → ready → exited → starting …; `stop()` from any state → stopped.
 */
export class EngineSupervisor<Port> {
  private process: HostProcess<Port> | null = null;
  private current: EngineState = { state: 'starting' };
  private listeners = new Set<(state: EngineState) => void>();
  private cancelHandshake: () => void = () => {};
  private restartTimes: number[] = [];
  private restarts = 0;
  /** Why the process is about to end, where the supervisor or the host said so. */
  private failure: { reason: string; isFinal: boolean } | null = null;
  private stopping: { done: Promise<void>; resolve: () => void } | null = null;

  constructor(private readonly options: SupervisorOptions<Port>) {}

  get state(): EngineState {
    return this.current;
  }

  onState(listener: (state: EngineState) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  start(): void {
    if (this.process || this.stopping) return;
    this.failure = null;
    this.enter({ state: 'starting' });
    let child: HostProcess<Port>;
    try {
      child = this.options.spawn();
    } catch (error) {
      this.enter({ state: 'exited', code: null, signal: null, restarting: false, reason: error instanceof Error ? error.message : String(error) });
      return;
    }
    this.process = child;
    child.onMessage((message) => this.receive(child, message));
    child.onExit((code) => this.exited(child, code));
    const limit = this.options.handshakeLimitMs ?? 30_000;
    this.cancelHandshake = this.options.after(limit, () => {
      this.failure = { reason: `The engine did not answer within ${Math.round(limit / 1000)} seconds.`, isFinal: false };
      child.kill();
    });
    child.post(this.options.startMessage());
  }

  /** Sends to a ready host; false where there is none. */
  post(message: ToHost, ports?: Port[]): boolean {
    if (!this.process || this.current.state !== 'ready') return false;
    this.process.post(message, ports);
    return true;
  }

  /** A new host at its user's wish: the old one ends in order first, and earlier failures are forgotten. */
  async restart(): Promise<EngineState> {
    await this.stop();
    this.stopping = null;
    this.restartTimes = [];
    this.restarts += 1;
    this.start();
    return this.current;
  }

  /** Ends the host: it is asked to checkpoint and leave, and killed when it takes too long. */
  stop(): Promise<void> {
    if (this.stopping) return this.stopping.done;
    let resolve = (): void => {};
    const done = new Promise<void>((settle) => (resolve = settle));
    this.stopping = { done, resolve };
    const child = this.process;
    if (!child) {
      resolve();
      return done;
    }
    this.cancelHandshake();
    const cancelLimit = this.options.after(this.options.shutdownLimitMs ?? 20_000, () => {
      this.options.log('warning', 'the engine took too long to end and was killed');
      child.kill();
    });
    void done.then(cancelLimit);
    child.post({ type: 'shutdown' });
    return done;
  }

  private receive(child: HostProcess<Port>, raw: unknown): void {
    if (child !== this.process) return;
    const parsed = fromHost.safeParse(raw);
    if (!parsed.success) {
      this.options.log('error', 'the engine host sent a message of unknown form');
      return;
    }
    const message = parsed.data;
    if (message.type === 'log') this.options.log(message.level, message.message);
    if (message.type === 'failed') this.failure = { reason: message.message, isFinal: true };
    if (message.type === 'ready' && this.current.state === 'starting') {
      this.cancelHandshake();
      this.enter({ state: 'ready', pid: child.pid ?? 0, restarts: this.restarts });
    }
  }

  private exited(child: HostProcess<Port>, exitCode: number): void {
    if (child !== this.process) return;
    this.process = null;
    this.cancelHandshake();
    const { code, signal, text } = ending(exitCode, this.options.platform);
    if (this.stopping) {
      this.enter({ state: 'exited', code, signal, restarting: false, reason: 'The engine was stopped.' });
      this.stopping.resolve();
      return;
    }
    const reason = this.failure?.reason ?? text;
    const restarting = !this.failure?.isFinal && this.mayRestart();
    this.options.log('error', `${reason}${restarting ? ' It is started again.' : ' It is not started again by itself.'}`);
    this.enter({ state: 'exited', code, signal, restarting, reason });
    if (restarting) {
      this.restarts += 1;
      this.start();
    }
  }

  private mayRestart(): boolean {
    const now = this.options.now();
    this.restartTimes = this.restartTimes.filter((time) => now - time < (this.options.restartWindowMs ?? 60_000));
    if (this.restartTimes.length >= (this.options.maximumRestarts ?? 3)) return false;
    this.restartTimes.push(now);
    return true;
  }

  private enter(state: EngineState): void {
    this.current = state;
    for (const listener of this.listeners) listener(state);
  }
}
