import { rawField, rawPath, withRawField } from './raw-fields.js';

/** Fields of a line that are taken from others: `[to, from]`, each a path with dots. */
export type FieldMap = readonly (readonly [to: string, from: string])[];

/** `to=from`, as `--map` has it. */
export const fieldMapOf = (texts: readonly string[]): FieldMap =>
  texts.map((text) => {
    const at = text.indexOf('=');
    return [text.slice(0, at), text.slice(at + 1)] as const;
  });

/**
 * An object's text with its fields as `--map` names them, values as they are written. A field whose source is missing is
 * left alone, so that what has been mapped already, such as a failure's `input`, may be mapped again.
 *
 * @param object valid JSON text of an object
 */
export function mapFields(object: string, map: FieldMap): string {
  let mapped = object;
  for (const [to, from] of map) {
    // A field whose name contains the dots, else the path that the dots describe.
    const value = rawField(object, from) ?? rawPath(object, from);
    if (value !== undefined) mapped = withValue(mapped, to.split('.'), value);
  }
  return mapped;
}

function withValue(object: string, [name = '', ...rest]: string[], value: string): string {
  if (rest.length === 0) return withRawField(object, name, value);
  const inner = rawField(object, name) ?? '';
  return withRawField(object, name, withValue(inner.startsWith('{') ? inner : '{}', rest, value));
}
