import { expect, test } from 'vitest';
import type { RunSummary } from '../../src/runs/status.js';
import { cli, outOf } from '../pipeline/cli.js';
import { boughtTasks, numbered, readOut, sandbox, tempDir, writeManifest } from '../pipeline/harness.js';
import { freePort, SECRET } from './harness.js';

/** Polls come later than any test ends. So a line that settles was reported by a delivery. */
const LATE = ['--poll-delay', '30s', '--poll-max-delay', '60s'];
/** A task without a delivery is polled after about a second. */
const SOON = ['--poll-delay', '40ms', '--poll-max-delay', '100ms'];

/** A result call for each task, the second ones too; with trust none, but where the condition looks at what no delivery tells. */
test.each([
  { condition: 'confidence<0.85', trust: false, polls: LATE, drop: 0, asks: true },
  { condition: 'confidence<0.85', trust: true, polls: LATE, drop: 0, asks: false },
  { condition: 'agreement<0.85', trust: true, polls: LATE, drop: 0, asks: true },
  { condition: 'confidence<0.85', trust: false, polls: SOON, drop: 0.4, asks: null },
])(
  'run --escalate $condition with webhooks (trust: $trust, deliveries lost: $drop): both tasks are told of, and bought once',
  async ({ condition, trust, polls, drop, asks }) => {
    const gateway = await sandbox({ settle: { minMs: 50, maxMs: 300 }, webhookDrop: drop });
    const dir = await tempDir();
    const manifest = await writeManifest(dir, numbered(60));
    const port = await freePort();
    const { status, stdout, stderr } = await cli(
      [
        ...['run', manifest, '--gateway-url', gateway.url, '--out', 'out', '--json', '--quiet'],
        ...['--question', 'Which?', '--options', 'cat,dog', '--poll', 'fixed', ...polls],
        ...['--webhook-url', `http://127.0.0.1:${port}/hook`, '--webhook-port', String(port)],
        ...['--escalate', condition, ...(trust ? ['--webhook-trust'] : [])],
      ],
      { cwd: dir, env: { ASG_WEBHOOK_SECRET: SECRET } },
    );
    expect(status, stderr).toBe(0);
    const summary = JSON.parse(stdout) as RunSummary;
    const again = summary.escalated?.lines ?? 0;
    expect(again).toBeGreaterThan(10);
    expect(summary).toMatchObject({
      ...{ settled: 60, failed: 0, escalated: { condition, changed: 0, failed: 0, not_asked: 0 } },
    });
    const bought = await boughtTasks(gateway.url);
    expect(bought).toHaveLength(60 + again);
    expect(new Set(bought.map((task) => task.idempotency_key)).size).toBe(60 + again);

    const { results: rows } = await readOut(outOf(dir));
    expect(rows.filter((row) => row.escalation === 'same')).toHaveLength(again);
    for (const row of rows) {
      const first = row.escalated_from?.task_id;
      expect(first === undefined).toBe(row.escalation === null);
      expect(bought.some((task) => task.task_id === row.task_id)).toBe(true);
      if (first !== undefined) expect(bought.some((task) => task.task_id === first)).toBe(true);
    }
    const asked = Object.values(summary.gateway_calls.result ?? {}).reduce((sum, n) => sum + n, 0);
    if (asks === null) return;
    expect(rows.every((row) => row.settled_by === 'webhook')).toBe(true);
    expect(asked).toBe(asks ? 60 + again : 0);
    if (asks) expect(summary.escalated?.cost_sats).toBeGreaterThan(0);
  },
  90_000,
);
