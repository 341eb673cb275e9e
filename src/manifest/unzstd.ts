import { pipeline, Readable } from 'node:stream';
import zlib from 'node:zlib';
import { Decompress } from 'fzstd';
import xxhash from 'xxhash-wasm';
import { type ZstdFrame, zstdFrames } from './zstd-frames.js';

/** Zstandard frames, each unpacked and checked by Node where it can (22.15+), else in JavaScript. */
export async function* unzstd(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const { createZstdDecompress } = zlib as { createZstdDecompress?: () => NodeJS.ReadWriteStream };
  if (createZstdDecompress === undefined) return yield* unzstdInScript(bytes);
  for await (const frame of zstdFrames(bytes)) {
    const unpack = createZstdDecompress();
    pipeline(Readable.from(frame.bytes(), { objectMode: false }), unpack, () => undefined);
    yield* unpack as unknown as AsyncIterable<Uint8Array>;
  }
}

export async function* unzstdInScript(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const { create64 } = await xxhash();
  for await (const frame of zstdFrames(bytes)) {
    const content = create64();
    for await (const block of blocksOf(frame)) {
      content.update(block);
      yield block;
    }
    const checksum = frame.checksum();
    if (checksum !== null && checksum !== Number(content.digest() & 0xffffffffn))
      throw new Error('the content does not have the checksum of its frame');
  }
}

/** fzstd, given a block only once its reader has taken those before: a block unpacks to 128 KiB at most. */
async function* blocksOf(frame: ZstdFrame): AsyncIterable<Uint8Array> {
  const blocks: Uint8Array[] = [];
  const unpack = new Decompress((block) => {
    if (block.length > 0) blocks.push(block);
  });
  let before: Uint8Array | null = null;
  for await (const bytes of frame.bytes()) {
    if (before !== null) unpack.push(before);
    yield* blocks.splice(0);
    before = bytes;
  }
  // It keeps data shorter than a block until the stream has ended.
  unpack.push(before ?? new Uint8Array(), true);
  yield* blocks;
}
