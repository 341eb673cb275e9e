/** A stream of chunks, read by counts of bytes. */
export interface ByteReader {
  /** Some bytes, `most` of them at most; none at the end. */
  some(most: number): Promise<Uint8Array>;
  /** That many bytes; fewer where the stream ends. */
  upTo(count: number): Promise<Uint8Array>;
  /** Puts bytes back that were not needed: they are read next. */
  putBack(bytes: Uint8Array): void;
  /** Ends the stream it reads. */
  close(): Promise<void>;
}

export function readBytes(chunks: AsyncIterable<Uint8Array>): ByteReader {
  const iterator = chunks[Symbol.asyncIterator]();
  let held: Uint8Array = new Uint8Array();

  async function some(most: number): Promise<Uint8Array> {
    while (held.length === 0) {
      const next = await iterator.next();
      if (next.done === true) return held;
      held = next.value;
    }
    const bytes = held.subarray(0, most);
    held = held.subarray(bytes.length);
    return bytes;
  }

  return {
    some,
    async upTo(count) {
      const first = await some(count);
      if (first.length === count) return first;
      const parts = [first];
      for (let length = first.length; length < count; ) {
        const more = await some(count - length);
        if (more.length === 0) break;
        parts.push(more);
        length += more.length;
      }
      return Buffer.concat(parts);
    },
    putBack(bytes) {
      if (bytes.length > 0) held = held.length === 0 ? bytes : Buffer.concat([bytes, held]);
    },
    async close() {
      await iterator.return?.();
    },
  };
}
