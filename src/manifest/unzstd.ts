import { pipeline, Readable } from 'node:stream';
import zlib from 'node:zlib';
import { Decompress } from 'fzstd';

/** Four bytes can unpack to 128 KiB, and fzstd unpacks all that it is given at once: small bites keep memory flat. */
const BITE_BYTES = 256;

/** Zstandard frames, unpacked by Node where it can (22.15+), else by fzstd. */
export function unzstd(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const { createZstdDecompress } = zlib as { createZstdDecompress?: () => NodeJS.ReadWriteStream };
  if (createZstdDecompress === undefined) return unzstdInScript(bytes);
  const unpack = createZstdDecompress();
  pipeline(Readable.from(bytes, { objectMode: false }), unpack, () => undefined);
  return unpack as unknown as AsyncIterable<Uint8Array>;
}

/** fzstd, given more only once its reader has taken what there is. */
export async function* unzstdInScript(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const blocks: Uint8Array[] = [];
  const frames = new Decompress((block) => {
    if (block.length > 0) blocks.push(block);
  });
  for await (const chunk of bytes) {
    for (let at = 0; at < chunk.length; at += BITE_BYTES) {
      frames.push(chunk.subarray(at, at + BITE_BYTES));
      if (blocks.length > 0) yield* blocks.splice(0);
    }
  }
  frames.push(new Uint8Array(), true);
  yield* blocks;
}
