import { describe, expect, it, vi } from 'vitest';
import type { ControlRequest } from '../../../engine/contracts/wire';
import { createEngineClient, errorShape, RequestError } from './client';
import type { Port } from './port';

function fakePort() {
  const sent: ControlRequest[] = [];
  const port: Port & { sent: ControlRequest[]; closed: boolean; answer(message: unknown): void } = {
    sent,
    closed: false,
    onmessage: null,
    postMessage: (message) => void sent.push(message as ControlRequest),
    close() {
      this.closed = true;
    },
    answer(message) {
      this.onmessage?.({ data: message } as MessageEvent);
    },
  };
  return port;
}

describe('engine client', () => {
  it('keeps requests until an engine is there, then sends them in order', async () => {
    const client = createEngineClient();
    const first = client.call('system.info', {});
    const second = client.call('runs.list', {});
    const port = fakePort();
    client.attach(port);
    expect(port.sent.map((request) => request.method)).toEqual(['system.info', 'runs.list']);
    port.answer({ kind: 'result', id: port.sent[1]!.id, output: [] });
    port.answer({ kind: 'result', id: port.sent[0]!.id, output: { cores: 2 } });
    await expect(second).resolves.toEqual([]);
    await expect(first).resolves.toEqual({ cores: 2 });
  });

  it('rejects with the code the engine gave', async () => {
    const client = createEngineClient();
    const port = fakePort();
    client.attach(port);
    const request = client.call('runs.get', { id: 'a' });
    port.answer({ kind: 'error', id: port.sent[0]!.id, error: { code: 'RUN_NOT_FOUND', message: 'No run a.' } });
    const error = await request.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RequestError);
    expect((error as RequestError).shape.code).toBe('RUN_NOT_FOUND');
  });

  it('does not promise a restart where the engine stays down', async () => {
    const client = createEngineClient();
    client.attach(fakePort());
    const lost = client.call('runs.list', {});
    client.detach(false);
    const error = await lost.catch((reason: unknown) => reason as RequestError);
    expect((error as RequestError).shape).toMatchObject({ code: 'ENGINE_EXITED', details: { restarting: false } });
    expect((error as RequestError).shape.message).not.toContain('try once more');
  });

  it('rejects what was under way when the engine ends and goes on with the next one', async () => {
    const client = createEngineClient();
    const states: string[] = [];
    client.onState((state) => states.push(state));
    const old = fakePort();
    client.attach(old);
    const lost = client.call('runs.list', {});
    client.detach();
    await expect(lost).rejects.toMatchObject({ shape: { code: 'ENGINE_EXITED' } });
    const kept = client.call('runs.list', {});
    const next = fakePort();
    client.attach(next);
    next.answer({ kind: 'result', id: next.sent[0]!.id, output: ['run'] });
    await expect(kept).resolves.toEqual(['run']);
    expect(old.closed).toBe(true);
    expect(states).toEqual(['connected', 'lost', 'connected']);
  });

  it('rejects open requests when a new port replaces a living one', async () => {
    const client = createEngineClient();
    client.attach(fakePort());
    const lost = client.call('runs.list', {});
    client.attach(fakePort());
    await expect(lost).rejects.toMatchObject({ shape: { code: 'ENGINE_EXITED' } });
  });

  it('tells a request that cannot be cloned at once', async () => {
    const client = createEngineClient();
    const port = fakePort();
    port.postMessage = () => {
      throw new DOMException('could not be cloned', 'DataCloneError');
    };
    client.attach(port);
    await expect(client.call('runs.list', {})).rejects.toMatchObject({ shape: { code: 'INTERNAL' } });
  });

  it('hands events to every listener until it leaves, and ignores a replaced port', () => {
    const client = createEngineClient();
    const old = fakePort();
    client.attach(old);
    const heard = vi.fn();
    const leave = client.on(heard);
    const handler = old.onmessage;
    old.answer({ kind: 'event', event: { type: 'runsChanged' } });
    client.attach(fakePort());
    handler?.({ data: { kind: 'event', event: { type: 'runsChanged' } } } as MessageEvent);
    leave();
    expect(heard).toHaveBeenCalledTimes(1);
  });
});

describe('errorShape', () => {
  const shape = { code: 'DISK_FULL', message: 'The disk is full.', where: '/data' } as const;

  it('keeps what the engine and the shell say', () => {
    expect(errorShape(new RequestError(shape))).toEqual(shape);
    expect(errorShape(shape)).toEqual(shape);
  });

  it('makes anything else an internal error', () => {
    expect(errorShape(new TypeError('x is not a function'))).toEqual({ code: 'INTERNAL', message: 'x is not a function' });
  });
});
