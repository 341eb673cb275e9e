import { pino } from 'pino';
import { expect, test } from 'vitest';
import { watchForecast } from '../../../src/plan/forecast/watch.js';
import type { RunReading } from '../../../src/runs/read-status.js';
import { pipelineTo } from '../../pipeline/harness.js';
import { shownRun } from '../../web/pages/runs.js';

test('a Redis that refuses ends no run for want of a forecast', async () => {
  const { redis, prefix, budget } = await pipelineTo('http://127.0.0.1:1');
  const refusing = async () => {
    throw new Error('OOM command not allowed when used memory > maxmemory');
  };
  const forecast = watchForecast(
    { redis, prefix, budget: { ...budget, snapshot: refusing }, log: pino({ level: 'silent' }) },
    'r',
  );
  const reading: RunReading = { ...shownRun(), ownWait: null } as RunReading;
  await forecast.look(reading);
  expect(reading.status.forecast ?? null).toBeNull();
});
