/**
 * A Gateway that costs as little as it can, for the benches: the same for the floors and for us, in a process of its own.
 *   node bench/lab/gateway.mjs '{"settleMs":50,"latencyMs":0,"log":false,"troubleEvery":0}'
 * Prints its port. No limit, no faults unless asked for: with `troubleEvery: 10` each tenth new line is answered 503 three
 * times before it is accepted. With `log`, `/bench/tasks` tells when each task was submitted and its label handed out.
 */
import http from 'node:http';

const TROUBLES = 3;
const options = {
  settleMs: 50,
  latencyMs: 0,
  log: false,
  troubleEvery: 0,
  ...JSON.parse(process.argv[2] ?? '{}'),
};
const now = () => performance.timeOrigin + performance.now();

/** By id, and by idempotency key: the same task, so that a key that comes again buys nothing. */
const tasks = new Map();
const byKey = new Map();
/** Answers of 503 that are left, by key, and the keys that had any. */
const troubles = new Map();
const troubled = new Set();
const webhooks = [];
const stats = {
  tasks: 0,
  replays: 0,
  refused: 0,
  pending: 0,
  labels: 0,
  first_submission_at: null,
  last_label_at: null,
};

const answers = {
  'POST /v1/tasks': (text) => {
    const task = JSON.parse(text);
    const known = byKey.get(task.idempotency_key);
    if (known) {
      stats.replays += 1;
      return [200, { task_id: known.id, status: 'pending', created_at: known.created, idempotent: true }];
    }
    if (inTrouble(task.idempotency_key)) {
      stats.refused += 1;
      return [503, { error: 'try again' }];
    }
    stats.first_submission_at ??= now();
    stats.tasks += 1;
    const at = Date.now();
    const made = {
      id: `tsk_${stats.tasks.toString(16).padStart(16, '0')}`,
      at,
      created: new Date(at).toISOString(),
    };
    if (options.log) Object.assign(made, { refused: troubled.has(task.idempotency_key), labelAt: null });
    tasks.set(made.id, made);
    byKey.set(task.idempotency_key, made);
    return [202, { task_id: made.id, status: 'pending', created_at: made.created }];
  },
  'POST /v1/webhooks': (text) => {
    const { callback_url, events = ['task.settled'] } = JSON.parse(text);
    const webhook = { webhook_id: `whk_${webhooks.length + 1}`, callback_url, events, active: true };
    webhooks.push(webhook);
    return [201, webhook];
  },
  'GET /v1/webhooks': () => [200, webhooks],
  'GET /bench/stats': () => {
    const { user, system } = process.cpuUsage();
    return [200, { ...stats, cpu_us: user + system }];
  },
  'GET /bench/tasks': () => [200, [...tasks.values()]],
};

/** Whether this line is one of those that are refused, and has not been refused often enough. */
function inTrouble(key) {
  if (options.troubleEvery === 0) return false;
  if (!troubles.has(key)) troubles.set(key, troubles.size % options.troubleEvery === 0 ? TROUBLES : 0);
  const left = troubles.get(key);
  troubles.set(key, Math.max(0, left - 1));
  if (left > 0) troubled.add(key);
  return left > 0;
}

function result(id) {
  const task = tasks.get(id);
  if (!task) return [404, { error: 'task not found' }];
  if (Date.now() - task.at < options.settleMs) {
    stats.pending += 1;
    return [202, { status: 'in_progress', message: 'still being labeled' }];
  }
  stats.labels += 1;
  stats.last_label_at = now();
  if (options.log) task.labelAt ??= Date.now();
  const settlement = { bsv_txid: 'ab'.repeat(32), cost_sats: 650, settled_at: task.created };
  const label = { consensus_label: 'cat', confidence: 1, worker_count: 3, agreement_count: 2 };
  return [200, { task_id: id, status: 'settled', ...label, created_at: task.created, ...settlement }];
}

function send(response, [status, body]) {
  const text = JSON.stringify(body);
  const write = () => {
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
    });
    response.end(text);
  };
  if (options.latencyMs > 0) setTimeout(write, options.latencyMs);
  else write();
}

const server = http.createServer((request, response) => {
  const { method, url = '' } = request;
  if (method === 'GET' && url.endsWith('/result')) return send(response, result(url.split('/')[3]));
  const answer = answers[`${method} ${url}`];
  if (!answer) return send(response, [404, { error: 'not found' }]);
  let text = '';
  request.on('data', (chunk) => {
    text += chunk;
  });
  request.on('end', () => send(response, answer(text)));
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
