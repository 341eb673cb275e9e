import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rawField, rawPath } from '../../src/manifest/raw-fields.js';

const name = fc.oneof(
  fc.constantFrom('metadata', 'a', 'b', '', '"', '\\', 'a.b', 'é', '__proto__', 'constructor', '}', ',', ':'),
  fc.string({ unit: 'binary' }),
);
const space = fc.string({ unit: fc.constantFrom(' ', '\t', '\r', '\n'), maxLength: 3 });

/** A string as some program might write it: any of its characters may be escaped. */
const written = (text: string, escaped: boolean): string =>
  escaped
    ? `"${[...Array(text.length).keys()].map((i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')}"`
    : JSON.stringify(text);

const scalar = fc.oneof(
  fc.json({ maxDepth: 0 }),
  fc.tuple(fc.string({ unit: 'binary' }), fc.boolean()).map(([text, escaped]) => written(text, escaped)),
  fc.constantFrom(
    '9007199254740993',
    '1e400',
    '-0',
    '1.0',
    'true',
    'null',
    '"\\u00e9"',
    '"\\\\"',
    '"\\""',
    '"]}"',
  ),
);

/** JSON text with white space anywhere, names that come twice, and names with escapes. */
const { value, object } = fc.letrec<{ value: string; object: string; array: string }>((tie) => ({
  value: fc.oneof({ depthSize: 'small', withCrossShrink: true }, scalar, tie('array'), tie('object')),
  array: fc
    .tuple(fc.array(fc.tuple(tie('value'), space, space), { maxLength: 4 }), space)
    .map(([items, inside]) => `[${items.map(([each, a, b]) => `${a}${each}${b}`).join(',') || inside}]`),
  object: fc
    .tuple(
      fc.array(fc.tuple(name, fc.boolean(), tie('value'), fc.tuple(space, space, space, space)), {
        maxLength: 6,
      }),
      space,
    )
    .map(([fields, inside]) => {
      const texts = fields.map(
        ([key, escaped, each, [a, b, c, d]]) => `${a}${written(key, escaped)}${b}:${c}${each}${d}`,
      );
      return `{${texts.join(',') || inside}}`;
    }),
}));

/** What `JSON.parse` has under a name, or nothing. */
const own = (parsed: unknown, key: string): unknown =>
  typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) && Object.hasOwn(parsed, key)
    ? (parsed as Record<string, unknown>)[key]
    : undefined;
const parsedRaw = (raw: string | undefined): unknown => (raw === undefined ? undefined : JSON.parse(raw));

/** V8 of Node 24.21 takes an escaped name for another one that it has met in its place; the reader of fields does not. */
JSON.parse('{"a":1,"\\\\":2}');
const parsesEscapedNames = Object.hasOwn(JSON.parse('{"a":1,"\\u0022":2}'), '"');

describe.skipIf(!parsesEscapedNames)('a field as it is written', () => {
  test('is what JSON.parse finds there, for any object and any name', () => {
    fc.assert(
      fc.property(fc.tuple(space, object, space), name, ([before, text, after], asked) => {
        const whole = `${before}${text}${after}`;
        const parsed = JSON.parse(whole) as Record<string, unknown>;
        for (const key of [asked, ...Object.keys(parsed)]) {
          const raw = rawField(whole, key);
          expect(parsedRaw(raw)).toEqual(own(parsed, key));
          // The value alone, with no space around it.
          if (raw !== undefined) expect(raw).toBe(raw.trim());
        }
      }),
      { numRuns: 400 },
    );
  });

  test('is found along a path, for any nesting', () => {
    fc.assert(
      fc.property(
        object,
        value,
        fc.array(fc.constantFrom('a', 'b', 'metadata'), { minLength: 1, maxLength: 3 }),
        (outer, inner, path) => {
          // An object that has the path for certain, and one that may have it.
          const deep = path.reduceRight(
            (text, key) => `{ "x": ${outer}, ${JSON.stringify(key)} : ${text} }`,
            inner,
          );
          for (const whole of [deep, outer]) {
            const found = path.reduce<unknown>(own, JSON.parse(whole));
            expect(parsedRaw(rawPath(whole, path.join('.')))).toEqual(found);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test.each([
    '9007199254740993',
    '1e400',
    '1.0',
    '-0',
    '1E+2',
    '"\\u00e9"',
    '"\\/"',
    '{ "b" : 1,  "a":[ 1.0 , 2 ] , "a": 3 }',
    '[ ]',
    'null',
  ])('keeps every character of %s', (text) => {
    const line = `{"data_url":"https://x.example/1",\t"metadata" : ${text} , "type":"t"}`;
    expect(rawField(line, 'metadata')).toBe(text);
    expect(rawPath(`{"m":${line}}`, 'm.metadata')).toBe(text);
  });

  test('is the last of those that have its name, escaped or not', () => {
    expect(rawField('{"a":1,"\\u0061":2,"b":3}', 'a')).toBe('2');
    expect(rawField('{"\\u0061":2,"a":1}', 'a')).toBe('1');
    expect(rawPath('{"m":{"id":1},"m":{"other":2}}', 'm.id')).toBeUndefined();
  });
});
