import { describe, expect, it } from 'vitest';
import type { FrameMessage, FrameRequest } from '../../../engine/contracts/wire';
import { createFrameClient } from './frames';
import type { Port } from './port';

function setUp() {
  const sent: FrameRequest[] = [];
  const port: Port = { onmessage: null, postMessage: (message) => void sent.push(message as FrameRequest), close: () => undefined };
  let paints: (() => void)[] = [];
  const client = createFrameClient((paint) => void paints.push(paint));
  const frame = (run: string, step: number) => port.onmessage?.({ data: { kind: 'frame', run, step, bytes: new Uint8Array(8) } satisfies FrameMessage } as MessageEvent);
  const paintAll = () => {
    const due = paints;
    paints = [];
    for (const paint of due) paint();
  };
  return { client, port, sent, frame, paintAll };
}

describe('frame client', () => {
  it('asks for the watched run with credit, again after a restart', () => {
    const { client, port, sent } = setUp();
    client.watch('a');
    client.attach(port);
    expect(sent).toEqual([
      { kind: 'watch', run: 'a' },
      { kind: 'credit', frames: 2 },
    ]);
    sent.length = 0;
    client.attach({ ...port, onmessage: null });
    expect(sent[0]).toEqual({ kind: 'watch', run: 'a' });
  });

  it('shows only the newest of several frames and gives back as much credit as it took', () => {
    const { client, port, sent, frame, paintAll } = setUp();
    const steps: number[] = [];
    client.watch('a');
    client.attach(port);
    client.onFrame((message) => steps.push(message.step));
    sent.length = 0;
    frame('a', 1);
    frame('a', 2);
    expect(sent).toEqual([]);
    paintAll();
    expect(steps).toEqual([2]);
    expect(sent).toEqual([{ kind: 'credit', frames: 2 }]);
  });

  it('drops a late frame of a run that is no longer watched but returns its credit', () => {
    const { client, port, sent, frame, paintAll } = setUp();
    const steps: number[] = [];
    client.watch('a');
    client.attach(port);
    client.onFrame((message) => steps.push(message.step));
    client.watch('b');
    sent.length = 0;
    frame('a', 7);
    paintAll();
    expect(steps).toEqual([]);
    expect(sent).toEqual([{ kind: 'credit', frames: 1 }]);
  });
});
