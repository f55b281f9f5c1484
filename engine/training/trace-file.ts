import { readSafetensors } from '../contracts';

/**
 * A safetensors buffer with further metadata in its header; the tensors' bytes stay as they are. The header
 * is padded with blanks to a multiple of eight, so that the tensors stay aligned.
 */
export function withMetadata(bytes: Uint8Array, metadata: Record<string, string>): Uint8Array {
  const file = readSafetensors(bytes);
  const headerBytes = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerBytes))) as Record<string, unknown>;
  const text = JSON.stringify({ ...header, __metadata__: { ...file.metadata, ...metadata } });
  const encoded = new TextEncoder().encode(text);
  const padded = Math.ceil(encoded.length / 8) * 8;
  const result = new Uint8Array(8 + padded + bytes.length - 8 - headerBytes);
  new DataView(result.buffer).setBigUint64(0, BigInt(padded), true);
  result.fill(0x20, 8, 8 + padded);
  result.set(encoded, 8);
  result.set(bytes.subarray(8 + headerBytes), 8 + padded);
  return result;
}
