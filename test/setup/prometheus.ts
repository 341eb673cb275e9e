import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { aptOptions, unpackedDebian } from './debian.js';
import { freePort } from './ports.js';
import { tries } from './tries.js';

const run = promisify(execFile);
const STARTUP_MS = 30_000;

/** `prometheus` or `promtool`: of the PATH, else of Debian's package, unpacked into the user's cache. */
export async function prometheusTool(name: 'prometheus' | 'promtool'): Promise<string> {
  const works = await run(name, ['--version']).then(
    () => true,
    () => false,
  );
  if (works) return name;
  return path.join(await unpackedDebian('prometheus', download), 'usr', 'bin', name);
}

/** The package alone: its programs need nothing but libc, its dependencies are the web pages' scripts. */
async function download(work: string): Promise<void> {
  const options = aptOptions(work);
  await run('apt-get', ['-qq', ...options, 'update']);
  await run('apt-get', ['-qq', ...options, 'download', 'prometheus'], { cwd: path.join(work, 'debs') });
}

/** Runs promtool, its standard input given; rejects with what it printed when it is not content. */
export async function promtool(args: string[], input = ''): Promise<string> {
  const child = spawn(await prometheusTool('promtool'), args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let printed = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      printed += chunk;
    });
  child.stdin.end(input);
  const [status] = (await once(child, 'close')) as [number];
  if (status !== 0) throw new Error(`promtool ${args.join(' ')}: ${printed}`);
  return printed;
}

export type Series = { metric: Record<string, string>; values: [time: number, value: string][] };

export interface Prometheus {
  /** Takes more processes under its eye, by `host:port`. */
  scrape(targets: string[]): Promise<void>;
  /** The value now of an expression that yields one; null when it yields none. */
  value(expression: string): Promise<number | null>;
  range(expression: string, fromMs: number, toMs: number): Promise<Series[]>;
  close(): Promise<void>;
}

/** A real Prometheus on loopback that scrapes twice a second, with the project's rules. Its data is in `dir`. */
export async function startPrometheus(dir: string, ruleFiles: string[]): Promise<Prometheus> {
  await mkdir(dir, { recursive: true });
  const targets = path.join(dir, 'targets.json');
  let written = 0;
  const scrape = async (hosts: string[]) => {
    // Two processes may be added at once.
    const file = `${targets}.${++written}`;
    await writeFile(file, JSON.stringify([{ targets: hosts }]));
    await rename(file, targets);
  };
  await scrape([]);
  const config = {
    global: { scrape_interval: '500ms', scrape_timeout: '500ms', evaluation_interval: '1s' },
    rule_files: ruleFiles,
    scrape_configs: [
      { job_name: 'asg-ingest', file_sd_configs: [{ files: [targets], refresh_interval: '1s' }] },
    ],
  };
  const file = path.join(dir, 'prometheus.yml');
  await writeFile(file, JSON.stringify(config));
  const port = await freePort();
  const server = spawn(
    await prometheusTool('prometheus'),
    [
      `--config.file=${file}`,
      `--storage.tsdb.path=${path.join(dir, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: 'ignore' },
  );
  const url = `http://127.0.0.1:${port}`;
  const ask = async (at: string, query: Record<string, string>) => {
    const response = await fetch(`${url}/api/v1/${at}?${new URLSearchParams(query)}`);
    const answer = (await response.json()) as { status: string; error?: string; data: { result: unknown } };
    if (answer.status !== 'success') throw new Error(`${query.query}: ${answer.error}`);
    return answer.data.result;
  };
  await tries(STARTUP_MS, async () => {
    if (server.exitCode !== null) throw new Error('prometheus ended');
    return fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  });
  return {
    scrape,
    async value(query) {
      const [sample] = (await ask('query', { query })) as { value: [number, string] }[];
      return sample === undefined ? null : Number(sample.value[1].replace('Inf', 'Infinity'));
    },
    range: async (query, fromMs, toMs) =>
      (await ask('query_range', {
        query,
        start: `${fromMs / 1000}`,
        end: `${toMs / 1000}`,
        step: '1',
      })) as Series[],
    async close() {
      if (server.exitCode === null && server.kill('SIGKILL')) await once(server, 'exit');
    },
  };
}
