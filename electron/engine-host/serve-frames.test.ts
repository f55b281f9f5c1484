import { beforeEach, describe, expect, it } from 'vitest';
import type { FrameMessage, WorkbenchEvent } from '../../engine/contracts';
import { FakePort } from '../../tests/kit/fake-port';
import { createWatchers, serveFrames, type FrameSource } from './serve-frames';

/** A trace buffer with nothing but its step. */
function trace(step: number): Uint8Array {
  const header = new TextEncoder().encode(JSON.stringify({ __metadata__: { format: 'sluice-trace/1', step: String(step) } }));
  const bytes = new Uint8Array(8 + header.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
  bytes.set(header, 8);
  return bytes;
}

/** A run that overwrites its one waiting frame, as the engine does. */
class FakeSource implements FrameSource {
  readonly live = new Map<string, boolean>();
  private waiting = new Map<string, Uint8Array>();
  private listeners = new Set<(run: string) => void>();

  makes(run: string, step: number): void {
    this.waiting.set(run, trace(step));
    for (const listener of this.listeners) listener(run);
  }
  onFrame(listener: (run: string) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  takeFrame(run: string): Uint8Array | null {
    const bytes = this.waiting.get(run) ?? null;
    this.waiting.delete(run);
    return bytes;
  }
  setLive(run: string, isLive: boolean): void {
    this.live.set(run, isLive);
  }
  get listenerCount(): number {
    return this.listeners.size;
  }
}

describe('frame port', () => {
  let source: FakeSource;
  let watchers: ReturnType<typeof createWatchers>;
  let events: Set<(event: WorkbenchEvent) => void>;

  const open = (): FakePort => {
    const port = new FakePort();
    const workbench = {
      on: (listener: (event: WorkbenchEvent) => void) => {
        events.add(listener);
        return () => events.delete(listener);
      },
    };
    serveFrames(port, source, watchers, workbench, () => {});
    return port;
  };
  const steps = (port: FakePort): number[] => (port.sent as FrameMessage[]).map((frame) => frame.step);

  beforeEach(() => {
    source = new FakeSource();
    watchers = createWatchers(source);
    events = new Set();
  });

  it('sends nothing without credit, then only the newest', () => {
    const port = open();
    port.deliver({ kind: 'watch', run: 'a' });
    source.makes('a', 1);
    source.makes('a', 2);
    source.makes('a', 3);
    expect(port.sent).toEqual([]);
    port.deliver({ kind: 'credit', frames: 2 });
    expect(steps(port)).toEqual([3]);
    source.makes('a', 4);
    source.makes('a', 5);
    expect(steps(port)).toEqual([3, 4]);
    port.deliver({ kind: 'credit', frames: 1 });
    expect(steps(port)).toEqual([3, 4, 5]);
  });

  it('sends frames of the watched run only', () => {
    const port = open();
    port.deliver({ kind: 'watch', run: 'a' });
    port.deliver({ kind: 'credit', frames: 4 });
    source.makes('b', 1);
    expect(port.sent).toEqual([]);
    port.deliver({ kind: 'watch', run: 'b' });
    expect(port.sent).toMatchObject([{ kind: 'frame', run: 'b', step: 1 }]);
    expect(source.live).toEqual(new Map([['a', false], ['b', true]]));
  });

  it('stops a run from making frames that nobody takes, and starts it again with the next credit', () => {
    const port = open();
    port.deliver({ kind: 'watch', run: 'a' });
    for (let step = 1; step <= 3; step += 1) source.makes('a', step);
    expect(source.live.get('a')).toBe(true);
    source.makes('a', 4);
    expect(source.live.get('a')).toBe(false);
    port.deliver({ kind: 'credit', frames: 1 });
    expect(source.live.get('a')).toBe(true);
    expect(steps(port)).toEqual([4]);
  });

  it('keeps frames on while another window still looks', () => {
    const first = open();
    const second = open();
    first.deliver({ kind: 'watch', run: 'a' });
    second.deliver({ kind: 'watch', run: 'a' });
    first.close();
    expect(source.live.get('a')).toBe(true);
    second.deliver({ kind: 'watch', run: null });
    expect(source.live.get('a')).toBe(false);
    expect(watchers.count('a')).toBe(0);
  });

  it('asks again for frames when a watched run starts', () => {
    const port = open();
    port.deliver({ kind: 'watch', run: 'a' });
    source.live.clear();
    for (const listener of events) {
      listener({ type: 'run', event: { event: 'started', run: 'a', step: 0, parameters: 1, threads: 1, kernel: 'portable', totalSteps: 1, resumed: false, damaged: [] } });
    }
    expect(source.live.get('a')).toBe(true);
  });

  it('never holds more than four credits', () => {
    const port = open();
    port.deliver({ kind: 'watch', run: 'a' });
    for (let times = 0; times < 5; times += 1) port.deliver({ kind: 'credit', frames: 4 });
    for (let step = 1; step <= 6; step += 1) source.makes('a', step);
    expect(steps(port)).toEqual([1, 2, 3, 4]);
  });

  it('ends with its port', () => {
    const port = open();
    port.deliver({ kind: 'watch', run: 'a' });
    port.close();
    expect(source.live.get('a')).toBe(false);
    expect(source.listenerCount).toBe(0);
    expect(events.size).toBe(0);
  });

  it('refuses a message of unknown form', () => {
    const port = open();
    port.deliver({ kind: 'credit', frames: 1000 });
    port.deliver({ kind: 'watch', run: 'a' });
    source.makes('a', 1);
    expect(port.sent).toEqual([]);
  });
});
