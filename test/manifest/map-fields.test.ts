import { expect, test } from 'vitest';
import { parseLine } from '../../src/manifest/index.js';
import { fieldMapOf, mapFields } from '../../src/manifest/map-fields.js';

test.each([
  ['{"image_url":"u"}', 'data_url=image_url', '{"image_url":"u","data_url":"u"}'],
  ['{}', 'data_url=image_url', '{}'],
  ['{ "a" : 1 }', 'data_url=a', '{ "a" : 1,"data_url":1}'],
  ['{"data_url":"old","a":"new"}', 'data_url=a', '{"data_url":"new","a":"new"}'],
  [
    '{"a":{"b":{"c":9007199254740993}}}',
    'metadata.id=a.b.c',
    '{"a":{"b":{"c":9007199254740993}},"metadata":{"id":9007199254740993}}',
  ],
  ['{"metadata":{"k":1.0},"a":1e400}', 'metadata.x=a', '{"metadata":{"k":1.0,"x":1e400},"a":1e400}'],
  ['{"metadata":"text","a":1}', 'metadata.x=a', '{"metadata":{"x":1},"a":1}'],
  ['{"a.b":"}","a":{"b":2}}', 'type=a.b', '{"a.b":"}","a":{"b":2},"type":"}"}'],
  ['{"__proto__":{"x":1}}', 'metadata=__proto__', '{"__proto__":{"x":1},"metadata":{"x":1}}'],
])('%s by %s', (object, map, expected) => {
  expect(mapFields(object, fieldMapOf([map]))).toBe(expected);
});

test('the fields of a failure are mapped in its input, and once more does no harm', () => {
  const map = fieldMapOf(['data_url=image_url']);
  const input = '{"image_url":"https://x.example/1","n":12345678901234567890}';
  const record = `{"line":3,"stage":"submit","error":{"code":"rejected"},"idempotency_key":"k","input":${input}}`;
  const parsed = parseLine({ line: 1, end: 0, bytes: 0, text: record }, map);
  if (parsed.kind !== 'item') throw new Error(JSON.stringify(parsed));
  expect(parsed.item).toMatchObject({ data_url: 'https://x.example/1', idempotency_key: 'k' });
  expect(parsed.item.text).toContain('12345678901234567890');
  expect(mapFields(parsed.item.text, map)).toBe(parsed.item.text);
});
