/**
 * Stable error codes. `wrong use` codes end a command with status 2, all others with 1: a value that was given cannot be
 * used, also not with these data; against files that are missing or damaged, and work that failed.
 */
export const wrongUseCodes = [
  'USAGE',
  'CONFIG_INVALID',
  'DATASET_NOT_FOUND',
  'RUN_NOT_FOUND',
  'EXPORT_NOT_FOUND',
  'NAME_INVALID',
  'NAME_TAKEN',
  'INPUT_INVALID',
  'DATASET_TOO_SHORT',
  'COLUMN_NOT_FOUND',
  'WEIGHTS_MISMATCH',
] as const;

export const failureCodes = [
  'FILE_NOT_FOUND',
  'FILE_UNREADABLE',
  'FILE_EMPTY',
  'FILE_NOT_TEXT',
  'DATASET_PARSE_FAILED',
  'DATASET_DAMAGED',
  'COLUMN_NOT_NUMERIC',
  'WORKSPACE_READ_ONLY',
  'DISK_FULL',
  'MODEL_INVALID',
  'PARAMETER_SHAPE',
  'CHECKPOINT_DAMAGED',
  'CHECKPOINT_MISSING',
  'LOSS_NOT_FINITE',
  'RUN_LOCKED',
  'DATASET_IN_USE',
  'RUN_NOT_ACTIVE',
  'ENGINE_EXITED',
  'ENGINE_FAILED',
  'ONNX_INVALID',
  'ONNX_MISMATCH',
  'PROVIDER_UNAVAILABLE',
  'CANCELLED',
  'INTERNAL',
] as const;

export type ErrorCode = (typeof wrongUseCodes)[number] | (typeof failureCodes)[number];

/** What crosses a process border when something fails: what is wrong, where, and what to do. */
export interface ErrorShape {
  code: ErrorCode;
  /** One sentence in English: what is wrong and what to do. */
  message: string;
  /** File, row, column or field, e.g. `data.csv, row 12, column price` or `model.layers.0.hiddenSize`. */
  where?: string | undefined;
  /** Values the window needs to say the same in its user's language. */
  details?: Record<string, string | number | boolean | null> | undefined;
}

export class SluiceError extends Error implements ErrorShape {
  override readonly name = 'SluiceError';
  readonly code: ErrorCode;
  readonly where: string | undefined;
  readonly details: ErrorShape['details'];

  constructor(shape: ErrorShape, options?: { cause?: unknown }) {
    super(shape.message, options);
    this.code = shape.code;
    this.where = shape.where;
    this.details = shape.details;
  }
}

export function toErrorShape(error: unknown): ErrorShape {
  if (error instanceof SluiceError) {
    return {
      code: error.code,
      message: error.message,
      ...(error.where !== undefined && { where: error.where }),
      ...(error.details !== undefined && { details: error.details }),
    };
  }
  return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) };
}

export function isWrongUse(code: ErrorCode): boolean {
  return (wrongUseCodes as readonly string[]).includes(code);
}
