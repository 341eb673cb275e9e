import { Transform } from 'node:stream';
import zlib from 'node:zlib';
import { Decompress } from 'fzstd';

/** Four bytes can unpack to 128 KiB, and fzstd unpacks all that it is given at once: small bites keep memory flat. */
const BITE_BYTES = 1024;

/** Node's own zstd where there is one (22.15+), else fzstd in a stream. */
export function createUnzstd(): Transform {
  const { createZstdDecompress } = zlib as { createZstdDecompress?: () => Transform };
  return createZstdDecompress === undefined ? createFzstd() : createZstdDecompress();
}

/** fzstd as a stream that waits for its reader. */
export function createFzstd(): Transform {
  let stream: Transform;
  let hasRoom = true;
  const unzstd = new Decompress((block) => {
    if (block.length > 0) hasRoom = stream.push(block);
  });
  let goOn: (() => void) | undefined;

  const feed = (chunk: Uint8Array, at: number, done: (error?: Error | null) => void): void => {
    try {
      for (let i = at; i < chunk.length; i += BITE_BYTES) {
        if (!hasRoom) {
          goOn = () => feed(chunk, i, done);
          return;
        }
        unzstd.push(chunk.subarray(i, i + BITE_BYTES));
      }
      done();
    } catch (error) {
      done(error as Error);
    }
  };

  stream = new Transform({
    transform: (chunk: Uint8Array, _encoding, done) => feed(chunk, 0, done),
    flush(done) {
      try {
        unzstd.push(new Uint8Array(), true);
        done();
      } catch (error) {
        done(error as Error);
      }
    },
  });
  const read = stream._read.bind(stream);
  stream._read = (size) => {
    hasRoom = true;
    const resume = goOn;
    goOn = undefined;
    if (resume === undefined) read(size);
    else resume();
  };
  return stream;
}
