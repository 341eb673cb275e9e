import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, type TestContext, test } from 'vitest';
import { report } from '../../../src/cli/commands/report.js';
import { run } from '../../../src/cli/commands/run.js';
import { runs } from '../../../src/cli/commands/runs.js';
import type { Pipeline } from '../../../src/pipeline/pipeline.js';
import { runKeys } from '../../../src/runs/keys.js';
import { createRun, type RunRecord } from '../../../src/runs/record.js';
import { confidenceField, eventField, exampleOf, settleTimeField } from '../../../src/runs/timeline.js';
import { serveHttp } from '../../../src/web/serve.js';
import { callMain } from '../../cli/harness.js';
import { endLine, failedRow, settledRow } from '../../pipeline/endings.js';
import {
  API_KEY,
  line,
  pipelineTo,
  readOut,
  sandbox,
  tempDir,
  writeManifest,
} from '../../pipeline/harness.js';
import { DOWNLOAD_MS, findChromium, startChromium } from '../../setup/chromium.js';
import { startRedisServer } from '../../setup/redis-server.js';
import { shownRun } from './runs.js';

/** Ignored by git; to be looked at. */
const SCREENSHOTS = fileURLToPath(new URL('../../../out/screenshots/', import.meta.url));
const EVIL = '<script>window.hacked = 1</script>';

let browser: Browser | null = null;
let without = '';

beforeAll(async () => {
  await mkdir(SCREENSHOTS, { recursive: true });
  const found = await findChromium().catch((error: Error) => {
    without = `no Chromium is to be had: ${error.message}`;
    return null;
  });
  if (found !== null) browser = await startChromium(found);
}, DOWNLOAD_MS + 60_000);
afterAll(() => browser?.close());

/** A tab, and what its console and its network complained of. */
async function openPage({ skip }: TestContext, options: BrowserContextOptions = {}) {
  if (browser === null) return skip(without);
  const context = await browser.newContext({ viewport: { width: 1100, height: 800 }, ...options });
  onTestFinished(() => context.close());
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('requestfailed', (request) => complaints.push(`failed: ${request.url()}`));
  return { page, complaints };
}

const shoot = (page: Page, name: string) =>
  page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`), fullPage: true });

/** A run on record whose lines end when the test says so, and a port that shows it. */
async function servedRun() {
  const pipeline = await pipelineTo('http://127.0.0.1:1');
  const record: RunRecord = {
    ...shownRun().record,
    id: 'live',
    manifest: { uri: `file:///${EVIL}.jsonl`, version: 'v', sources: ['items.jsonl'], digest: 'd', count: 1 },
    startedAt: new Date(Date.now() - 20_000).toISOString(),
  };
  await createRun(pipeline.redis, pipeline.prefix, record);
  await pipeline.redis.hset(runKeys(pipeline.prefix, 'live').counts, { lines: 12, in_flight: 3 });
  const lines = endingLines(pipeline, record);
  for (const label of ['cat', 'dog', EVIL]) await lines.settle(label);
  await lines.fail('rejected');
  const settings = { metricsPort: 0, metricsHost: '127.0.0.1' };
  const server = await serveHttp(pipeline, settings, new AbortController().signal);
  onTestFinished(() => server?.close());
  return { url: server?.url ?? '', ...lines };
}

function endingLines({ redis, prefix }: Pipeline, record: RunRecord) {
  let n = 0;
  const keys = runKeys(prefix, record.id);
  return {
    settle: (label: string) =>
      endLine(
        redis,
        keys,
        ++n,
        settledRow(
          {},
          {
            label,
            costSats: 700,
            history: [eventField('settled', record), confidenceField(0.9), settleTimeField(2_000)],
          },
        ),
      ),
    fail(code: string) {
      const row = { line: ++n, source: null, stage: 'submit', error: { message: EVIL } };
      const history = [eventField('failed', record)];
      return endLine(redis, keys, n, failedRow({}, code, { example: exampleOf(row), history }));
    },
  };
}

/** As when somebody comes back to the tab: without the wait until the next time. */
const update = (page: Page) => page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");

/** A figure of the page's first list, by its name. */
const figure = (page: Page, name: string) =>
  page
    .locator('dl > div')
    .filter({ has: page.locator(`dt:text-is("${name}")`) })
    .first()
    .locator('dd data');

const value = async (page: Page, name: string) => Number(await figure(page, name).getAttribute('value'));

/** Name and count of each row of the table under a heading. */
const rows = (page: Page, heading: string) =>
  page
    .locator(`section:has(h2:text-is("${heading}")) tbody tr`)
    .evaluateAll((all) =>
      Object.fromEntries(
        all.map((row) => [
          row.querySelector('bdi')?.textContent ?? '',
          Number(row.querySelector('data')?.getAttribute('value')),
        ]),
      ),
    );

/** The least contrast (WCAG 2) of any text of the page with what is behind it. */
const LEAST_CONTRAST = `(() => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = parse(color).map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (parse(color)[3] !== 0) return color;
    }
    return 'rgb(255, 255, 255)';
  };
  let least = 21;
  for (const element of document.querySelectorAll('body *')) {
    const says = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim() !== '');
    if (!says || !element.checkVisibility() || element.closest('svg, script')) continue;
    const [a, b] = [light(getComputedStyle(element).color), light(behind(element))];
    least = Math.min(least, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
  }
  return least;
})()`;

test('the runs: kept up to date by the script, and nothing of the users is taken for markup', async (context) => {
  const { page, complaints } = await openPage(context);
  const { url, settle } = await servedRun();
  await page.goto(url);
  expect(await value(page, 'Settled')).toBe(3);
  expect(await page.getByRole('progressbar').getAttribute('value')).toBe('4');
  expect(await page.getByText(EVIL, { exact: true }).count()).toBe(1);
  await page.getByRole('link', { name: 'live' }).focus();
  await settle('cat');
  await figure(page, 'Settled').getByText('4').waitFor();
  expect(await page.evaluate('document.activeElement.textContent')).toBe('live');
  expect(await page.evaluate('window.hacked')).toBeUndefined();
  expect(complaints).toEqual([]);
  await shoot(page, 'runs');
  // The policy is in force: a script that is not the page's own does not run.
  await expect(page.addScriptTag({ content: 'window.hacked = 1' })).rejects.toThrow();
  expect(await page.evaluate('window.hacked')).toBeUndefined();
});

test('a run: kept up to date, what was opened stays open, and it says when nobody answers', async (context) => {
  const { page, complaints } = await openPage(context);
  const { url, settle, fail } = await servedRun();
  await page.goto(url);
  await page.getByRole('link', { name: 'live' }).click();
  await page.waitForURL(`${url}/runs/live`);
  expect(await page.title()).toBe('33% · live · asg-ingest');
  await page.locator('#throughput summary').click();
  await fail('task_expired');
  await settle(EVIL);
  await update(page);
  await page.locator('section', { hasText: 'task_expired' }).waitFor();
  expect(await rows(page, 'Labels')).toEqual({ [EVIL]: 2, cat: 1, dog: 1 });
  expect(await rows(page, 'Failures')).toEqual({ rejected: 1, task_expired: 1 });
  expect(await page.locator('#throughput table').isVisible()).toBe(true);
  expect(await page.getByRole('img', { name: /^Throughput\. 4 settled in/ }).count()).toBe(1);
  expect(await page.title()).toBe('50% · live · asg-ingest');
  expect(await page.evaluate('window.hacked')).toBeUndefined();
  expect(complaints).toEqual([]);
  await shoot(page, 'run');
  await page.route('**/*', (route) => route.abort());
  await update(page);
  await page.getByText('No answer').waitFor();
});

test('without JavaScript, on a phone, in the dark: all there, nothing wider than the screen, all legible', async (context) => {
  const { url } = await servedRun();
  const phone = { viewport: { width: 360, height: 740 }, javaScriptEnabled: false };
  const backgrounds: unknown[] = [];
  for (const colorScheme of ['light', 'dark'] as const) {
    const { page, complaints } = await openPage(context, { ...phone, colorScheme });
    for (const [name, at] of [
      ['runs', '/'],
      ['run', '/runs/live'],
    ] as const) {
      await page.goto(`${url}${at}`);
      expect(await value(page, 'Settled'), at).toBe(3);
      expect(await page.locator('html').getAttribute('lang')).toBe('en');
      expect(await page.evaluate('document.documentElement.scrollWidth'), at).toBe(360);
      expect(await page.evaluate(LEAST_CONTRAST), `${at} ${colorScheme}`).toBeGreaterThanOrEqual(4.5);
      if (name === 'run' || colorScheme === 'dark') await shoot(page, `${name}-phone-${colorScheme}`);
    }
    backgrounds.push(await page.evaluate('getComputedStyle(document.body).backgroundColor'));
    expect(complaints).toEqual([]);
  }
  expect(backgrounds).toEqual(['rgb(247, 247, 245)', 'rgb(18, 21, 24)']);
});

test('a report is a file that opens by itself and says what summary.json says', async (context) => {
  const { page, complaints } = await openPage(context);
  const dir = await tempDir();
  const { port, server, redis } = await startRedisServer(dir);
  const gateway = await sandbox();
  const env = { ASG_API_KEY: API_KEY, REDIS_URL: `redis://127.0.0.1:${port}` };
  onTestFinished(() => {
    redis.disconnect();
    server.kill('SIGKILL');
  });
  const manifest = await writeManifest(dir, [
    ...Array.from({ length: 40 }, (_, n) => line(n)),
    'nonsense',
    EVIL,
  ]);
  const flags = [
    '--gateway-url',
    gateway.url,
    '--out',
    'out',
    '--run-id',
    'r',
    '--poll-delay',
    '50ms',
    '--quiet',
  ];
  const task = ['--question', EVIL, '--options', `cat,${EVIL}`];
  const ran = await callMain(['run', manifest, ...flags, ...task], { run }, { env, cwd: dir });
  expect(ran.status, ran.stderr).toBe(3);
  const { summary } = await readOut(path.join(dir, 'out'));
  const written = await callMain(['report'], { report }, { env, cwd: dir });
  expect(written).toEqual({ status: 0, stdout: `${path.join(dir, 'report-r.html')}\n`, stderr: '' });

  const requests: string[] = [];
  page.on('request', (request) => requests.push(request.url()));
  const url = pathToFileURL(path.join(dir, 'report-r.html')).href;
  await page.goto(url);
  expect(requests.filter((each) => !each.startsWith('data:'))).toEqual([url]);
  expect({
    settled: await value(page, 'Settled'),
    failed: await value(page, 'Failed'),
    rate_limited: await value(page, '429s'),
    cost_sats: await value(page, 'Cost'),
    labels: await rows(page, 'Labels'),
    failures: await rows(page, 'Failures'),
  }).toEqual({
    settled: summary?.settled,
    failed: summary?.failed,
    rate_limited: summary?.rate_limited,
    cost_sats: summary?.cost_sats,
    labels: summary?.labels,
    failures: summary?.failures,
  });
  expect(await page.getByRole('img').count()).toBe(3);
  expect(await page.locator('script').count()).toBe(0);
  expect(await page.evaluate('window.hacked')).toBeUndefined();
  expect(complaints).toEqual([]);
  await shoot(page, 'report');
  const piped = await callMain(['report', 'r', '--out-file', '-'], { report }, { env, cwd: dir });
  expect(piped.stdout).toContain('<title>100% · r · asg-ingest</title>');
  const nowhere = await callMain(
    ['report', 'r', '--out-file', 'no/such/r.html'],
    { report },
    { env, cwd: dir },
  );
  expect([nowhere.status, nowhere.stderr]).toEqual([2, expect.stringContaining('--out-file: ')]);
  // What was counted of the run goes with it.
  expect(await redis.hlen('{asg:r}:history')).toBeGreaterThan(0);
  expect((await callMain(['runs', '--prune'], { runs }, { env, cwd: dir })).status).toBe(0);
  expect(await redis.keys('*{asg:r}*')).toEqual([]);
});
