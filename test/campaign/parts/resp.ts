const CR = 0x0d;

/** Where the frame that starts at `at` ends; -1 when some of it has not come yet. */
function frameEnd(bytes: Buffer, at: number): number {
  const lineEnd = bytes.indexOf(CR, at);
  if (lineEnd === -1 || lineEnd + 2 > bytes.length) return -1;
  const after = lineEnd + 2;
  const type = String.fromCharCode(bytes[at] ?? 0);
  const count = () => Number(bytes.toString('latin1', at + 1, lineEnd));
  if (BLOBS.has(type)) return blobEnd(bytes, after, count());
  const each = ELEMENTS[type];
  return each === undefined ? after : elementsEnd(bytes, after, count() * each);
}

/** Types that are followed by so many bytes, and by so many frames for each one counted. */
const BLOBS = new Set(['$', '=', '!']);
const ELEMENTS: Record<string, number> = { '*': 1, '~': 1, '>': 1, '%': 2, '|': 2 };

function blobEnd(bytes: Buffer, at: number, length: number): number {
  if (length < 0) return at;
  const end = at + length + 2;
  return end <= bytes.length ? end : -1;
}

function elementsEnd(bytes: Buffer, at: number, count: number): number {
  let end = at;
  for (let left = count; left > 0 && end !== -1; left -= 1) end = frameEnd(bytes, end);
  return end;
}

/** Cuts a stream of bytes into whole frames. */
export function createFrames(each: (frame: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    for (let end = frameEnd(bytes, at); at < bytes.length && end !== -1; end = frameEnd(bytes, at)) {
      each(bytes.subarray(at, end));
      at = end;
    }
    rest = bytes.subarray(at);
  };
}

/** A command's name, in capitals. */
export function commandName(frame: Buffer): string {
  const nameAt = frame.indexOf('\n', frame.indexOf('\n') + 1) + 1;
  return frame.toString('latin1', nameAt, frame.indexOf(CR, nameAt)).toUpperCase();
}
