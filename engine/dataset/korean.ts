import { decode } from 'iconv-lite';

/**
 * EUC-KR with Microsoft's extension CP949. ASCII as it is; every other character is a lead byte from 0x81 to 0xfe and a
 * second byte, which may be an ASCII letter. The platform's own decoder knows no extension: it makes 똠 a control
 * character and a letter, without an error.
 */
const name = 'cp949';
/** What stands for bytes that are no character; EUC-KR itself has none such. */
const noCharacter = '\ufffd';

/** Text of whole characters, null where some bytes are none. */
export function decodeKorean(bytes: Uint8Array): string | null {
  const text = decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), name);
  return text.includes(noCharacter) ? null : text;
}

/** Bytes of the character at `index`, whether it is a valid one or not. */
function width(bytes: Uint8Array, index: number): number {
  const lead = bytes[index] as number;
  return lead >= 0x81 && lead <= 0xfe ? 2 : 1;
}

/** Length of the longest prefix that does not end inside a character; `bytes` begin at one. */
export function completeKorean(bytes: Uint8Array): number {
  let index = 0;
  while (index < bytes.length) {
    const next = index + width(bytes, index);
    if (next > bytes.length) return index;
    index = next;
  }
  return index;
}

/** Position of the first character that is none, or −1; `bytes` begin at a character. */
export function firstInvalidKorean(bytes: Uint8Array): number {
  for (let index = 0; index < bytes.length; index += width(bytes, index)) {
    if ((bytes[index] as number) >= 0x80 && decodeKorean(bytes.subarray(index, index + width(bytes, index))) === null) return index;
  }
  return -1;
}

/** Of the characters beyond ASCII, this share must be common Hangul for bytes to count as Korean. */
const hangulShare = 0.8;

/**
 * Whether bytes that are no UTF-8 are Korean text: they decode without an error, and what is not ASCII is nearly all
 * Hangul of KS X 1001, the 2,350 syllables that texts consist of. Bytes of other languages land among Hanja and signs.
 */
export function looksKorean(bytes: Uint8Array, isWhole: boolean): boolean {
  const whole = isWhole ? bytes : bytes.subarray(0, completeKorean(bytes));
  if (decodeKorean(whole) === null) return false;
  let characters = 0;
  let common = 0;
  for (let index = 0; index < whole.length; index += width(whole, index)) {
    const lead = whole[index] as number;
    if (lead < 0x80) continue;
    characters += 1;
    if (lead >= 0xb0 && lead <= 0xc8 && (whole[index + 1] as number) >= 0xa1) common += 1;
  }
  return characters > 0 && common >= hangulShare * characters;
}
