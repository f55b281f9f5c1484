import { z } from 'zod';

/** What the main process tells the engine host. `ports` comes with two ports: control, frames. */
export const toHost = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('start'),
    workspace: z.string(),
    samples: z.string(),
    /** Threads of a run whose configuration says null; null = all physical cores but one. */
    threads: z.int().min(1).nullable(),
  }),
  z.strictObject({ type: z.literal('ports') }),
  z.strictObject({ type: z.literal('settings'), threads: z.int().min(1).nullable() }),
  z.strictObject({ type: z.literal('shutdown') }),
]);
export type ToHost = z.infer<typeof toHost>;

/** What the engine host tells the main process. */
export const fromHost = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('ready') }),
  /** The workbench could not be built; the host ends. Starting again would fail the same way. */
  z.strictObject({ type: z.literal('failed'), message: z.string() }),
  z.strictObject({ type: z.literal('log'), level: z.enum(['info', 'warning', 'error']), message: z.string() }),
]);
export type FromHost = z.infer<typeof fromHost>;
