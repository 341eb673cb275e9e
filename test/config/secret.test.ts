import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { secretUrl } from '../../src/config/secret.js';

test.each([
  ['redis://me:pass@host:6379/1?password=word', 'redis://***@host:6379/1?***'],
  ['redis://me@host/1', 'redis://***@host/1'],
  ['redis://:pass@host/', 'redis://***@host/'],
  ['https://host/hook?token=word', 'https://host/hook?***'],
  ['redis://host:6379/1', 'redis://host:6379/1'],
])('of a URL only scheme, host and path are shown: %s', (text, shown) => {
  const url = secretUrl(text);
  expect([String(url), JSON.stringify(url), inspect(url)]).toEqual([shown, JSON.stringify(shown), shown]);
  expect(url.reveal()).toBe(text);
});
