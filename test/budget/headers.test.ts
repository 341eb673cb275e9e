import { expect, it } from 'vitest';
import { readLimitHeaders } from '../../src/budget/headers.js';

const NOW = 1_800_000_000_000;

it.each([
  ['a policy', { 'ratelimit-policy': '"default";q=100;w=60' }, { policy: 100 / 60 }],
  [
    'the strictest of several',
    { 'ratelimit-policy': '"burst";q=100;w=1, "day";q=8640;w=86400' },
    { policy: 0.1 },
  ],
  ['an older policy', { 'ratelimit-policy': '10;w=1, 50;w=10' }, { policy: 5 }],
  ['a policy beside the limit', { 'ratelimit-limit': '100, 100;w=10' }, { policy: 10 }],
  ['no policy of other units', { 'ratelimit-policy': '"c";q=10;w=1;qu="content-bytes"' }, {}],
  ['a limit without a window', { 'x-ratelimit-limit': '100' }, {}],
  ['nothing left', { ratelimit: '"default";r=0;t=12' }, { exhaustedMs: 12_000 }],
  ['nothing left, older', { ratelimit: 'limit=100, remaining=0, reset=7' }, { exhaustedMs: 7000 }],
  ['something left', { ratelimit: '"default";r=3;t=12' }, {}],
  ['seconds', { 'ratelimit-remaining': '0', 'ratelimit-reset': '3' }, { exhaustedMs: 3000 }],
  [
    'epoch seconds',
    { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1800000005' },
    { exhaustedMs: 5000 },
  ],
  ['epoch ms', { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1800000002500' }, { exhaustedMs: 2500 }],
  ['durations', { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1m8.5s' }, { exhaustedMs: 68_500 }],
  ['nonsense', { 'ratelimit-policy': ';;=,w', ratelimit: 'r=;t', 'ratelimit-reset': 'soon' }, {}],
])('reads %s', (_name, headers, expected) => {
  expect(readLimitHeaders(headers as Record<string, string>, NOW)).toEqual(expected);
});
