import { toErrorShape, type ErrorShape } from '../../../../engine/contracts';

/** What a rejected request says: its code, place and values, for words at the field it is about. */
export function shapeOf(error: unknown): ErrorShape {
  return error instanceof Error && 'shape' in error ? (error.shape as ErrorShape) : toErrorShape(error);
}
