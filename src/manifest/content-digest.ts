import { createHash } from 'node:crypto';

/** The digest of a stream's unpacked bytes, up to the byte that a run has reached. */
export interface ContentSeen {
  offset: number;
  /** SHA-256, hex. */
  digest: string;
}

/** A stream has no version. The digest of its content shows whether the same bytes are piped in again. */
export interface ContentDigest {
  push(chunk: Uint8Array): void;
  /** Digest of all bytes before `offset`, which lies in the chunk that was pushed last, never before an earlier one. */
  at(offset: number): string;
  /** Bytes pushed. */
  size(): number;
}

export function contentDigest(): ContentDigest {
  const hash = createHash('sha256');
  let hashed = 0;
  let last: Uint8Array = new Uint8Array();
  const size = () => hashed + last.length;
  return {
    push(chunk) {
      hash.update(last);
      [hashed, last] = [size(), chunk];
    },
    at(offset) {
      const count = offset - hashed;
      hash.update(last.subarray(0, count));
      [hashed, last] = [offset, last.subarray(count)];
      return hash.copy().digest('hex');
    },
    size,
  };
}
