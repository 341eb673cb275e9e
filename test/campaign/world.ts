import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { freePort } from '../setup/ports.js';
import { type CommandPlace, type Exit, type Started, startCommand } from './parts/command.js';
import { type GatewayProcess, startGateway } from './parts/gateway-process.js';
import { type GatewayProxy, startGatewayProxy } from './parts/gateway-proxy.js';
import { makeManifest } from './parts/manifest.js';
import { makePlace, type Place } from './parts/place.js';
import { type Random, seeded } from './parts/random.js';
import { type RedisProxy, startRedisProxy } from './parts/redis-proxy.js';
import { type RedisServer, startRedis } from './parts/redis-server.js';
import type { RestartedCommand } from './parts/restarted-command.js';
import { type SourceServer, startSourceServer } from './parts/source-server.js';
import type { Plan } from './plan.js';

export const RUN_ID = 'r';
export const QUESTION = 'Which animal?';
export const OPTIONS = ['cat', 'dog', 'bird', 'other'];
export const GATEWAY_SEED = 1;
const ENV = { ASG_API_KEY: 'sk_sandbox_campaign', ASG_WEBHOOK_SECRET: 'campaign-secret-0123456789' };

/** The parts of a round. Faults are applied to them. */
export interface World {
  dir: string;
  plan: Plan;
  manifest: string;
  redis: RedisServer;
  redisProxy: RedisProxy;
  gateway: GatewayProcess;
  gatewayProxy: GatewayProxy;
  /** Null when the manifest is a file. */
  source: SourceServer | null;
  place: Place;
  /** Random numbers for the faults. */
  random: Random;
  /** The command that the round is about: `run`, and `retry` after a cancel. */
  main: RestartedCommand | null;
  workers: RestartedCommand[];
  /** Another `run` of the same run, while a fault has one. */
  second: Started | null;
  /** What the display has last shown. */
  progress: { ended: number; state: string; at: number };
  start(name: string, args: string[], onProgress?: CommandPlace['onProgress']): Started;
  /** A command that ends by itself. */
  asg(name: string, ...args: string[]): Promise<Exit>;
  /** The arguments of `run` and `produce` after the command's name. */
  manifestArgs: string[];
  pipelineArgs: string[];
  storeArgs: string[];
  close(keep: boolean): Promise<void>;
}

export async function makeWorld(dir: string, plan: Plan, clockLibrary: string | null): Promise<World> {
  await mkdir(dir, { recursive: true });
  const manifest = makeManifest(seeded(`${plan.seed} manifest`), plan.lines, plan.key === 'content');
  const file = path.join(dir, 'manifest.jsonl');
  await writeFile(file, manifest);
  const redis = await startRedis(path.join(dir, 'redis'), { fsync: plan.fsync, clockLibrary });
  const redisProxy = await startRedisProxy(redis.port);
  const gateway = await startGateway(path.join(dir, 'gateway'), {
    seed: GATEWAY_SEED,
    settle: { minMs: 50, maxMs: plan.settleMs },
    rateLimit: plan.gatewayRate,
  });
  const gatewayProxy = await startGatewayProxy(gateway.port);
  const source = plan.http ? await startSourceServer(Buffer.from(manifest), plan.sourceMs) : null;
  const place = await makePlace(path.join(dir, 'sink'));

  const storeArgs = ['--redis-url', `redis://127.0.0.1:${redisProxy.port}`, '--prefix', 'c'];
  const webhookPort = plan.webhooks === 'off' ? 0 : await freePort();
  const webhooks = [
    ...['--webhook-url', `http://127.0.0.1:${webhookPort}/hook`, '--webhook-port', `${webhookPort}`],
    ...(plan.webhooks === 'trusted' ? ['--webhook-trust'] : []),
  ];
  const pipelineArgs = [
    ...[...storeArgs, '--gateway-url', gatewayProxy.url, '--rate', `${plan.rate}`],
    ...['--concurrency', `${plan.concurrency}`],
  ];
  const manifestArgs = [
    ...[source?.url ?? file, '--run-id', RUN_ID, '--out', place.out],
    ...['--question', QUESTION, '--options', OPTIONS.join(','), '--key', plan.key],
    ...['--poll-delay', '50ms', '--poll-max-delay', '500ms'],
    ...['--max-queued', `${plan.maxQueued}`, '--max-in-flight', `${plan.maxInFlight}`],
    ...['--part-size', plan.partSize, '--part-age', '2s', ...(plan.compress ? ['--compress'] : [])],
  ];
  const start: World['start'] = (name, args, onProgress) => {
    const once = name === 'main' && plan.webhooks !== 'off' ? webhooks : [];
    return startCommand(name, [...args, ...once], {
      cwd: dir,
      env: ENV,
      ...(onProgress ? { onProgress } : {}),
    });
  };
  return {
    ...{ dir, plan, manifest, redis, redisProxy, gateway, gatewayProxy, source, place },
    random: seeded(`${plan.seed} draws`),
    main: null,
    workers: [],
    second: null,
    progress: { ended: 0, state: 'running', at: Date.now() },
    start,
    asg: (name, ...args) => start(name, args).exit,
    ...{ manifestArgs, pipelineArgs, storeArgs },
    async close(keep) {
      await Promise.all([redis.close(), gateway.stop()]);
      await Promise.all([redisProxy.close(), gatewayProxy.close(), source?.close()]);
      await place.close(keep ? dir : null);
    },
  };
}
