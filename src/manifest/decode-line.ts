import { isUtf8 } from 'node:buffer';
import type { RawLine } from './types.js';

/** This much of a refused line is shown. */
export const SHOWN_BYTES = 4096;

type LinePlace = Pick<RawLine, 'line' | 'end' | 'bytes'>;

const NOT_ASCII = /[\u0080-\u00ff]/;

/**
 * A line's bytes (one per character) as text; `before` counts the line's bytes that are no longer in it (a BOM),
 * `ascii` says that all of them are known to be ASCII.
 */
export function decodeLine(place: LinePlace, bytes: string, before: number, ascii: boolean): RawLine {
  const { line, end, bytes: size } = place;
  if (ascii || !NOT_ASCII.test(bytes)) return { line, end, bytes: size, text: bytes };
  const buffer = Buffer.from(bytes, 'latin1');
  if (isUtf8(buffer)) return { line, end, bytes: size, text: buffer.toString('utf8') };
  const at = before + invalidByte(buffer);
  const byte = buffer[at - before];
  const what =
    byte === undefined
      ? 'a character is cut off at the end of the line'
      : `0x${byte.toString(16).padStart(2, '0')} at byte ${at + 1} of the line`;
  const message = `not valid UTF-8: ${what}`;
  return { ...place, text: lossyHead(bytes), problem: { code: 'invalid_json', message } };
}

/** The start of a line for people to see, whole characters only. */
export function lossyHead(bytes: string): string {
  const head = Buffer.from(bytes.slice(0, SHOWN_BYTES), 'latin1');
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(head, { stream: bytes.length > SHOWN_BYTES });
}

/** The index of the first byte that no UTF-8 can have there: the longest prefix that decodes, found by halving. */
function invalidByte(bytes: Buffer): number {
  let [good, bad] = [0, bytes.length + 1];
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (isPrefix(bytes.subarray(0, middle))) good = middle;
    else bad = middle;
  }
  return good;
}

/** Whether bytes can be the beginning of UTF-8 text. */
function isPrefix(bytes: Buffer): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}
