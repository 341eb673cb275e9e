import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseRateLimitHeaders, parseRetryAfter } from '../../src/gateway/index.js';

const NOW = 1_800_000_000_000;

test.each([
  [
    'a policy',
    { 'ratelimit-policy': '"default";q=100;w=60' },
    { policy: [{ limit: 100, windowMs: 60_000 }] },
  ],
  [
    'several, one with separators in its name',
    { 'ratelimit-policy': '"a,b;c";q=10;w=1, "day";q=500;w=86400' },
    {
      policy: [
        { limit: 10, windowMs: 1000 },
        { limit: 500, windowMs: 86_400_000 },
      ],
    },
  ],
  [
    'other units, and what is left of them',
    { 'ratelimit-policy': '"c";q=10;w=1;qu="content-bytes"', ratelimit: '"c";r=0;t=9, "n";r=7;t=2' },
    { remaining: 7, resetMs: 2000 },
  ],
  [
    'an older policy',
    { 'ratelimit-limit': '100, 100;w=10', 'ratelimit-remaining': '4', 'ratelimit-reset': '3' },
    { policy: [{ limit: 100, windowMs: 10_000 }], limit: 100, remaining: 4, resetMs: 3000 },
  ],
  ['the scarcest', { ratelimit: '"a";r=3;t=12, "b";r=0;t=5, "c";r=0;t=8' }, { remaining: 0, resetMs: 8000 }],
  ['draft 7', { ratelimit: 'limit=100, remaining=0, reset=7' }, { limit: 100, remaining: 0, resetMs: 7000 }],
  ['epoch seconds', { 'x-ratelimit-reset': '1800000005' }, { resetMs: 5000 }],
  ['epoch ms', { 'x-ratelimit-reset': '1800000002500' }, { resetMs: 2500 }],
  ['a duration', { 'x-ratelimit-reset-requests': '6m0s' }, { resetMs: 360_000 }],
  ['a fraction', { 'x-ratelimit-reset': '8.64s' }, { resetMs: 8640 }],
  ['sent twice', { 'x-ratelimit-remaining': '5, 2' }, { remaining: 2 }],
  ['nonsense', { 'ratelimit-policy': ';;=,w', ratelimit: 'r=;t', 'ratelimit-reset': 'soon 1' }, {}],
  ['a negative rest', { 'x-ratelimit-remaining': '-1' }, {}],
])('reads %s', (_name, headers, expected) => {
  expect(parseRateLimitHeaders(headers as Record<string, string>, NOW)).toEqual(expected);
});

test.each(['Thu, 01 Jan 2026 00:00:10 GMT', 'Thursday, 01-Jan-26 00:00:10 GMT', 'Thu Jan  1 00:00:10 2026'])(
  'Retry-After %s',
  (date) => expect(parseRetryAfter(date, Date.parse('2026-01-01T00:00:00Z'))).toBe(10_000),
);

test.each([
  ['quotes', '"'.repeat(16_384)],
  ['an odd number of quotes', '"'.repeat(16_383)],
  ['escapes in a string that is not closed', `"${'\\\\"'.repeat(8_192)}`],
  ['separators', ';,'.repeat(8_192)],
  ['digits', '1'.repeat(16_384)],
  ['spaces', ' '.repeat(16_384)],
  ['assignments', 'a='.repeat(8_192)],
])('16 KiB of %s cost as little as a short header', (_name, value) => {
  const headers = {
    'ratelimit-policy': value,
    ratelimit: value,
    'x-ratelimit-remaining': value,
    'x-ratelimit-reset': value,
  };
  parseRateLimitHeaders(headers, NOW);
  const began = process.cpuUsage();
  for (let i = 0; i < 20; i += 1) {
    parseRateLimitHeaders(headers, NOW);
    parseRetryAfter(value, NOW);
  }
  // 350 ms each with a pattern that backtracks; well under 1 ms without.
  expect(process.cpuUsage(began).user / 20_000).toBeLessThan(20);
});

test('a string that is not closed goes to the end of its header', () => {
  expect(parseRateLimitHeaders({ ratelimit: '"a";r=3;t=2, "b;r=0' }, NOW)).toEqual({
    remaining: 3,
    resetMs: 2000,
  });
  expect(parseRateLimitHeaders({ ratelimit: '"a\\";r=0";r=4;t=2' }, NOW)).toEqual({
    remaining: 4,
    resetMs: 2000,
  });
});

test('no header value makes it throw, or gives a negative number', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (a, b) => {
      const headers = {
        'ratelimit-policy': a,
        ratelimit: b,
        'x-ratelimit-reset': a,
        'x-ratelimit-remaining': b,
      };
      const { remaining = 0, resetMs = 0 } = parseRateLimitHeaders(headers, NOW);
      expect(Math.min(remaining, resetMs, parseRetryAfter(a, NOW) ?? 0)).toBeGreaterThanOrEqual(0);
    }),
  );
});
