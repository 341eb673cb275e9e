import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { SandboxOptions } from '../../../src/sandbox/options.js';
import { freePort } from '../../setup/ports.js';
import { tries } from '../../setup/tries.js';

const MAIN = fileURLToPath(new URL('../../../dist/sandbox/main.js', import.meta.url));
const READY_MS = 30_000;

export interface GatewayProcess {
  url: string;
  port: number;
  kill(signal: NodeJS.Signals): void;
  stop(): Promise<void>;
  /** Starts it on the same port with what it had sold. Idempotent. */
  start(): Promise<void>;
  /** Changes how it behaves. */
  set(options: Partial<SandboxOptions>): Promise<void>;
  /** How many calls it has answered. */
  calls(): Promise<number>;
}

/** The local Gateway of the built package in a process of its own, its journal in `dir`. */
export async function startGateway(dir: string, options: Partial<SandboxOptions>): Promise<GatewayProcess> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  let child: ChildProcess | null = null;
  const running = () => child !== null && child.exitCode === null && child.signalCode === null;
  const healthy = () =>
    fetch(`${url}/__sandbox/health`).then(
      (answer) => answer.ok,
      () => false,
    );
  const gateway: GatewayProcess = {
    url,
    port,
    kill: (signal) => void child?.kill(signal),
    async stop() {
      if (child === null || !running()) return;
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    },
    async start() {
      if (running()) return;
      child = spawn(process.execPath, [MAIN, JSON.stringify({ ...options, port, dir, control: true })], {
        stdio: 'ignore',
      });
      await tries(READY_MS, healthy);
    },
    async set(patch) {
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch(`${url}/__sandbox/set`, {
        method: 'POST',
        headers,
        body: JSON.stringify(patch),
      });
      if (!answer.ok) throw new Error(await answer.text());
    },
    async calls() {
      const stats = (await (await fetch(`${url}/__sandbox/stats`)).json()) as {
        calls: Record<string, Record<string, number>>;
      };
      return Object.values(stats.calls)
        .flatMap((statuses) => Object.values(statuses))
        .reduce((sum, n) => sum + n, 0);
    },
  };
  await gateway.start();
  return gateway;
}
