/**
 * Requests per second of the local Gateway, in a process of its own, as the pipeline uses it: submissions with keys,
 * then polls of one settled task. `npx tsx bench/sandbox.ts [seconds] [journal directory]`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';

interface Setup {
  method: 'GET' | 'POST';
  path: string;
  headers: Record<string, string>;
  setupRequest?: (request: Record<string, unknown>) => Record<string, unknown>;
}
interface Measured {
  requests: { average: number };
  latency: { p50: number; p99: number };
  non2xx: number;
  errors: number;
}
type Autocannon = (options: object) => Promise<Measured>;

// The package has no types of its own.
const packageName: string = 'autocannon';
const autocannon = ((await import(packageName)) as { default: Autocannon }).default;

const seconds = Number(process.argv[2] ?? 5);
const dir = process.argv[3] ?? null;
const headers = { authorization: 'Bearer sk_sandbox_bench', 'content-type': 'application/json' };
const task = (n: number | string) =>
  JSON.stringify({
    type: 'image_classification',
    data_url: `https://images.example.org/animals/${n}.jpg`,
    label_spec: { question: 'Which animal is this?', options: ['cat', 'dog', 'bird', 'other'] },
    consensus_threshold: 3,
    idempotency_key: `run-0123456789abcdef:0:${n}`,
  });

const main = fileURLToPath(new URL('../src/sandbox/main.ts', import.meta.url));
const options = { port: 0, settle: { minMs: 0, maxMs: 0 }, dir };
const child = spawn(process.execPath, ['--import', 'tsx', main, JSON.stringify(options)], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
const { url } = JSON.parse(line) as { url: string };

async function measure(name: string, setup: Setup): Promise<void> {
  const { requests, latency, non2xx, errors } = await autocannon({
    url,
    connections: 50,
    duration: seconds,
    requests: [setup],
  });
  const rate = Math.round(requests.average).toLocaleString('en');
  console.log(
    `${name}: ${rate} requests/s, p50 ${latency.p50} ms, p99 ${latency.p99} ms, ${non2xx + errors} failed`,
  );
}

try {
  let n = 0;
  await measure('submit', {
    method: 'POST',
    path: '/v1/tasks',
    headers,
    setupRequest: (sent) => {
      n += 1;
      return { ...sent, body: task(n) };
    },
  });
  const answer = await request(`${url}/v1/tasks`, { method: 'POST', headers, body: task('one') });
  const { task_id } = (await answer.body.json()) as { task_id: string };
  await measure('poll (settled)', { method: 'GET', path: `/v1/tasks/${task_id}/result`, headers });
} finally {
  child.kill('SIGTERM');
  await once(child, 'exit');
}
