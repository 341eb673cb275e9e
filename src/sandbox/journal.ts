import { closeSync, existsSync, mkdirSync, openSync, readSync, truncateSync, writeSync } from 'node:fs';
import path from 'node:path';
import { IngestError } from '../lib/errors.js';

/** One JSON value a line. An appended value is in the file before `whenWritten` runs its waiters. */
export interface Journal {
  append(line: string): void;
  /** Runs at once when nothing is waiting to be written. */
  whenWritten(run: () => void): void;
  /** Writes what waits. Idempotent. */
  close(): void;
}

const CHUNK_BYTES = 4 << 20;
const NEWLINE = 0x0a;
const MODE = 0o600;

/** A journal that keeps nothing. */
export const noJournal: Journal = { append: () => {}, whenWritten: (run) => run(), close: () => {} };

/**
 * Appends in groups: all of one turn of the event loop in one write. A write, not a sync: it survives the death of
 * this process, if not of the machine.
 */
export function openJournal(file: string): Journal {
  const fd = openSync(file, 'a', MODE);
  let lines = '';
  let waiting: (() => void)[] = [];
  let scheduled: NodeJS.Immediate | null = null;
  let open = true;

  function write(): void {
    scheduled = null;
    const bytes = Buffer.from(lines);
    const ready = waiting;
    [lines, waiting] = ['', []];
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
    for (const run of ready) run();
  }

  return {
    append(line) {
      lines += `${line}\n`;
      scheduled ??= setImmediate(write);
    },
    whenWritten(run) {
      if (scheduled === null) run();
      else waiting.push(run);
    },
    close() {
      if (!open) return;
      open = false;
      if (scheduled !== null) {
        clearImmediate(scheduled);
        write();
      }
      closeSync(fd);
    },
  };
}

/**
 * Passes the lines of an earlier process to `apply`. Cuts off a last line without a newline: that process died while
 * writing it, so its call was never answered.
 *
 * @throws IngestError `sandbox` for any other line that cannot be read: nothing is thrown away in silence.
 */
export function replay(file: string, apply: (value: unknown) => void): void {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  if (!existsSync(file)) return;
  const fd = openSync(file, 'r');
  let [rest, whole, line] = [Buffer.alloc(0), 0, 0];
  try {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    for (let read = readSync(fd, chunk); read > 0; read = readSync(fd, chunk)) {
      const bytes = Buffer.concat([rest, chunk.subarray(0, read)]);
      const end = bytes.lastIndexOf(NEWLINE) + 1;
      rest = bytes.subarray(end);
      whole += end;
      if (end === 0) continue;
      for (const text of bytes.toString('utf8', 0, end - 1).split('\n')) {
        line += 1;
        applyLine(file, line, text, apply);
      }
    }
  } finally {
    closeSync(fd);
  }
  if (rest.length > 0) truncateSync(file, whole);
}

function applyLine(file: string, line: number, text: string, apply: (value: unknown) => void): void {
  try {
    apply(JSON.parse(text));
  } catch (cause) {
    throw new IngestError('sandbox', `${file}, line ${line}: not a record of the local Gateway`, {
      hint: 'move the file away to start the local Gateway empty; its earlier tasks are then unknown',
      cause,
    });
  }
}
