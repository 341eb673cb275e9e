const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const OPENS = new Set([0x5b, 0x7b]);
const CLOSES = new Set([0x5d, 0x7d]);
const isSpace = (code: number) => code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d;

/** The index behind the string that begins at `at`. */
function afterString(text: string, at: number): number {
  for (let i = at + 1; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code === BACKSLASH) i += 1;
    else if (code === QUOTE) return i + 1;
  }
  return text.length;
}

/** The index behind the value that begins at `at`: the comma or bracket that ends it, or a space before one. */
function afterValue(text: string, at: number): number {
  let depth = 0;
  for (let i = at; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      i = afterString(text, i) - 1;
      if (depth === 0) return i + 1;
    } else if (OPENS.has(code)) depth += 1;
    else if (CLOSES.has(code)) {
      if (depth === 0) return i;
      depth -= 1;
      if (depth === 0) return i + 1;
    } else if (depth === 0 && (code === COMMA || isSpace(code))) return i;
  }
  return text.length;
}

function afterSpace(text: string, at: number): number {
  let i = at;
  while (i < text.length && isSpace(text.charCodeAt(i))) i += 1;
  return i;
}

/** The place of a field's value in an object's text. If a name comes twice, the last one counts. */
function valueSpan(object: string, name: string): readonly [begin: number, end: number] | undefined {
  let found: readonly [number, number] | undefined;
  let at = afterSpace(object, afterSpace(object, 0) + 1);
  while (object.charCodeAt(at) === QUOTE) {
    const nameEnd = afterString(object, at);
    const written = object.slice(at + 1, nameEnd - 1);
    const is = written.includes('\\') ? JSON.parse(object.slice(at, nameEnd)) : written;
    const begin = afterSpace(object, afterSpace(object, nameEnd) + 1);
    const end = afterValue(object, begin);
    if (is === name) found = [begin, end];
    const next = afterSpace(object, end);
    if (object.charCodeAt(next) !== COMMA) break;
    at = afterSpace(object, next + 1);
  }
  return found;
}

/**
 * The object's text with a field set to this value, as written: in its place if the object has the field, else at the
 * end.
 */
export function withRawField(object: string, name: string, value: string): string {
  const span = valueSpan(object, name);
  if (span !== undefined) return object.slice(0, span[0]) + value + object.slice(span[1]);
  const close = object.lastIndexOf('}');
  const head = object.slice(0, close).trimEnd();
  return `${head}${head.endsWith('{') ? '' : ','}${JSON.stringify(name)}:${value}}`;
}

/**
 * The value of an object's field as it is written. It keeps parts that `JSON.parse` cannot keep: long integers,
 * `1.0`, the order of keys, doubled keys. If a name comes twice the last counts, as for `JSON.parse`.
 *
 * @param object valid JSON text of an object, as `JSON.parse` has proved
 * @returns undefined when the object has no such field
 */
export function rawField(object: string, name: string): string | undefined {
  const span = valueSpan(object, name);
  return span && object.slice(...span);
}

/** The same for a path such as `metadata.sku`. */
export function rawPath(object: string, path: string): string | undefined {
  let value: string | undefined = object;
  for (const name of path.split('.')) {
    if (value === undefined || !value.trimStart().startsWith('{')) return undefined;
    value = rawField(value, name);
  }
  return value;
}
