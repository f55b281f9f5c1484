import type { HostPort } from '../../electron/engine-host/port';

/** A port for tests: what was sent is listed, messages are delivered by hand. */
export class FakePort implements HostPort {
  readonly sent: unknown[] = [];
  isStarted = false;
  private listeners: { message: ((event: { data: unknown }) => void)[]; close: (() => void)[] } = { message: [], close: [] };

  postMessage(message: unknown): void {
    this.sent.push(message);
  }
  on(event: 'message' | 'close', listener: never): void {
    this.listeners[event].push(listener);
  }
  start(): void {
    this.isStarted = true;
  }
  deliver(data: unknown): void {
    for (const listener of this.listeners.message) listener({ data });
  }
  close(): void {
    for (const listener of this.listeners.close) listener();
  }
}
