import { expect, test } from 'vitest';
import type { ConsumedRun } from '../../src/consumers/gateway-call.js';
import { createReach, neverReached } from '../../src/consumers/reach.js';
import { ASGNetworkError, ASGTimeoutError, httpError } from '../../src/gateway/errors.js';
import { shownRun } from '../web/pages/runs.js';

const REFUSED = new ASGNetworkError('POST /v1/tasks: ', {
  cause: Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }),
});

/** A run that tries calls for a second, by a clock of its own. */
function calling() {
  let now = 0;
  const reach = createReach(() => now);
  const run = { reach, record: { policy: { retryForMs: 1_000 } } } as unknown as ConsumedRun;
  const { status, record } = shownRun();
  return {
    reach,
    read: (state: 'running' | 'blocked', gateway_calls: Record<string, Record<string, number>> = {}) =>
      reach.read({ status: { ...status, gateway_calls }, record: { ...record, state } }),
    fail(error: Error = REFUSED) {
      reach.called({ status: error instanceof ASGTimeoutError ? 'timeout' : 'network_error' });
      return neverReached(run, error);
    },
    pass: (ms: number) => {
      now += ms;
    },
  };
}

test('a run that has had no answer for --retry-for is unreachable, whatever kept the answers away', () => {
  const { fail, pass } = calling();
  expect(fail()).toBeNull();
  pass(999);
  expect(fail()).toBeNull();
  pass(1);
  expect(fail()).toMatchObject({
    kind: 'run',
    reason: 'unreachable',
    message: expect.stringContaining('never answered: nothing listens there (ECONNREFUSED)'),
  });
  expect(fail(new ASGTimeoutError('no answer within 30000 ms'))).toMatchObject({ reason: 'unreachable' });
  expect(fail(httpError(500, {}, undefined))).toBeNull();
});

test('one answer, of this process or of another one on record, and the Gateway is waited for', () => {
  const here = calling();
  here.fail();
  here.reach.called({ status: 500 });
  here.pass(5_000);
  expect(here.fail()).toBeNull();
  const elsewhere = calling();
  elsewhere.fail();
  elsewhere.pass(5_000);
  elsewhere.read('running', { submit: { network_error: 3, timeout: 1 } });
  expect(elsewhere.fail()).toMatchObject({ reason: 'unreachable' });
  elsewhere.read('running', { submit: { network_error: 3, 202: 1 } });
  expect(elsewhere.fail()).toBeNull();
});

test('a run that is resumed is tried anew', () => {
  const { fail, pass, read } = calling();
  fail();
  pass(5_000);
  expect(fail()).toMatchObject({ reason: 'unreachable' });
  read('blocked');
  read('running');
  expect(fail()).toBeNull();
});
