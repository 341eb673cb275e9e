import { originalStream, plainLines } from '../lib/terminal.js';

type Stream = NodeJS.WritableStream;

export interface LiveFrame {
  /** Draws these lines in place of the ones before. */
  draw(text: string): void;
  /** Leaves the last frame standing. */
  end(): void;
}

/** The frame that is open on a stream; what else is written there has to go round it. */
const open = new WeakMap<Stream, { clear(): void; redraw(): void }>();

/** Its library takes 60 ms to load, which a command without a terminal does not need to wait for. */
export async function openLiveFrame(stream: Stream): Promise<LiveFrame> {
  const { createLogUpdate } = await import('log-update');
  const update = createLogUpdate(originalStream(stream));
  let last = '';
  open.set(stream, { clear: () => update.clear(), redraw: () => last && update(last) });
  return {
    draw(text) {
      last = plainLines(text);
      update(last);
    },
    end() {
      open.delete(stream);
      update.done();
    },
  };
}

/** Writes above the frame that is open on the stream, if one is. */
export function writeBeside(stream: Stream, text: string): void {
  const frame = open.get(stream);
  frame?.clear();
  stream.write(text);
  frame?.redraw();
}
