/**
 * A trace is a safetensors buffer, both on disk (`traces/step-<n>.safetensors`) and as a live frame on
 * the frame port: one format, one reader.
 *
 * Tensors (float32): `l0.i`, `l0.f`, … `[B, T, H]` after activation, `l0_reverse.h` …, `input`
 * (`[B, T]` tokens as float32, or `[B, T, D]`), `output`, and for a forecast `target` (raw values
 * `[B, horizon, targets]`), `forecast` (raw values). Of a sequence of a dataset: `target` and, of a value from it, `prediction`
 * (`[B, targets]` in own units); the next vectors `[B, T, D]`, or the labels `[B, T]`, NaN where none is asked for.
 * With gradients `grad.l0.c` ….
 * Metadata: `format=sluice-trace/1`, `run`, `step`, `cells` (JSON array, one per layer), `elapsedMs`.
 */
export interface SafetensorsEntry {
  name: string;
  dtype: string;
  shape: number[];
  /** Byte range inside the buffer. */
  start: number;
  end: number;
}

export interface Safetensors {
  metadata: Record<string, string>;
  entries: SafetensorsEntry[];
  bytes: Uint8Array;
}

const maximumHeaderBytes = 16 * 1024 * 1024;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/** Reads the header of a safetensors buffer; throws `RangeError` with the reason where it is damaged. */
export function readSafetensors(bytes: Uint8Array): Safetensors {
  if (bytes.byteLength < 8) throw new RangeError('shorter than its header length');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = Number(view.getBigUint64(0, true));
  if (headerBytes > maximumHeaderBytes || 8 + headerBytes > bytes.byteLength) {
    throw new RangeError(`header of ${headerBytes} bytes does not fit`);
  }
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerBytes)));
  } catch {
    throw new RangeError('header is not JSON');
  }
  if (!isRecord(header)) throw new RangeError('header names no tensors');
  const entries: SafetensorsEntry[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') {
      if (!isRecord(value) || !Object.values(value).every((text) => typeof text === 'string')) throw new RangeError('metadata is more than texts by name');
      metadata = value as Record<string, string>;
      continue;
    }
    const { dtype, shape, data_offsets: offsets } = isRecord(value) ? value : {};
    if (typeof dtype !== 'string' || !isSizes(shape) || !isSizes(offsets) || offsets.length !== 2) throw new RangeError(`tensor ${name} has no type, shape or place`);
    const start = 8 + headerBytes + offsets[0]!;
    const end = 8 + headerBytes + offsets[1]!;
    if (!(start <= end && end <= bytes.byteLength)) throw new RangeError(`tensor ${name} reaches beyond the file`);
    entries.push({ name, dtype, shape, start, end });
  }
  return { metadata, entries, bytes };
}

/** The bytes of one tensor in a buffer of their own, whatever kind of view the file is: `slice` of a Node Buffer would not copy. */
export function tensorBytes({ bytes }: Safetensors, { start, end }: SafetensorsEntry): ArrayBuffer {
  return new Uint8Array(bytes.subarray(start, end)).buffer;
}

/** The values of one float32 tensor: a view where the bytes are aligned, a copy where they are not. */
export function float32Tensor(file: Safetensors, name: string): { shape: number[]; data: Float32Array } | null {
  const entry = file.entries.find((candidate) => candidate.name === name);
  if (!entry) return null;
  if (entry.dtype !== 'F32') throw new RangeError(`tensor ${name} is ${entry.dtype}, not F32`);
  const length = (entry.end - entry.start) / 4;
  if (length !== entry.shape.reduce((product, size) => product * size, 1)) {
    throw new RangeError(`tensor ${name} has ${length} values, its shape says otherwise`);
  }
  const offset = file.bytes.byteOffset + entry.start;
  const data =
    offset % 4 === 0
      ? new Float32Array(file.bytes.buffer, offset, length)
      : new Float32Array(tensorBytes(file, entry));
  return { shape: entry.shape, data };
}
