/** Rows of results are some hundred bytes long. */
const LEAST_ROW_BYTES = 64;

/** Rows that are sorted in memory, each as a line `<source> <line> <row>\n`. */
export interface OrderBatch {
  /** False when the batch is full; an empty one takes any row. */
  add(source: number, line: number, row: string): boolean;
  /** By source, then by line. Holds until rows are added after `clear`. */
  sorted(): Iterable<Buffer>;
  clear(): void;
}

/** In memory of its own that is used again: as strings the rows outlive the first garbage collections, and pile up. */
export function createOrderBatch(bytes: number): OrderBatch {
  const most = Math.max(1, Math.floor(bytes / LEAST_ROW_BYTES));
  const [sources, lines] = [new Uint32Array(most), new Float64Array(most)];
  const starts = new Float64Array(most + 1);
  let buffer = Buffer.allocUnsafeSlow(bytes);
  let count = 0;
  const number = (some: Uint32Array | Float64Array, index: number) => some[index] ?? 0;

  return {
    add(source, line, row) {
      const text = `${source} ${line} ${row}\n`;
      const start = number(starts, count);
      const end = start + Buffer.byteLength(text);
      if (count > 0 && (count === most || end > buffer.length)) return false;
      if (end > buffer.length) buffer = Buffer.allocUnsafeSlow(end);
      buffer.write(text, start);
      [sources[count], lines[count], starts[count + 1]] = [source, line, end];
      count += 1;
      return true;
    },
    *sorted() {
      const order = Uint32Array.from({ length: count }, (_, index) => index);
      order.sort((a, b) => number(sources, a) - number(sources, b) || number(lines, a) - number(lines, b));
      for (const index of order) yield buffer.subarray(number(starts, index), number(starts, index + 1));
    },
    clear() {
      count = 0;
    },
  };
}
