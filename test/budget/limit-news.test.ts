import { expect, it } from 'vitest';
import { limitFromHeaders } from '../../src/budget/limit-from-headers.js';

const NOW = 1_800_000_000_000;
const in7s = new Date(NOW + 7000).toUTCString();

it.each([
  ['a policy', { 'ratelimit-policy': '"default";q=100;w=60' }, { policy: 100 / 60 }],
  ['the strictest pace', { 'ratelimit-policy': '"burst";q=100;w=1, "minute";q=600;w=60' }, { policy: 10 }],
  [
    'a day as a quota and no pace',
    { 'ratelimit-policy': '"burst";q=20;w=1, "day";q=1000;w=86400' },
    { policy: 20 },
  ],
  ['a day alone as no pace', { 'ratelimit-policy': '"day";q=1000;w=86400' }, {}],
  ['an older policy', { 'ratelimit-policy': '10;w=1, 50;w=10' }, { policy: 5 }],
  ['a policy beside the limit', { 'ratelimit-limit': '100, 100;w=10' }, { policy: 10 }],
  ['no policy of other units', { 'ratelimit-policy': '"c";q=10;w=1;qu="content-bytes"' }, {}],
  ['a limit without a window', { 'x-ratelimit-limit': '100' }, {}],
  [
    'a window that is told by its reset',
    { 'x-ratelimit-limit': '300', 'x-ratelimit-remaining': '299', 'x-ratelimit-reset': '60' },
    { guess: 5 },
  ],
  [
    'nothing of a window of an hour',
    { 'x-ratelimit-limit': '5000', 'x-ratelimit-remaining': '4999', 'x-ratelimit-reset': '3600' },
    {},
  ],
  ['nothing left', { ratelimit: '"default";r=0;t=12' }, { exhaustedMs: 12_000 }],
  [
    'nothing left, older',
    { ratelimit: 'limit=100, remaining=0, reset=7' },
    { guess: 100 / 7, exhaustedMs: 7000 },
  ],
  ['something left', { ratelimit: '"default";r=3;t=12' }, {}],
  ['seconds', { 'ratelimit-remaining': '0', 'ratelimit-reset': '3' }, { exhaustedMs: 3000 }],
  [
    'epoch seconds',
    { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1800000005' },
    { exhaustedMs: 5000 },
  ],
  ['epoch ms', { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1800000002500' }, { exhaustedMs: 2500 }],
  ['durations', { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1m8.5s' }, { exhaustedMs: 68_500 }],
  [
    'a day that is used up, a second that is not',
    { ratelimit: '"burst";r=10;t=1, "daily";r=0;t=3600' },
    { exhaustedMs: 3_600_000 },
  ],
  [
    'requests by their name',
    { 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '9s' },
    { exhaustedMs: 9000 },
  ],
  [
    'names with one more hyphen',
    { 'x-rate-limit-remaining': '0', 'x-rate-limit-reset': '4' },
    { exhaustedMs: 4000 },
  ],
  ['a date', { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': in7s }, { exhaustedMs: 7000 }],
  [
    'a header that came twice',
    { 'x-ratelimit-remaining': '5, 0', 'x-ratelimit-reset': '6' },
    { exhaustedMs: 6000 },
  ],
  ['nonsense', { 'ratelimit-policy': ';;=,w', ratelimit: 'r=;t', 'ratelimit-reset': 'soon' }, {}],
])('reads %s', (_name, headers, expected) => {
  expect(limitFromHeaders(headers as Record<string, string>, NOW)).toEqual(expected);
});
