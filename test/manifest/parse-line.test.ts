import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ParsedLine, parseLine, type RawLine } from '../../src/manifest/index.js';

const URL_OK = 'https://images.example.org/1.jpg';
const parse = (value: unknown) => parseText(typeof value === 'string' ? value : JSON.stringify(value));
const parseText = (text: string | null) => read({ line: 1, end: 1, bytes: 1, text });
/** The answer; of a rejected line, what its `input` stands for: that is JSON text in every answer. */
const read = (raw: RawLine) => withInput(parseLine(raw));
const withInput = (parsed: ParsedLine) =>
  parsed.kind === 'rejected' ? { ...parsed, input: JSON.parse(parsed.input) as unknown } : parsed;
const SPEC = { question: 'Which?', options: ['a', 'b'] };

test('a line becomes an item, unknown fields and all', () => {
  const input = {
    data_url: URL_OK,
    type: 'x',
    label_spec: { ...SPEC, hint: 1 },
    consensus_threshold: 10,
    idempotency_key: 'k',
    more: [1],
  };
  expect(parse(input)).toEqual({
    kind: 'item',
    item: {
      data_url: URL_OK,
      metadata: null,
      type: 'x',
      label_spec: { ...SPEC, hint: 1 },
      consensus_threshold: 10,
      idempotency_key: 'k',
      input,
      text: JSON.stringify(input),
    },
  });
});

test('an object is kept as it is written, taken or rejected', () => {
  const written = `{ "data_url": "${URL_OK}",  "metadata": 9007199254740993, "a": 1.0 }`;
  expect(parse(`\t${written} \r`)).toMatchObject({ kind: 'item', item: { text: written } });
  const wrong = written.replace('https', 'ftp');
  expect(parseLine({ line: 1, end: 1, bytes: 1, text: ` ${wrong}\r` })).toMatchObject({
    kind: 'rejected',
    input: wrong,
  });
  const record = `{"stage":"submit","error":{},"input":${written}}`;
  expect(parse(record)).toMatchObject({ kind: 'item', item: { text: written } });
});

test.each([0, false, '', 'text', [1, { a: null }], { deep: { er: 1 } }])(
  'metadata may be any JSON: %j',
  (metadata) => {
    expect(parse({ data_url: URL_OK, metadata })).toMatchObject({ kind: 'item', item: { metadata } });
  },
);

test('null overrides are absent ones', () => {
  const parsed = parse({
    data_url: URL_OK,
    type: null,
    label_spec: null,
    consensus_threshold: null,
    idempotency_key: null,
  });
  expect(parsed.kind === 'item' && Object.keys(parsed.item).sort()).toEqual([
    'data_url',
    'input',
    'metadata',
    'text',
  ]);
});

test.each(['', ' ', '\t \r', '\u00a0'])('blank: %j', (text) =>
  expect(parse(text)).toEqual({ kind: 'blank' }),
);

describe('each rejection says which field and why', () => {
  test.each<[unknown, RegExp]>([
    [{}, /^data_url: is missing/],
    [{ data_url: null }, /^data_url: must be an http\(s\) URL, got null/],
    [{ data_url: '' }, /^data_url: must be an http\(s\) URL, got ""/],
    [{ data_url: 7 }, /^data_url:.*got 7/],
    [{ data_url: 'ftp://a.example/b' }, /^data_url: must be an http\(s\) URL, got "ftp:\/\/a.example\/b"/],
    [{ data_url: 'https://' }, /^data_url/],
    [{ data_url: 'http:a.example' }, /^data_url/],
    [{ data_url: ' https://a.example' }, /^data_url/],
    [{ data_url: 'https://[::1' }, /^data_url/],
    [{ data_url: `ftp://${'x'.repeat(500)}` }, /^.{0,140}…$/],
    [{ data_url: URL_OK, type: '' }, /^type: must be a non-empty string, got ""/],
    [{ data_url: URL_OK, type: 1 }, /^type/],
    [{ data_url: URL_OK, label_spec: 'x' }, /^label_spec: must be an object/],
    [{ data_url: URL_OK, label_spec: { options: ['a', 'b'] } }, /^label_spec: question/],
    [
      { data_url: URL_OK, label_spec: { ...SPEC, options: ['a'] } },
      /^label_spec: options must be an array of two/,
    ],
    [{ data_url: URL_OK, label_spec: { ...SPEC, options: ['a', ''] } }, /^label_spec: every option/],
    [{ data_url: URL_OK, label_spec: { ...SPEC, options: ['a', 1] } }, /^label_spec: every option/],
    [{ data_url: URL_OK, label_spec: { ...SPEC, options: ['a', 'a'] } }, /^label_spec: options must differ/],
    [
      { data_url: URL_OK, consensus_threshold: 1 },
      /^consensus_threshold: must be an integer from 2 to 10, got 1/,
    ],
    [{ data_url: URL_OK, consensus_threshold: 11 }, /^consensus_threshold/],
    [{ data_url: URL_OK, consensus_threshold: 2.5 }, /^consensus_threshold/],
    [{ data_url: URL_OK, consensus_threshold: '3' }, /^consensus_threshold.*got "3"/],
    [{ data_url: URL_OK, idempotency_key: '' }, /^idempotency_key/],
    [{ data_url: URL_OK, idempotency_key: 'k'.repeat(256) }, /^idempotency_key.*at most 255/],
  ])('%j', (input, message) => {
    const parsed = parse(input);
    expect(parsed).toMatchObject({ kind: 'rejected', problem: { code: 'invalid_line' }, input });
    expect(parsed.kind === 'rejected' && parsed.problem.message).toMatch(message);
  });

  test.each([
    ['[1]', 'an array'],
    ['7', 'a number'],
    ['null', 'null'],
    ['"x"', 'a string'],
    ['true', 'a boolean'],
  ])('%s', (text, name) => {
    expect(parse(text)).toEqual({
      kind: 'rejected',
      problem: { code: 'invalid_line', message: `must be a JSON object, got ${name}` },
      input: text,
    });
  });

  test.each(['{', "{'a':1}", '{"a":1},', 'NaN', '{"a":"\0"}', '{"a":1}{"b":2}'])(
    'invalid JSON: %j',
    (text) => {
      expect(parseText(text)).toMatchObject({
        kind: 'rejected',
        problem: { code: 'invalid_json' },
        input: text,
      });
    },
  );
});

test('nesting is bounded whatever the depth, brackets in strings do not count', () => {
  const nested = (depth: number) =>
    `{"data_url":"${URL_OK}","metadata":${'['.repeat(depth)}${']'.repeat(depth)}}`;
  expect(parse(nested(511)).kind).toBe('item');
  for (const text of [nested(512), nested(400_000), '['.repeat(100_000), '{"a":'.repeat(100_000)]) {
    expect(parse(text)).toMatchObject({
      kind: 'rejected',
      problem: { code: 'invalid_line', message: expect.stringMatching(/nested deeper than 512/) },
    });
  }
  expect(parse({ data_url: URL_OK, metadata: `\\"${'['.repeat(5000)}` }).kind).toBe('item');
});

test('what is shown of a long text is at most 4 KiB of whole characters', () => {
  const parsed = parse('雪'.repeat(3000));
  expect(parsed).toMatchObject({ kind: 'rejected', input: '雪'.repeat(1365) });
});

test('a problem found while reading is passed on with what can be shown', () => {
  const problem = { code: 'line_too_long', message: 'm' } as const;
  expect(read({ line: 1, end: 1, bytes: 1, text: 'x', problem })).toEqual({
    kind: 'rejected',
    problem,
    input: 'x',
  });
});

describe('a record of a failures file', () => {
  const record = {
    line: 3,
    source: null,
    stage: 'submit',
    error: { code: 'rejected', message: 'm' },
    attempts: 1,
    idempotency_key: 'old-3',
  };

  test('is taken by its input, under the key it had', () => {
    const input = { data_url: URL_OK, metadata: 1, idempotency_key: 'own' };
    expect(parse({ ...record, input })).toEqual({
      kind: 'item',
      item: {
        data_url: URL_OK,
        metadata: 1,
        idempotency_key: 'old-3',
        input,
        text: JSON.stringify(input),
      },
    });
    expect(parse({ ...record, idempotency_key: null, input })).toMatchObject({
      item: { idempotency_key: 'own' },
    });
  });

  test('keeps its key when the input is still wrong', () => {
    expect(parse({ ...record, input: { data_url: 'x' } })).toMatchObject({
      kind: 'rejected',
      problem: { message: expect.stringMatching(/^data_url/) },
      input: { data_url: 'x' },
      idempotency_key: 'old-3',
    });
  });

  test('is rejected when its input was no object', () => {
    expect(parse({ ...record, input: '{"cut' })).toMatchObject({
      kind: 'rejected',
      problem: { message: expect.stringMatching(/^input: must be/) },
      input: '{"cut',
    });
  });

  test('is an ordinary line when it has a data_url of its own', () => {
    expect(parse({ ...record, input: {}, data_url: URL_OK })).toMatchObject({ item: { data_url: URL_OK } });
  });
});

test('never throws, and every answer can be written as JSON', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.json({ maxDepth: 3 }),
        fc.object({ maxKeys: 3, maxDepth: 2 }).map((value) => JSON.stringify({ data_url: URL_OK, ...value })),
      ),
      (text) => {
        expect(JSON.stringify(parse(text))).toBeTypeOf('string');
      },
    ),
  );
});

test('an address is taken exactly when it is an http(s) URL, whichever way that is found out', () => {
  const label = fc.stringMatching(/^[a-zA-Z0-9-]{0,6}$/);
  const url = fc.oneof(
    fc
      .tuple(fc.constantFrom('http://', 'https://', 'HTTPS://', 'ftp://'), fc.array(label, { maxLength: 4 }))
      .map(([scheme, labels]) => `${scheme}${labels.join('.')}`),
    fc.constantFrom(
      'https://xn--a.example/',
      'https://1.2.3.4.5/',
      'https://0x7f.1/',
      'https://a.0x1/',
      'https://a..b/x',
    ),
    fc.webUrl(),
  );
  const path = fc.oneof(fc.constant(''), fc.stringMatching(/^\/[ -~é]{0,12}$/));
  fc.assert(
    fc.property(url, path, (origin, rest) => {
      const data_url = origin + rest;
      const taken = /^https?:\/\/\S(.*\S)?$/i.test(data_url) && parses(data_url);
      expect(parse({ data_url }).kind).toBe(taken ? 'item' : 'rejected');
    }),
    { numRuns: 2_000 },
  );
});

function parses(text: string): boolean {
  try {
    return Boolean(new URL(text));
  } catch {
    return false;
  }
}

test('a host that is not ASCII is taken however often the check has run', () => {
  const line = JSON.stringify({ data_url: 'https://b\u00fccher.example/1.jpg' });
  for (let n = 0; n < 30_000; n += 1) if (parse(line).kind !== 'item') expect.fail(`refused at call ${n}`);
});
