import { createHash } from 'node:crypto';
import path from 'node:path';
import { vi } from 'vitest';
import { run } from '../../src/cli/commands/run.js';
import type { SandboxOptions } from '../../src/sandbox/index.js';
import { callMain } from '../cli/harness.js';
import { type Exit, startCli, TASK } from '../pipeline/cli.js';
import { API_KEY, sandbox, tempDir } from '../pipeline/harness.js';
import { testRedis, uniquePrefix } from '../setup/redis-target.js';

/** These tests start many processes, on machines that may be busy. */
vi.setConfig({ testTimeout: 180_000 });

export interface Called {
  /** Flags before these win over those of `run`. */
  args?: string[];
  env?: Record<string, string>;
  piped?: boolean;
}

/** A folder, a local Gateway, and the command line between them on the test's Redis. */
export async function world(options: Partial<SandboxOptions> = {}) {
  const gateway = await sandbox(options);
  const dir = await tempDir();
  const prefix = uniquePrefix();
  const settings = {
    ASG_BASE_URL: gateway.url,
    REDIS_URL: `unix://${testRedis().socketPath}`,
    ASG_PREFIX: prefix,
  };
  const start = (command: string[], { args = [], env = {}, piped = false }: Called = {}) =>
    startCli([...command, ...args], {
      cwd: dir,
      env: { ...settings, ...env },
      piped,
    });
  const startRun = (manifest: string, called: Called = {}) =>
    start(['run', manifest, '--json', ...TASK], { ...called, args: ['--quiet', ...(called.args ?? [])] });
  return {
    gateway,
    settings,
    dir,
    prefix,
    out: (name = 'out') => path.join(dir, name),
    start,
    startRun,
    /** `run` by the command line's own `main`, in this process: quicker, and with its environment. */
    call: (manifest: string, { args = [], env = {} }: Called = {}) =>
      callMain(
        ['run', manifest, '--json', '--quiet', '--log-level', 'silent', ...TASK, ...args],
        { run },
        { cwd: dir, env: { ASG_API_KEY: API_KEY, ...settings, ...env } },
      ),
    run: (manifest: string, called?: Called): Promise<Exit> => startRun(manifest, called).exit,
  };
}

export const jsonl = (count: number, extra: (n: number) => object = () => ({})) =>
  Array.from(
    { length: count },
    (_, i) =>
      `${JSON.stringify({
        data_url: `https://images.example.org/${i + 1}.jpg`,
        metadata: { n: i + 1, noise: createHash('sha256').update(`${i}`).digest('base64') },
        ...extra(i + 1),
      })}\n`,
  ).join('');
