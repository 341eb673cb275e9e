import zlib from 'node:zlib';
import { type ByteReader, readBytes } from './byte-reader.js';

const INPUT_BYTES = 64 * 1024;
/** The size of a file's chunks. Larger ones are slower to parse. */
const OUTPUT_CHUNK_BYTES = 64 * 1024;

/**
 * Unpacks all gzip members. Zero bytes between and after them are padding, as on tapes. Node's own stream silently
 * drops everything after a zero byte. Here any other byte there is an error.
 */
export async function* gunzip(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const reader = readBytes(bytes);
  try {
    while (await moreMembers(reader))
      yield* unpacked(reader, zlib.createGunzip({ chunkSize: OUTPUT_CHUNK_BYTES }));
  } finally {
    await reader.close();
  }
}

/** Unpacks one member with a zlib stream. Bytes that zlib leaves stay in the reader. */
export async function* unpacked(
  reader: ByteReader,
  unpack: zlib.Gunzip | zlib.Inflate | zlib.BrotliDecompress,
): AsyncIterable<Uint8Array> {
  // A failure reaches the reader of `unpack` too.
  const feeding = feed(reader, unpack).catch((error: Error) => void unpack.destroy(error));
  try {
    yield* unpack as AsyncIterable<Uint8Array>;
  } finally {
    unpack.destroy();
    await feeding;
  }
}

async function feed(
  reader: ByteReader,
  unpack: zlib.Gunzip | zlib.Inflate | zlib.BrotliDecompress,
): Promise<void> {
  while (!unpack.destroyed) {
    const bytes = await reader.some(INPUT_BYTES);
    if (bytes.length === 0) return void unpack.end();
    const before = unpack.bytesWritten;
    await new Promise<void>((resolve) => {
      unpack.once('close', resolve);
      unpack.write(bytes, () => {
        unpack.off('close', resolve);
        resolve();
      });
    });
    const taken = unpack.bytesWritten - before;
    if (taken === bytes.length) continue;
    reader.putBack(bytes.subarray(taken));
    return;
  }
}

async function moreMembers(reader: ByteReader): Promise<boolean> {
  for (;;) {
    const bytes = await reader.some(INPUT_BYTES);
    if (bytes.length === 0) return false;
    const start = bytes.findIndex((byte) => byte !== 0);
    if (start === -1) continue;
    reader.putBack(bytes.subarray(start));
    return true;
  }
}
