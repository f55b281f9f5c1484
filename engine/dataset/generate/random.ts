import { createCipheriv } from 'node:crypto';

export interface Random {
  /** In [0, 1), 53 bits. */
  uniform(): number;
  /** A whole number from `from` to `to`, both included. */
  between(from: number, to: number): number;
  pick<T>(values: readonly T[]): T;
}

/**
 * Draws from the key stream of AES-128 in counter mode, the seed being the key: the same numbers on every machine and
 * with every version of the runtime.
 */
export function randomFrom(seed: number): Random {
  const key = Buffer.alloc(16);
  key.writeBigUInt64LE(BigInt(seed));
  const stream = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  const zeros = Buffer.alloc(1 << 16);
  let block = Buffer.alloc(0);
  let at = 0;
  const uniform = (): number => {
    if (at === block.length) {
      block = stream.update(zeros);
      at = 0;
    }
    const bits = block.readBigUInt64LE(at);
    at += 8;
    return Number(bits >> 11n) * 2 ** -53;
  };
  const between = (from: number, to: number): number => from + Math.floor(uniform() * (to - from + 1));
  return { uniform, between, pick: (values) => values[between(0, values.length - 1)] as (typeof values)[number] };
}
