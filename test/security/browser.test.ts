import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, type TestContext, test } from 'vitest';
import { report as reportCommand } from '../../src/cli/commands/report.js';
import { Secret } from '../../src/config/secret.js';
import { encodeChunk } from '../../src/queues/chunk.js';
import { openQueues } from '../../src/queues/queues.js';
import { runKeys } from '../../src/runs/keys.js';
import { createRun, type RunRecord } from '../../src/runs/record.js';
import { eventField, exampleOf } from '../../src/runs/timeline.js';
import { serveHttp } from '../../src/web/serve.js';
import { callMain } from '../cli/harness.js';
import { endLine, failedRow, settledRow } from '../pipeline/endings.js';
import { pipelineTo, tempDir } from '../pipeline/harness.js';
import { DOWNLOAD_MS, findChromium, startChromium } from '../setup/chromium.js';
import { testRedis } from '../setup/redis-target.js';
import { shownRun } from '../web/pages/runs.js';

const VIEWER = 'a-viewer-token';
const OPERATOR = 'an-operator-token';
/** Markup for text, for attributes in either quotes, for scripts, for URLs. */
const EVIL =
  '<script>window.hacked=1</script><img src=x onerror="window.hacked=1">"><svg onload=window.hacked=1>\' onfocus=window.hacked=1 autofocus=\'</script><script>window.hacked=1</script>javascript:window.hacked=1';

let browser: Browser | null = null;
let without = '';

beforeAll(async () => {
  const found = await findChromium().catch((error: Error) => {
    without = `no Chromium is to be had: ${error.message}`;
    return null;
  });
  if (found !== null) browser = await startChromium(found);
}, DOWNLOAD_MS + 60_000);
afterAll(() => browser?.close());

/** A tab that keeps what its policies have refused. */
async function openPage({ skip }: TestContext) {
  if (browser === null) return skip(without);
  const context = await browser.newContext();
  onTestFinished(() => context.close());
  const page = await context.newPage();
  await page.addInitScript(`
    window.refused = [];
    addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) => refused.push(effectiveDirective + ' ' + blockedURI));
  `);
  const refused = () => page.evaluate('window.refused') as Promise<string[]>;
  const unharmed = async (where: string) =>
    expect(await page.evaluate('window.hacked'), where).toBeUndefined();
  return { context, page, refused, unharmed };
}

/** A run whose every text is hostile, and a port that shows it. */
async function hostileRun() {
  const pipeline = await pipelineTo('http://127.0.0.1:1');
  const { redis, prefix } = pipeline;
  const record: RunRecord = {
    ...shownRun().record,
    id: 'evil',
    manifest: { uri: `file:///${EVIL}`, version: EVIL, sources: [EVIL], digest: EVIL, count: 1 },
    task: {
      taskType: EVIL,
      labelSpec: { question: EVIL, options: [EVIL, `${EVIL}2`] },
      consensusThreshold: null,
      key: 'line',
    },
    gateway: EVIL,
    out: `/out/${EVIL}`,
    startedAt: new Date(Date.now() - 20_000).toISOString(),
  };
  await createRun(redis, prefix, record);
  const keys = runKeys(prefix, 'evil');
  await redis.hset(keys.counts, { lines: 12, in_flight: 3 });
  await redis.hset(keys.record, { state: 'blocked', reason: 'quota', message: EVIL });
  const history = [eventField('settled', record)];
  await endLine(redis, keys, 1, settledRow({}, { label: EVIL, costSats: 1, history }));
  const example = exampleOf({ line: 2, source: EVIL, stage: 'submit', error: { message: EVIL } });
  await endLine(
    redis,
    keys,
    2,
    failedRow({}, 'rejected', { example, history: [eventField('failed', record)] }),
  );
  const queues = openQueues(keys, pipeline.connection, () => undefined);
  onTestFinished(() => queues.close());
  await queues.submit.add(
    EVIL,
    encodeChunk(0, [{ line: 3, text: JSON.stringify({ data_url: EVIL, metadata: { name: EVIL } }) }]),
    { jobId: '0-3' },
  );
  const server = await serveHttp(
    pipeline,
    {
      metricsPort: 0,
      metricsHost: '127.0.0.1',
      metricsToken: new Secret(VIEWER),
      operatorToken: new Secret(OPERATOR),
      queueBoardWrites: true,
    },
    new AbortController().signal,
  );
  onTestFinished(() => server?.close());
  const report = async () => {
    const env = { REDIS_URL: `unix://${testRedis().socketPath}`, ASG_PREFIX: prefix };
    const { stdout } = await callMain(
      ['report', 'evil'],
      { report: reportCommand },
      { env, cwd: await tempDir() },
    );
    return pathToFileURL(stdout.trim()).href;
  };
  return { url: server?.url ?? '', queues, report };
}

test('hostile text in a run, its pages, its report, the login and the board: shown, never run, and no policy had to refuse it', async (context) => {
  const { page, refused, unharmed } = await openPage(context);
  const { url, report } = await hostileRun();
  const asked = `/runs/evil?${encodeURIComponent(EVIL)}`;
  const answer = await page.goto(url + asked);
  expect(answer?.status()).toBe(401);
  await unharmed('the login');
  await page.getByLabel('Token').fill('wrong');
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('alert').waitFor();
  await page.getByLabel('Token').fill(VIEWER);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.waitForURL(`${url}/runs/evil**`);
  expect(await page.getByText('<script>window.hacked=1</script>').count()).toBeGreaterThan(4);
  await unharmed('the page of the run');
  await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
  await page.waitForLoadState('networkidle');
  await unharmed('the page that was kept up to date');
  expect(await refused()).toEqual([]);
  await page.goto(url);
  await unharmed('the first page');
  expect(await refused()).toEqual([]);

  await page.goto(await report());
  expect(await page.getByText('<script>window.hacked=1</script>').count()).toBeGreaterThan(4);
  await unharmed('the report');
  expect(await refused()).toEqual([]);

  await page.goto(`${url}/queues/queue/evil%3Asubmit?status=latest`);
  await page.getByText('0-3').first().waitFor();
  await unharmed('the queue');
  await page.goto(`${url}/queues/queue/evil%3Asubmit/0-3`);
  await page.getByText('window.hacked=1').first().waitFor();
  await unharmed('the job');
  // Its own page asks for fonts elsewhere; nothing of a script, a frame or a form.
  expect((await refused()).filter((line) => !/^(style-src|font-src|img-src)/.test(line))).toEqual([]);
  expect(await page.evaluate('document.cookie')).toBe('');
}, 180_000);

test('a page of another site, of another port too, changes and reads nothing with the browser of an operator', async (context) => {
  const { context: tabs, page } = await openPage(context);
  const { url, queues } = await hostileRun();
  await page.goto(url);
  await page.getByLabel('Token').fill(OPERATOR);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('link', { name: 'evil', exact: true }).waitFor();
  const pause = '/queues/api/queues/evil%3Asubmit/pause';
  await page.goto(`${url}/queues`);
  expect(await page.evaluate(`fetch('${pause}', { method: 'PUT' }).then(({ status }) => status)`)).toBe(200);
  expect(await queues.submit.isPaused()).toBe(true);
  await queues.submit.resume();

  const evil = createServer((_request, response) =>
    response.setHeader('content-type', 'text/html').end('<p>evil</p>'),
  );
  evil.listen(0, '127.0.0.1');
  await once(evil, 'listening');
  onTestFinished(() => void evil.close().closeAllConnections());
  const { port } = evil.address() as AddressInfo;
  const other = await tabs.newPage();
  for (const origin of [`http://127.0.0.1:${port}`, `http://localhost:${port}`]) {
    await other.goto(origin);
    for (const init of [
      "{ method: 'PUT', credentials: 'include' }",
      "{ method: 'PUT', credentials: 'include', mode: 'no-cors' }",
      "{ method: 'POST', credentials: 'include', mode: 'no-cors' }",
      "{ credentials: 'include' }",
    ])
      expect(
        await other.evaluate(
          `fetch('${url}${pause}', ${init}).then((answer) => answer.type + answer.status, () => 'refused')`,
        ),
        `${origin} ${init}`,
      ).toMatch(/^refused$|^opaque0$/);
    await other.evaluate(
      `fetch('${url}/queues/api/queues', { credentials: 'include' }).then((a) => a.text(), () => 'refused').then((text) => { window.read = text })`,
    );
    expect(await other.evaluate('window.read'), origin).toBe('refused');
  }
  expect(await queues.submit.isPaused()).toBe(false);
}, 180_000);
