import { randomUUID } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

/** Rows begin at multiples of this, so that a place is a number of 32 bits. */
const BLOCK_BYTES = 64;
const WRITE_BYTES = 1 << 20;
const READ_BYTES = 1_024;

/** Texts of one line each, in a temporary file that has no name: it is gone with the process, however that ends. */
export interface RowSpool {
  /** Resolves to the text's place, from 1 on. */
  add(text: string): Promise<number>;
  /** Size of the texts that were added before the last `flush`. */
  read(place: number): Promise<string>;
  flush(): Promise<void>;
  close(): Promise<void>;
}

export async function openRowSpool(): Promise<RowSpool> {
  const name = path.join(os.tmpdir(), `asg-ingest-since-${randomUUID()}`);
  const file = await open(name, 'wx+', 0o600);
  await rm(name);
  let waiting: Buffer[] = [];
  let [waitingBytes, end] = [0, 0];

  async function flush(): Promise<void> {
    const bytes = Buffer.concat(waiting);
    const at = end - waitingBytes;
    [waiting, waitingBytes] = [[], 0];
    for (let from = 0; from < bytes.length; )
      from += (await file.write(bytes, from, bytes.length - from, at + from)).bytesWritten;
  }

  return {
    flush,
    async add(text) {
      const size = Math.ceil((Buffer.byteLength(text) + 1) / BLOCK_BYTES) * BLOCK_BYTES;
      const block = Buffer.alloc(size, '\n');
      block.write(text);
      const place = end / BLOCK_BYTES + 1;
      waiting.push(block);
      waitingBytes += size;
      end += size;
      if (waitingBytes >= WRITE_BYTES) await flush();
      return place;
    },
    async read(place) {
      for (let size = READ_BYTES; ; size *= 8) {
        const { buffer, bytesRead } = await file.read(
          Buffer.allocUnsafe(size),
          0,
          size,
          (place - 1) * BLOCK_BYTES,
        );
        const stop = buffer.subarray(0, bytesRead).indexOf('\n');
        if (stop !== -1) return buffer.toString('utf8', 0, stop);
        if (bytesRead < size) throw new Error('a row of the temporary file is cut off');
      }
    },
    close: () => file.close(),
  };
}
