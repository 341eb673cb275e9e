/**
 * What a pilot and `plan` forecast for five runs, compared with what the runs took: `npm run bench:forecast [-- lines rate]`.
 * Each run has a local Gateway of its own that nobody has seen before; a pilot of a sixth of the lines finds out what it is
 * like. Needs the built package.
 */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { PilotReport } from '../src/plan/pilot/report.js';
import type { Plan } from '../src/plan/plan.js';
import type { RunSummary } from '../src/runs/status.js';
import { cleanUp, cli, dir, manifest, remoteGateway, TASK } from './harness.js';

const [LINES = 1_200, RATE = 40] = process.argv.slice(2).map(Number);
const PILOT = Math.round(LINES / 6);
const HOOK_PORT = 19_465;
process.env.ASG_WEBHOOK_SECRET = 'a secret of the bench';

interface Case {
  name: string;
  gateway: string[];
  options: string[];
  /** One in so many lines is no valid one. */
  rejectedOneIn?: number;
}

const QUICK = ['--settle', '1s..5s'];
const CASES: Case[] = [
  { name: 'known limit', gateway: QUICK, options: ['--rate', String(RATE)] },
  { name: 'unknown limit', gateway: [...QUICK, '--rate-limit', String(RATE)], options: [] },
  {
    name: 'webhooks',
    gateway: [...QUICK, '--allow-internal-addresses'],
    options: [
      ...['--rate', String(RATE), '--webhook-port', String(HOOK_PORT)],
      ...['--webhook-url', `http://127.0.0.1:${HOOK_PORT}/hook`],
    ],
  },
  { name: '1% rejected', gateway: QUICK, options: ['--rate', String(RATE)], rejectedOneIn: 100 },
  { name: 'slow labels', gateway: ['--settle', '20s..60s'], options: ['--rate', String(RATE)] },
];

async function withRejections(oneIn: number): Promise<string> {
  const file = path.join(dir, `one-in-${oneIn}.jsonl`);
  const lines = Array.from({ length: LINES }, (_, n) =>
    JSON.stringify({ data_url: `${n % oneIn === 7 ? 'ftp' : 'https'}://images.example.org/items/${n}.jpg` }),
  );
  await writeFile(file, `${lines.join('\n')}\n`);
  return file;
}

async function answerOf<T>(...args: string[]): Promise<T> {
  const { status, stdout } = await cli(...args).exit;
  if (status !== 0 && status !== 3) throw new Error(`${args.join(' ')}: exit ${status}`);
  return JSON.parse(stdout) as T;
}

const off = (expected: number | undefined, was: number) =>
  expected === undefined ? 'unknown' : `${was === 0 ? '0.0' : ((100 * (expected - was)) / was).toFixed(1)}%`;
const row = (cells: (string | number)[]) =>
  console.log(cells.map((cell) => String(cell).padStart(15)).join(''));

row(['run', 'forecast by', 'cost, sats', 'off', 'calls', 'off', 'seconds', 'off']);
const only = process.env.ONLY;
try {
  const plain = await manifest(LINES);
  for (const { name, gateway, options, rejectedOneIn } of CASES) {
    if (only !== undefined && !name.includes(only)) continue;
    const { url, stop } = await remoteGateway(...gateway);
    const file = rejectedOneIn === undefined ? plain : await withRejections(rejectedOneIn);
    const prefix = `bench-${name.replace(/[^a-z0-9]/g, '-')}`;
    const same = [
      file,
      '--gateway-url',
      url,
      '--prefix',
      prefix,
      '--out',
      path.join(dir, prefix),
      ...options,
      ...TASK,
      '--json',
    ];
    const { pilot } = await answerOf<{ pilot: PilotReport }>(
      'run',
      ...same,
      '--quiet',
      '--pilot',
      String(PILOT),
    );
    const plan = await answerOf<Plan>('plan', ...same.filter((each) => each !== '--json'), '--json');
    const run = await answerOf<RunSummary>('run', ...same, '--quiet');
    const { calls = 0, seconds = 0, cost_sats: cost = 0 } = run.forecast?.actual ?? {};
    // A pilot's forecast of the cost is that of the lines which it has not bought.
    const paid = (pilot.cost_per_label_sats?.expected ?? 0) * (plan.tasks - pilot.rest.tasks.expected);
    const rest = pilot.rest.cost_sats?.expected;
    for (const [by, sats, made, took] of [
      ['pilot', rest === undefined ? undefined : rest + paid, pilot.rest.calls, pilot.rest.seconds],
      ['plan', plan.cost_sats?.expected, plan.calls, plan.seconds],
    ] as const)
      row([
        name,
        by,
        sats === undefined ? '-' : Math.round(sats),
        off(sats, cost),
        made?.expected ?? '-',
        off(made?.expected, calls),
        took?.expected ?? '-',
        off(took?.expected, seconds),
      ]);
    row([name, 'was', cost, '', calls, '', seconds.toFixed(1), '']);
    stop();
  }
} finally {
  await cleanUp();
}
