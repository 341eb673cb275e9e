import fc from 'fast-check';
import { expect, test } from 'vitest';
import { costDayField, envelopeOf } from '../../src/runs/envelope.js';
import { runKeys } from '../../src/runs/keys.js';
import { admit } from '../../src/runs/scripts.js';
import { pipelineTo } from '../pipeline/harness.js';

const VERDICTS = { run: 'spend', day: 'day', never: 'day' } as const;

const limit = fc.option(fc.nat(40));
const policies = fc.record({
  spend: limit,
  spendPerDay: limit,
  priceSats: fc.option(fc.integer({ min: 1, max: 10 })),
  escalates: fc.boolean(),
});
const counted = fc.record({
  cost_sats: fc.nat(40),
  today: fc.nat(20),
  unpriced: fc.nat(3),
  bought_again: fc.nat(2),
  labeler_sats: fc.nat(4),
  labelers: fc.nat(5),
});

test('while no task is out, a line is kept from the Gateway just where the run is said to have spent its limit', async () => {
  const { redis, prefix } = await pipelineTo('http://127.0.0.1:1');
  const keys = runKeys(prefix, 'r');
  const property = fc.asyncProperty(
    policies,
    counted,
    fc.nat(3),
    async ({ escalates, ...limits }, { today, ...sats }, timeouts) => {
      const policy = {
        maxInFlight: 10,
        budget: null,
        ...limits,
        ...(escalates && { escalates: true as const }),
      };
      const numbers = { ...sats, [costDayField(Date.now())]: today };
      const counts = Object.fromEntries(Object.entries(numbers).map(([field, n]) => [field, String(n)]));
      const failures = { result_timeout: String(timeouts) };
      await redis.del(keys.counts, keys.failures, keys.admitted(0));
      await redis.hset(keys.record, { state: 'running', policy: JSON.stringify(policy) });
      await redis.hset(keys.counts, counts);
      await redis.hset(keys.failures, failures);
      const { spent } = envelopeOf(counts, failures, policy, Date.now());
      expect(await admit(redis, keys, 0, [1])).toEqual([spent === null ? 'fresh' : VERDICTS[spent]]);
    },
  );
  await fc.assert(property, { numRuns: 300 });
});
