import { z } from 'zod';
import type { ErrorShape } from './errors';
import type { WorkbenchEvent } from './methods';

/** Messages on the control port, window → engine host. */
export const controlRequest = z.strictObject({ id: z.int(), method: z.string(), input: z.unknown() });
export type ControlRequest = z.infer<typeof controlRequest>;

/** Messages on the control port, engine host → window. */
export type ControlMessage =
  | { kind: 'result'; id: number; output: unknown }
  | { kind: 'error'; id: number; error: ErrorShape }
  | { kind: 'event'; event: WorkbenchEvent };

/** Messages on the frame port, window → engine host: which run to watch, and how many more frames may come. */
export const frameRequest = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('watch'), run: z.string().nullable() }),
  z.strictObject({ kind: z.literal('credit'), frames: z.int().min(1).max(4) }),
]);
export type FrameRequest = z.infer<typeof frameRequest>;

/** Messages on the frame port, engine host → window. `bytes` is a trace (see `trace.ts`). */
export interface FrameMessage {
  kind: 'frame';
  run: string;
  step: number;
  bytes: Uint8Array;
}
