/**
 * The characters that may not reach a terminal as they are. C0 and C1 controls move the cursor, rename the window and
 * answer for the user. Others turn the writing direction or break a line.
 */
const UNSAFE = String.raw`[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]`;
const CONTROLS = new RegExp(UNSAFE, 'gu');
/** The same but for line ends, tabs, and colors, which this package's own text has. */
const CONTROLS_OF_OTHERS = new RegExp(String.raw`(?!\n|\t|\x1b\[[\d;]*m)${UNSAFE}`, 'gu');

/** As JSON writes it, so that an escaped line of JSON is the same JSON. */
const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** A value from outside, for use in one of our lines: it stays on one line and holds no control characters. */
export const plain = (text: string): string =>
  text.replace(CONTROLS, (character) => SHORT[character] ?? escaped(character));

/** A whole text: its lines stay lines, its colors colors. */
export const plainLines = (text: string): string => text.replace(CONTROLS_OF_OTHERS, escaped);

type Stream = NodeJS.WritableStream & { isTTY?: boolean };

const originals = new WeakMap<object, Stream>();

/** A stream that lets no control through, for any writer. */
export function plainStream<S extends Stream>(stream: S): S {
  const write = (chunk: unknown, ...rest: []) =>
    stream.write(typeof chunk === 'string' ? plainLines(chunk) : (chunk as string), ...rest);
  const guarded = new Proxy(stream, {
    get(target, name) {
      if (name === 'write') return write;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  originals.set(guarded, stream);
  return guarded;
}

/** The unfiltered stream, for code that draws on it with control characters. */
export const originalStream = (stream: Stream): Stream => originals.get(stream) ?? stream;
