import type { FrameMessage, FrameRequest } from '../../../engine/contracts/wire';
import type { Port } from './port';

export interface FrameClient {
  /** Takes the frame port of a (new) engine host and asks again for the run that was watched. */
  attach(port: Port): void;
  detach(): void;
  /** From now on frames of this run come, of none where `null`. */
  watch(run: string | null): void;
  /**
   * The listener gets the newest frame, at most one per animation frame; the next is asked for once it returned.
   * One listener at a time: the returned function ends it.
   */
  onFrame(listener: (frame: FrameMessage) => void): () => void;
}

/** Two frames may be under way: one that is painted, one that travels. */
const openingCredit = 2;

export function createFrameClient(schedule: (paint: () => void) => void = (paint) => requestAnimationFrame(paint)): FrameClient {
  let port: Port | null = null;
  let watched: string | null = null;
  let listener: ((frame: FrameMessage) => void) | null = null;
  let newest: FrameMessage | null = null;
  let received = 0;
  let scheduled = false;

  const post = (message: FrameRequest) => port?.postMessage(message);

  function paint(): void {
    scheduled = false;
    const frame = newest;
    const credit = Math.min(received, 4);
    newest = null;
    received = 0;
    if (frame && frame.run === watched) listener?.(frame);
    if (credit > 0) post({ kind: 'credit', frames: credit });
  }

  function receive(frame: FrameMessage): void {
    newest = frame;
    received += 1;
    if (scheduled) return;
    scheduled = true;
    schedule(paint);
  }

  return {
    attach(next) {
      this.detach();
      port = next;
      next.onmessage = (event) => {
        const message = event.data as FrameMessage;
        if (port === next && message.kind === 'frame') receive(message);
      };
      next.start?.();
      post({ kind: 'watch', run: watched });
      post({ kind: 'credit', frames: openingCredit });
    },
    detach() {
      if (!port) return;
      port.onmessage = null;
      port.close();
      port = null;
      newest = null;
      received = 0;
    },
    watch(run) {
      if (run === watched) return;
      watched = run;
      newest = null;
      post({ kind: 'watch', run });
    },
    onFrame(next) {
      listener = next;
      return () => {
        if (listener === next) listener = null;
      };
    },
  };
}
