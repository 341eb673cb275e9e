import { isAscii } from 'node:buffer';
import split2 from 'split2';
import { decodeLine, lossyHead } from './decode-line.js';
import { cutLongLines } from './long-lines.js';
import type { Position, RawLine } from './types.js';

export interface LineSplitter {
  /** The lines that this chunk completes. */
  push(chunk: Uint8Array): Promise<RawLine[]>;
  /** The last line, if no newline ends it. */
  end(): Promise<RawLine[]>;
}

const NEWLINE = 0x0a;
const BOM_BYTES = '\u00ef\u00bb\u00bf';

/**
 * Lines out of bytes. `split2` sees one character per byte (latin1), so that offsets are exact and bytes that are no
 * UTF-8 survive until their line is decoded.
 */
export function createLineSplitter(from: Position, maxLineBytes: number): LineSplitter {
  let { line, offset } = from;
  let seen = offset;
  let batch: RawLine[] = [];
  const longLines = cutLongLines(maxLineBytes);
  /**
   * Two flags. First: the bytes of the incomplete line are all ASCII. Second: so are the lines that this chunk
   * completes.
   */
  let [restAscii, ascii] = [true, true];

  const addLine = (bytes: string): void => {
    const tooLong = bytes.length > maxLineBytes;
    const length = bytes.length + (tooLong ? longLines.takeDropped() : 0);
    const start = offset;
    // Only the newline that the last line lacks lies behind the seen bytes.
    offset = Math.min(start + length + 1, seen);
    line += 1;
    const place = { line, end: offset, bytes: offset - start };
    const content = start === 0 && bytes.startsWith(BOM_BYTES) ? bytes.slice(BOM_BYTES.length) : bytes;
    if (tooLong) {
      const message = `the line has ${length} bytes, more than the ${maxLineBytes} allowed`;
      batch.push({ ...place, text: lossyHead(content), problem: { code: 'line_too_long', message } });
    } else {
      batch.push(
        decodeLine(
          place,
          content.endsWith('\r') ? content.slice(0, -1) : content,
          bytes.length - content.length,
          ascii,
        ),
      );
    }
  };

  const splitter = split2('\n', addLine, { decodeStrings: false });
  splitter.resume();
  const taken = (write: (done: (error?: Error | null) => void) => void) =>
    new Promise<RawLine[]>((resolve, reject) => {
      write((error) => {
        const lines = batch;
        batch = [];
        if (error) reject(error);
        else resolve(lines);
      });
    });

  return {
    push(chunk) {
      seen += chunk.length;
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
      const text = longLines.pass(bytes);
      const chunkAscii = isAscii(bytes);
      ascii = restAscii && chunkAscii;
      restAscii = bytes.includes(NEWLINE) ? chunkAscii : ascii;
      return text === '' ? Promise.resolve([]) : taken((done) => splitter.write(text, done));
    },
    end() {
      ascii = restAscii;
      return taken((done) => splitter.end(done));
    },
  };
}
