/**
 * Cuts too long lines while their bytes come in, so no such line is ever complete in memory. Their first `maxLineBytes
 * + 1` bytes pass, so the splitter sees that they are too long.
 */
export interface LongLines {
  /** The chunk's bytes, one per character, without those cut. */
  pass(chunk: Buffer): string;
  /** The number of bytes cut from the oldest cut line. Each call returns the next line's number. */
  takeDropped(): number;
}

const NEWLINE = 0x0a;

export function cutLongLines(maxLineBytes: number): LongLines {
  const cut: { dropped: number }[] = [];
  let inLine = 0;
  let current: { dropped: number } | undefined;

  const passSegment = (chunk: Buffer, start: number, end: number): string => {
    const room = Math.max(0, maxLineBytes + 1 - inLine);
    const kept = Math.min(end, start + room);
    inLine += end - start;
    if (inLine <= maxLineBytes) return chunk.toString('latin1', start, end);
    if (current === undefined) {
      current = { dropped: 0 };
      cut.push(current);
    }
    current.dropped += end - kept;
    return chunk.toString('latin1', start, kept);
  };

  return {
    pass(chunk) {
      if (inLine + chunk.length <= maxLineBytes) {
        const last = chunk.lastIndexOf(NEWLINE);
        inLine = last === -1 ? inLine + chunk.length : chunk.length - last - 1;
        return chunk.toString('latin1');
      }
      let text = '';
      for (let start = 0; start < chunk.length; ) {
        const newline = chunk.indexOf(NEWLINE, start);
        text += passSegment(chunk, start, newline === -1 ? chunk.length : newline);
        if (newline === -1) break;
        text += '\n';
        inLine = 0;
        current = undefined;
        start = newline + 1;
      }
      return text;
    },
    takeDropped: () => cut.shift()?.dropped ?? 0,
  };
}
