import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { ASGGatewayClient } from '../../gateway/client.js';
import { openManifest } from '../../manifest/index.js';
import { createObjectStores } from '../../object-stores/index.js';
import { openGateway, openStore, type Store } from '../../open-pipeline.js';
import { createReleasers, type Releasers } from '../../releasers.js';
import { probeObjectPlace, resolveOut } from '../../results/sink.js';
import { plain } from '../../terminal.js';
import { pipelineOptions } from '../option-groups.js';
import type { CommandContext, CommandDefinition } from '../program.js';

interface Finding {
  what: string;
  ok: boolean;
  found: string;
  /** What to do about it. */
  hint?: string;
}

export const doctor: CommandDefinition = {
  name: 'doctor',
  describe: 'check Redis, the Gateway and the key, the manifest and the sink; say what to do',
  args: [{ name: 'manifest', describe: 'a manifest to check as well', required: false }],
  options: [...pipelineOptions, 'out', 'json'],
  run: async (context) => {
    const releasers = createReleasers();
    const findings: Finding[] = [];
    try {
      for (const check of [checkRedis, checkGateway, checkManifest, checkSink])
        findings.push(...(await check(context, releasers)));
    } finally {
      await releasers.close();
    }
    const { io, settings } = context;
    if (settings.json) io.stdout.write(`${JSON.stringify(findings)}\n`);
    else
      for (const { what, ok, found, hint } of findings)
        io.stdout.write(
          `${ok ? 'ok  ' : 'FAIL'} ${what}: ${plain(found)}\n${ok || !hint ? '' : `       → ${plain(hint)}\n`}`,
        );
    return findings.every(({ ok }) => ok) ? 0 : 1;
  },
};

const failed = (what: string, error: unknown): Finding => {
  const { message, hint } = error as Error & { hint?: string };
  return { what, ok: false, found: message, ...(hint ? { hint } : {}) };
};

async function checkRedis({ settings, log }: CommandContext, releasers: Releasers): Promise<Finding[]> {
  let store: Store;
  try {
    store = await openStore(settings, log, releasers);
    const alive = await Promise.race([store.redis.ping(), late(5_000)]);
    if (alive === null) throw new Error('no answer within 5 s');
  } catch (error) {
    return [failed('Redis', error)];
  }
  const info = await store.redis.info();
  const field = (name: string) => new RegExp(`^${name}:(.*)$`, 'm').exec(info)?.[1]?.trim() ?? '';
  const version = field('valkey_version') || field('redis_version');
  const policy = field('maxmemory_policy') || 'unknown';
  const aof = field('aof_enabled') === '1';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return [
    {
      what: 'Redis version',
      ok: major > 6 || (major === 6 && minor >= 2),
      found: version,
      hint: 'Redis 6.2 or later, or Valkey',
    },
    {
      what: 'Redis maxmemory-policy',
      ok: policy === 'noeviction',
      found: policy,
      hint: 'CONFIG SET maxmemory-policy noeviction: an evicted job is a lost job',
    },
    {
      what: 'Redis persistence',
      ok: aof,
      found: aof ? 'AOF is on' : 'AOF is off',
      hint: 'CONFIG SET appendonly yes: a restart forgets the runs otherwise',
    },
  ];
}

async function checkGateway({ settings, log }: CommandContext, releasers: Releasers): Promise<Finding[]> {
  try {
    const gateway = await openGateway(settings, log, releasers);
    const client = new ASGGatewayClient({
      apiKey: gateway.apiKey,
      baseUrl: gateway.url,
      retry: false,
      timeout: 10_000,
    });
    releasers.add(() => client.close());
    const customer = await client.getCustomer();
    const quota = customer.label_quota;
    return [
      { what: 'Gateway and key', ok: true, found: `${gateway.url} knows the key (tier ${customer.tier})` },
      { what: 'label quota', ok: quota > 0, found: `${quota} labels left`, hint: 'top up the quota' },
    ];
  } catch (error) {
    return [failed('Gateway and key', error)];
  }
}

async function checkManifest({ args, io, settings }: CommandContext): Promise<Finding[]> {
  const [spec] = args;
  if (spec === undefined || spec === '-') return [];
  try {
    const objectStores = createObjectStores(settings);
    const manifest = await openManifest(spec, { cwd: io.cwd, objectStores });
    return [
      {
        what: 'manifest',
        ok: true,
        found: `${manifest.uri}, ${manifest.sources.length} source(s), ${manifest.bytes ?? '?'} bytes`,
      },
    ];
  } catch (error) {
    return [failed('manifest', error)];
  }
}

/** A file or an object is written and removed; the place itself is left as it was found. */
async function checkSink({ settings, io }: CommandContext): Promise<Finding[]> {
  const out = resolveOut(settings.out ?? 'out', io.cwd);
  if (/^(s3|gs):\/\//i.test(out))
    return probeObjectPlace(out, createObjectStores(settings)).then(
      () => [{ what: 'sink', ok: true, found: `${out} can be written` }],
      (error: unknown) => [failed('sink', error)],
    );
  for (let dir = out; ; dir = path.dirname(dir)) {
    try {
      await rm(await mkdtemp(path.join(dir, '.asg-ingest-')), { recursive: true });
      return [{ what: 'sink', ok: true, found: `${out} can be written` }];
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT' && dir !== path.dirname(dir)) continue;
      return [failed('sink', new Error(`${out} cannot be written: ${(error as Error).message}`))];
    }
  }
}

const late = (ms: number) => new Promise<null>((resolve) => setTimeout(() => resolve(null), ms).unref());
