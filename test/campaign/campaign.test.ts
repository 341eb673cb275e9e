import { expect, test } from 'vitest';
import { runCampaign } from './campaign.js';
import { formatReport } from './report.js';

const SECONDS = 60;

test('a short campaign: no line is lost or doubled, no task is paid twice, no run hangs or dies', async () => {
  const report = await runCampaign({
    ...{ seed: 'ci', minutes: SECONDS / 60, steps: 10, lines: [200, 400] },
    // What takes long, rather by what it is than by what it breaks.
    skip: ['redis: clock', 'run: SIGSTOP past', 'work: SIGSTOP past'],
    hungMs: 120_000,
  });
  expect(report.faults).toBeGreaterThan(0);
  expect(report.findings, formatReport(report)).toEqual([]);
}, 600_000);
