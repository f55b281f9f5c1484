import { SluiceError, type ErrorShape } from '../contracts';

/** The engine's error (JSON in the message) as one with a code; anything else as `INTERNAL`. */
export function toSluiceError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new SluiceError(shapeIn(message) ?? { code: 'INTERNAL', message }, { cause: error });
}

function shapeIn(message: string): ErrorShape | null {
  if (!message.startsWith('{')) return null;
  try {
    const shape = JSON.parse(message) as Partial<ErrorShape>;
    return typeof shape.code === 'string' && typeof shape.message === 'string' ? (shape as ErrorShape) : null;
  } catch {
    return null;
  }
}

/** Runs a call into the engine. */
export function coded<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw toSluiceError(error);
  }
}

/** The same for work that the engine does on its own threads. */
export async function codedLater<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw toSluiceError(error);
  }
}
