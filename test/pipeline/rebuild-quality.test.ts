import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../src/cli/commands/run.js';
import { status } from '../../src/cli/commands/status.js';
import type { RunSummary } from '../../src/runs/status.js';
import { callMain } from '../cli/harness.js';
import { findProblems, gatherEvidence } from '../oracle/find-problems.js';
import { uniquePrefix } from '../setup/redis-target.js';
import { answerOf, goldLine, OPTIONS, QUESTION, SEED } from './answers.js';
import { startCli, TASK } from './cli.js';
import {
  API_KEY,
  boughtTasks,
  numbered,
  readOut,
  sandbox,
  storeFlags,
  tempDir,
  until,
  writeManifest,
} from './harness.js';

const BELOW = 0.85;
const LINES = 300;
const GOLD = Array.from({ length: 40 }, (_, n) => 1_001 + n);

/** Every fourth gold line is known by another label than it will be given. */
const gold = GOLD.map((n) => goldLine(n, n % 4 === 0));

test('Redis lost in the middle: the parts tell how gold lines and second tasks stand, and nothing is bought twice', async () => {
  const gateway = await sandbox({ settle: { minMs: 50, maxMs: 300 } });
  const dir = await tempDir();
  const manifest = await writeManifest(dir, numbered(LINES));
  const file = await writeManifest(dir, gold, 'known.jsonl');
  const args = [
    ...['run', manifest, '--gateway-url', gateway.url, '--out', 'out', '--run-id', 'r', '--json', '--quiet'],
    ...[...TASK, '--gold', file, '--escalate', `confidence<${BELOW}`, '--part-age', '1s'],
  ];
  const first = startCli([...args, '--rate', '100', ...storeFlags({ prefix: uniquePrefix() })], { cwd: dir });
  const out = path.join(dir, 'out');
  await until(
    async () => {
      const { results: rows } = await readOut(out).catch(() => ({ results: [] }));
      return rows.some((row) => row.gold != null) && rows.some((row) => row.escalated_from != null);
    },
    'gold rows and second answers in parts',
    60_000,
  );
  first.kill('SIGKILL');
  await first.exit;

  // Another prefix acts as an empty Redis.
  const store = storeFlags({ prefix: uniquePrefix() });
  const asg = (...some: string[]) =>
    callMain([...some, ...store], { run, status }, { env: { ASG_API_KEY: API_KEY }, cwd: dir });
  const kept = (await readOut(out)).results;
  const { status: exit, stdout } = await asg(...args);
  expect(exit).toBe(0);
  expect(kept.length).toBeLessThan(LINES + GOLD.length);

  const all = [...numbered(LINES).map((_each, n) => n + 1), ...GOLD];
  const again = all.filter((n) => answerOf(n, 3).confidence < BELOW);
  const cost = (some: readonly number[], threshold: number) =>
    some.reduce((sum, n) => sum + answerOf(n, threshold).costSats, 0);
  const truth = {
    ...{ state: 'completed', lines: all.length, settled: all.length, failed: 0 },
    cost_sats: cost(all, 3) + cost(again, 5),
    gold: { lines: 40, agreed: 30, disagreed: 10, failed: 0, share: 0.75 },
    escalated: {
      ...{ condition: `confidence<${BELOW}`, lines: again.length, changed: 0, failed: 0, not_asked: 0 },
      cost_sats: cost(again, 5),
    },
  };
  expect(JSON.parse(stdout) as RunSummary).toMatchObject(truth);
  expect(JSON.parse((await asg('status', 'r', '--json')).stdout)).toMatchObject(truth);
  expect(await boughtTasks(gateway.url)).toHaveLength(all.length + again.length);
  const asked = {
    ...{ runId: 'r', question: QUESTION, options: OPTIONS, threshold: 3, key: 'line', seed: SEED },
    escalateBelow: BELOW,
  };
  const sources = [
    { name: null, text: await readFile(manifest, 'utf8') },
    { name: 'gold', text: await readFile(file, 'utf8'), gold: true as const },
  ];
  const evidence = await gatherEvidence(
    { out, gatewayUrl: gateway.url },
    { asked, sources, allowed: {}, reported: stdout },
  );
  expect(findProblems(evidence)).toEqual([]);
}, 120_000);
