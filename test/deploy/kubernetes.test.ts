import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { IScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject';
import type { IPodMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor';
import type { IDeployment } from 'kubernetes-models/apps/v1/Deployment';
import type { IJob } from 'kubernetes-models/batch/v1/Job';
import type { IConfigMap } from 'kubernetes-models/v1/ConfigMap';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { STOP_MS } from '../../src/cli/session.js';
import { createMetrics } from '../../src/metrics/metrics.js';
import { serveHttp } from '../../src/web/serve.js';
import { pipelineTo, tempDir } from '../pipeline/harness.js';
import { promtool } from '../setup/prometheus.js';
import { settingsOf, unknownVariables } from './commands.js';
import { faultsOf, type Manifest } from './manifests.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Kustomize as it is on the PATH, alone or in kubectl. */
const kustomize = [['kustomize', 'build'] as const, ['kubectl', 'kustomize'] as const].find(([command]) => {
  try {
    return execFileSync(command, command === 'kubectl' ? ['version', '--client'] : ['version']);
  } catch {
    return undefined;
  }
});

function built(folder: string): Manifest[] {
  const [command, ...args] = kustomize ?? [''];
  const text = execFileSync(command, [...args, path.join(root, 'deploy', folder)], { encoding: 'utf8' });
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

/** The one manifest of its kind. Its shape is what `faultsOf` has checked. */
function only<T>(manifests: readonly Manifest[], kind: string): T {
  const found = manifests.filter((manifest) => manifest.kind === kind);
  expect(found, kind).toHaveLength(1);
  return found[0] as T;
}

/** Changes a copy at `a.b.0.c`. */
function changed(manifest: Manifest, at: string, value: unknown): Manifest {
  const copy = structuredClone(manifest);
  const keys = at.split('.');
  const last = keys.pop() ?? '';
  const parent = keys.reduce<Record<string, unknown>>(
    (object, key) => object[key] as Record<string, unknown>,
    copy as unknown as Record<string, unknown>,
  );
  parent[last] = value;
  return copy;
}

/** The container's own variables, secrets as any value, and those of the ConfigMap. */
function environmentOf(podSpec: IPodSpec | undefined, configMaps: readonly IConfigMap[]) {
  const container = podSpec?.containers[0];
  const from = container?.envFrom?.map(({ configMapRef }) => configMapRef?.name) ?? [];
  const env: Record<string, string> = {};
  for (const { metadata, data } of configMaps) if (from.includes(metadata?.name)) Object.assign(env, data);
  const secrets: string[] = [];
  for (const { name, valueFrom } of container?.env ?? []) {
    if (valueFrom?.secretKeyRef) secrets.push(name);
    env[name] = name === 'REDIS_URL' ? 'rediss://:secret@redis.example.org:6379' : 'sk_live_secret';
  }
  return { container, env, secrets };
}

type IPodSpec = NonNullable<NonNullable<IDeployment['spec']>['template']['spec']>;

describe.skipIf(!kustomize)('what kustomize builds', () => {
  const production = kustomize ? built('overlays/production') : [];
  const produce = kustomize ? built('produce') : [];

  test('fits the schemas of Kubernetes, KEDA and the Prometheus operator; a slip would be seen', () => {
    const rule = parse(
      execFileSync(process.execPath, [path.join(root, 'scripts/prometheus-rule.mjs')], { encoding: 'utf8' }),
    ) as Manifest;
    const [work, scaled] = [
      only<Manifest>(production, 'Deployment'),
      only<Manifest>(production, 'ScaledObject'),
    ];
    const container = 'spec.template.spec.containers.0';
    const slips: [of: Manifest, at: string, value: unknown, fault: string][] = [
      [work, `${container}.readinesProbe`, {}, `"readinesProbe"' does not exist`],
      [work, `${container}.livenessProbe.periodSeconds`, '10', 'periodSeconds must be integer'],
      [work, `${container}.resources.limits.memory`, '512 MB', 'limits/memory must match'],
      [work, 'apiVersion', 'apps/v1beta1', 'Deployment of apps/v1beta1'],
      [work, 'kind', 'Deploymnet', 'no schema of Deploymnet'],
      [scaled, 'spec.triggers.0.metadata.threshold', 1, 'threshold must be string'],
      [scaled, 'spec.maxReplicas', 4, `"maxReplicas"' does not exist`],
      [only(production, 'PodMonitor'), 'spec.podMetricsEndpoints.0.prot', 'x', `"prot"' does not exist`],
      [rule, 'spec.groups.0.rules.0.exp', 'up', `"exp"' does not exist`],
    ];
    const redis = parse(
      readFileSync(path.join(root, 'deploy/redis-network-policy.yaml'), 'utf8'),
    ) as Manifest;
    const right = [...production, ...produce, rule, redis];
    const faults = faultsOf([...right, ...slips.map(([of, at, value]) => changed(of, at, value))]);
    expect(faults.slice(0, right.length).flat()).toEqual([]);
    for (const [index, [, at, , fault]] of slips.entries())
      expect(faults[right.length + index]?.join('; '), at).toContain(fault);
  });

  test('starts commands that their arguments and variables let start; secrets are references', async () => {
    const pods = [
      { of: production, spec: only<IDeployment>(production, 'Deployment').spec?.template.spec },
      { of: produce, spec: only<IJob>(produce, 'Job').spec?.template.spec },
    ];
    for (const { of, spec } of pods) {
      const maps = of.filter(({ kind }) => kind === 'ConfigMap') as unknown as IConfigMap[];
      const { container, env, secrets } = environmentOf(spec, maps);
      expect(secrets).toEqual(['REDIS_URL', 'ASG_API_KEY', 'ASG_METRICS_TOKEN']);
      expect(unknownVariables(Object.keys(env))).toEqual([]);
      const args = (container?.args ?? []).map((arg) =>
        arg === '/spec/label-spec.json' ? path.join(root, 'deploy/produce/label-spec.json') : arg,
      );
      const settings = await settingsOf(args, env);
      expect(settings.get('metrics-host')).toBe('0.0.0.0');
      expect(container?.ports).toMatchObject([
        { name: 'metrics', containerPort: Number(settings.get('metrics-port')) },
      ]);
      expect(spec?.automountServiceAccountToken).toBe(false);
      expect(spec?.securityContext?.runAsNonRoot).toBe(true);
      expect(spec?.securityContext?.seccompProfile).toEqual({ type: 'RuntimeDefault' });
      expect(container?.resources?.limits?.memory).toBeDefined();
      expect(container?.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
    }
  });

  test('probes and scrapes ask what the process answers, and a stop has the time it takes', async () => {
    const spec = only<IDeployment>(production, 'Deployment').spec?.template.spec;
    const container = spec?.containers[0];
    const monitor = only<IPodMonitor>(production, 'PodMonitor').spec;
    const paths = [container?.startupProbe, container?.livenessProbe, container?.readinessProbe].map(
      (probe) => probe?.httpGet?.path,
    );
    const server = await serveHttp(
      await pipelineTo('http://127.0.0.1:1'),
      { metricsPort: 0, metricsHost: '127.0.0.1' },
      new AbortController().signal,
    );
    onTestFinished(() => server?.close());
    for (const at of [...paths, monitor.podMetricsEndpoints?.[0]?.path])
      expect((await fetch(`${server?.url}${at}`)).status, at).toBe(200);

    const [command, seconds] = container?.lifecycle?.preStop?.exec?.command ?? [];
    expect(command).toBe('sleep');
    expect(spec?.terminationGracePeriodSeconds).toBeGreaterThan(Number(seconds) + STOP_MS / 1000);
  });

  test('scales by lines that wait, and never past what the limit can feed', async () => {
    const { minReplicaCount, triggers } = only<IScaledObject>(production, 'ScaledObject').spec ?? {
      triggers: [],
    };
    // With none, nobody would say that lines wait.
    expect(minReplicaCount).toBe(1);
    expect(only<IDeployment>(production, 'Deployment').spec?.replicas).toBeUndefined();
    const { query = '', threshold } = triggers[0]?.metadata ?? {};
    expect(threshold).toBe('1');
    const known = new Set((await createMetrics().registry.getMetricsAsJSON()).map(({ name }) => name));
    const asked = query.match(/asg_ingest_\w+/g) ?? [];
    expect(asked.filter((name) => !known.has(name))).toEqual([]);
    expect(asked).toHaveLength(2);

    const series = (waiting: number, rate: string) =>
      ['a', 'b'].flatMap((instance) => [
        {
          series: `asg_ingest_run_lines{job="asg-ingest",run="r",state="queued",instance="${instance}"}`,
          values: `${waiting}`,
        },
        {
          series: `asg_ingest_run_lines{job="asg-ingest",run="r",state="in_flight",instance="${instance}"}`,
          values: '90000',
        },
        { series: `asg_ingest_gateway_rate_limit{job="asg-ingest",instance="${instance}"}`, values: rate },
      ]);
    const pods = (waiting: number, rate: string, value: number) => ({
      input_series: series(waiting, rate),
      promql_expr_test: [{ expr: query, eval_time: '0s', exp_samples: [{ labels: '{}', value }] }],
    });
    const file = path.join(await tempDir(), 'query_test.yml');
    // Few wait; many wait at a limit of 100; many wait without one.
    await writeFile(
      file,
      JSON.stringify({
        tests: [pods(500, '8000', 0.1), pods(20_000, '100', 0.125), pods(20_000, '100000', 4)],
      }),
    );
    await promtool(['test', 'rules', file]);
  });
});
