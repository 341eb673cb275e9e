import { expect, test } from 'vitest';
import { runCampaign } from './campaign.js';
import type { FindingKind } from './findings.js';
import { formatReport } from './report.js';

/** Faults of the product that are known and not mended yet; the shorter this list, the sharper the test. */
const KNOWN: FindingKind[] = ['metadata_bytes', 'wrong_input', 'died'];

const SECONDS = 40;

test('a short campaign: no line is lost or doubled, no task is paid twice, no run hangs', async () => {
  const report = await runCampaign({
    ...{ seed: 'ci', minutes: SECONDS / 60, steps: 6, lines: [200, 400], known: KNOWN },
    // What takes long, rather by what it is than by what it breaks.
    skip: ['redis: clock', 'run: SIGSTOP past', 'work: SIGSTOP past'],
    hungMs: 120_000,
  });
  expect(report.faults).toBeGreaterThan(0);
  expect(report.findings, formatReport(report)).toEqual([]);
}, 600_000);
