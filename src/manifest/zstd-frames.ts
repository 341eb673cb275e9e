import { type ByteReader, readBytes } from './byte-reader.js';

/** One Zstandard frame. Its bytes are to be read to their end before the next frame. */
export interface ZstdFrame {
  /** The frame's own bytes in order: its header, each block, its checksum. */
  bytes(): AsyncIterable<Uint8Array>;
  /** The low half of the content's XXH64, once the bytes are read; null where the frame has none. */
  checksum(): number | null;
}

const MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;
const SKIPPED_BYTES = 64 * 1024;

/**
 * Splits a stream into its frames (RFC 8878). Node's Zstandard stream drops all frames after the first, and the one
 * in JavaScript knows no checksums. So neither can be given the whole stream.
 *
 * @throws Error when the stream is cut within a frame, or something else is between frames
 */
export async function* zstdFrames(stream: AsyncIterable<Uint8Array>): AsyncIterable<ZstdFrame> {
  const reader = readBytes(stream);
  try {
    for (;;) {
      const head = await reader.upTo(4);
      if (head.length === 0) return;
      const magic = head.length < 4 ? 0 : view(head).getUint32(0, true);
      if (magic === MAGIC) yield frameOf(reader, head);
      // Sixteen numbers, for the last four bits.
      else if (magic - (magic % 16) === SKIPPABLE) await skip(reader);
      else throw new Error('what follows a frame is no frame');
    }
  } finally {
    await reader.close();
  }
}

function frameOf(reader: ByteReader, magic: Uint8Array): ZstdFrame {
  let checksum: number | null = null;
  return {
    checksum: () => checksum,
    async *bytes() {
      const descriptor = await whole(reader, 1);
      const flags = descriptor[0] ?? 0;
      yield Buffer.concat([magic, descriptor, await whole(reader, headerBytes(flags))]);
      for (let last = false; !last; ) {
        const header = await whole(reader, 3);
        const word = (header[0] ?? 0) | ((header[1] ?? 0) << 8) | ((header[2] ?? 0) << 16);
        last = (word & 1) === 1;
        const type = (word >> 1) & 3;
        if (type === 3) throw new Error('a block of a type that there is not');
        // A block of the second type is one byte, repeated.
        const content = await whole(reader, type === 1 ? 1 : word >> 3);
        yield Buffer.concat([header, content]);
      }
      if ((flags & 4) === 0) return;
      const trailer = await whole(reader, 4);
      checksum = view(trailer).getUint32(0, true);
      yield trailer;
    },
  };
}

/** Bytes of a frame's header after its descriptor. */
function headerBytes(flags: number): number {
  const single = (flags >> 5) & 1;
  const dictionary = [0, 1, 2, 4][flags & 3] ?? 0;
  const size = [single, 2, 4, 8][flags >> 6] ?? 0;
  return 1 - single + dictionary + size;
}

async function skip(reader: ByteReader): Promise<void> {
  for (let left = view(await whole(reader, 4)).getUint32(0, true); left > 0; ) {
    const bytes = await reader.some(Math.min(left, SKIPPED_BYTES));
    if (bytes.length === 0) throw cut();
    left -= bytes.length;
  }
}

async function whole(reader: ByteReader, count: number): Promise<Uint8Array> {
  const bytes = await reader.upTo(count);
  if (bytes.length < count) throw cut();
  return bytes;
}

const view = ({ buffer, byteOffset, byteLength }: Uint8Array) => new DataView(buffer, byteOffset, byteLength);
const cut = () => new Error('unexpected end of file');
