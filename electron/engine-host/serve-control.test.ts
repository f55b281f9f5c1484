import { describe, expect, it } from 'vitest';
import { SluiceError, type Workbench, type WorkbenchEvent } from '../../engine/contracts';
import { FakePort } from '../../tests/kit/fake-port';
import { serveControl } from './serve-control';

function setUp(call: (method: string, input: unknown) => Promise<unknown>) {
  const listeners = new Set<(event: WorkbenchEvent) => void>();
  const logged: string[] = [];
  const workbench: Workbench = {
    call: call as Workbench['call'],
    on: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const port = new FakePort();
  serveControl(port, workbench, (_level, message) => logged.push(message));
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { port, listeners, logged, settle };
}

describe('control port', () => {
  it('answers with the output, in whatever order work ends', async () => {
    const open: (() => void)[] = [];
    const { port, settle } = setUp((method) => new Promise((resolve) => open.push(() => resolve(`done ${method}`))));
    port.deliver({ id: 1, method: 'runs.list', input: {} });
    port.deliver({ id: 2, method: 'datasets.list', input: {} });
    open[1]?.();
    await settle();
    open[0]?.();
    await settle();
    expect(port.isStarted).toBe(true);
    expect(port.sent).toEqual([
      { kind: 'result', id: 2, output: 'done datasets.list' },
      { kind: 'result', id: 1, output: 'done runs.list' },
    ]);
  });

  it('gives an error its code, place and details', async () => {
    const { port, settle } = setUp(() => Promise.reject(new SluiceError({ code: 'RUN_NOT_FOUND', message: 'no such run', where: 'id', details: { id: 'a' } })));
    port.deliver({ id: 5, method: 'runs.get', input: { id: 'a' } });
    await settle();
    expect(port.sent).toEqual([{ kind: 'error', id: 5, error: { code: 'RUN_NOT_FOUND', message: 'no such run', where: 'id', details: { id: 'a' } } }]);
  });

  it('logs an unexpected error with its stack and tells its message', async () => {
    const { port, logged, settle } = setUp(() => Promise.reject(new TypeError('x is undefined')));
    port.deliver({ id: 6, method: 'runs.list', input: {} });
    await settle();
    expect(port.sent).toEqual([{ kind: 'error', id: 6, error: { code: 'INTERNAL', message: 'x is undefined' } }]);
    expect(logged[0]).toContain('TypeError: x is undefined');
  });

  it.each([
    [{ id: 7, method: 'runs.explode', input: {} }, 7],
    [{ id: 8, method: '__proto__', input: {} }, 8],
    [{ id: 9, method: 'runs.list', input: {}, more: 1 }, 9],
    [{ id: 10, method: 4 }, 10],
  ])('refuses %j', async (message, id) => {
    const calls: string[] = [];
    const { port, settle } = setUp((method) => Promise.resolve(void calls.push(method)));
    port.deliver(message);
    await settle();
    expect(calls).toEqual([]);
    expect(port.sent).toEqual([{ kind: 'error', id, error: expect.objectContaining({ code: 'INPUT_INVALID' }) as unknown }]);
  });

  it.each([null, 'text', 7, {}, { id: 'a' }])('stays silent towards %j, which has no id to answer to', async (message) => {
    const { port, logged, settle } = setUp(() => Promise.resolve(1));
    port.deliver(message);
    await settle();
    expect(port.sent).toEqual([]);
    expect(logged).toHaveLength(1);
  });

  it('tells events until the port closes, and nothing afterwards', async () => {
    let finish = (): void => {};
    const { port, listeners, settle } = setUp(() => new Promise((resolve) => (finish = () => resolve(1))));
    for (const listener of listeners) listener({ type: 'runsChanged' });
    expect(port.sent).toEqual([{ kind: 'event', event: { type: 'runsChanged' } }]);
    port.deliver({ id: 1, method: 'runs.list', input: {} });
    port.close();
    finish();
    await settle();
    expect(listeners.size).toBe(0);
    expect(port.sent).toHaveLength(1);
  });
});
