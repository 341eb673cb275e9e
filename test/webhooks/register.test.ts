import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { cli, outOf } from '../pipeline/cli.js';
import { line, pipelineTo, sandbox, tempDir, writeManifest } from '../pipeline/harness.js';
import { freePort, SECRET, takeWebhooks } from './harness.js';

test('one registration for a URL, also of processes that start together and later', async () => {
  const gateway = await sandbox({ latency: { minMs: 0, maxMs: 50 } });
  const first = await pipelineTo(gateway.url);
  const webhookUrl = 'http://127.0.0.1:9/hook';
  const pods = await Promise.all([1, 2, 3, 4].map(() => pipelineTo(gateway.url, { prefix: first.prefix })));
  await Promise.all(pods.map((pod) => takeWebhooks(pod, { webhookUrl, webhookPort: 0 })));
  await takeWebhooks(first, { webhookUrl, webhookPort: 0 });
  const registered = await first.client.listWebhooks();
  expect(registered.map(({ callback_url, events }) => ({ callback_url, events }))).toEqual([
    { callback_url: webhookUrl, events: ['task.settled'] },
  ]);
});

test('a Gateway that is too busy is asked again; one that refuses the key is not', async () => {
  const gateway = await sandbox({ errorRate: 1 });
  const pipeline = await pipelineTo(gateway.url);
  const opening = takeWebhooks(pipeline);
  await expect.poll(() => gateway.stats().calls.webhook_list?.[500]).toBe(1);
  gateway.set({ errorRate: 0 });
  await opening;
  expect(await pipeline.client.listWebhooks()).toHaveLength(1);
  gateway.set({ apiKeys: [] });
  const refused = await pipelineTo(gateway.url);
  await expect(takeWebhooks(refused)).rejects.toThrow(/invalid API key/);
});

test.each([
  ['delivers other events', { events: ['other'] }],
  ['is not active', { active: false }],
])('a webhook that %s is named, and not doubled', async (_what, changes) => {
  const gateway = await sandbox();
  const pipeline = await pipelineTo(gateway.url);
  const callback_url = 'http://127.0.0.1:9/hook';
  const { webhook_id } = await pipeline.client.registerWebhook({
    callback_url,
    secret: 's',
    events: ['task.settled'],
  });
  const { listWebhooks } = pipeline.client;
  pipeline.client.listWebhooks = async (...args) =>
    (await listWebhooks.apply(pipeline.client, args)).map((each) => ({ ...each, ...changes }));
  await expect(takeWebhooks(pipeline, { webhookUrl: callback_url, webhookPort: 0 })).rejects.toThrow(
    webhook_id,
  );
  expect(await pipeline.client.listWebhooks()).toHaveLength(1);
});

test('usage: without a secret, or when the port is taken', async () => {
  const gateway = await sandbox();
  const pipeline = await pipelineTo(gateway.url);
  await expect(takeWebhooks(pipeline, { webhookSecret: null })).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringMatching(/^--webhook-url: /),
    hint: expect.stringContaining('ASG_WEBHOOK_SECRET'),
  });
  const webhookPort = gateway.port;
  await expect(takeWebhooks(pipeline, { webhookPort })).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringMatching(/^--webhook-port: cannot listen on 127.0.0.1/),
  });
  expect(await pipeline.client.listWebhooks()).toEqual([]);
});

test('the command: a run with the local Gateway in its own process settles by webhook', async () => {
  const dir = await tempDir();
  const port = await freePort();
  const manifest = await writeManifest(
    dir,
    [1, 2, 3, 4, 5].map((n) => line(n)),
  );
  const { status, stdout, stderr } = await cli(
    [
      ...['run', manifest, '--sandbox', '--sandbox-settle', '0s..500ms', '--out', 'out', '--json'],
      ...['--question', 'Which?', '--options', 'a,b', '--log-level', 'trace', '--metrics-port', '0'],
      ...[
        '--webhook-url',
        `http://127.0.0.1:${port}/hook`,
        '--webhook-port',
        String(port),
        '--webhook-trust',
      ],
    ],
    { cwd: dir, env: { ASG_WEBHOOK_SECRET: SECRET } },
  );
  expect(status).toBe(0);
  expect(stderr).toContain(`taking webhooks on http://127.0.0.1:${port}/hook`);
  const summary = JSON.parse(stdout);
  expect(summary).toMatchObject({ settled: 5, polls_per_label: 0 });
  const part = await readFile(path.join(outOf(dir), summary.parts[0].name), 'utf8');
  expect(part.match(/"settled_by":"webhook"/g)).toHaveLength(5);
  expect(stdout + stderr + part).not.toContain(SECRET);
}, 120_000);
