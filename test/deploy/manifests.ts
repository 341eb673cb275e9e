import { ScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject';
import { PodMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor';
import { PrometheusRule } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule';
import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { Job } from 'kubernetes-models/batch/v1/Job';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap';
import ts from 'typescript';

export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string };
}

const OPERATOR = '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
const MODELS = {
  ConfigMap: { model: ConfigMap, from: 'kubernetes-models/v1' },
  Deployment: { model: Deployment, from: 'kubernetes-models/apps/v1' },
  Job: { model: Job, from: 'kubernetes-models/batch/v1' },
  NetworkPolicy: { model: NetworkPolicy, from: 'kubernetes-models/networking.k8s.io/v1' },
  PodDisruptionBudget: { model: PodDisruptionBudget, from: 'kubernetes-models/policy/v1' },
  PodMonitor: { model: PodMonitor, from: OPERATOR },
  PrometheusRule: { model: PrometheusRule, from: OPERATOR },
  ScaledObject: { model: ScaledObject, from: '@kubernetes-models/keda/keda.sh/v1alpha1' },
};

const isKnown = (kind: string): kind is keyof typeof MODELS => Object.hasOwn(MODELS, kind);

/**
 * What the schemas hold against each of the manifests: values by the JSON schemas; fields that there are not, which JSON
 * schemas of Kubernetes let pass, by the types made of them.
 */
export function faultsOf(manifests: readonly Manifest[]): string[][] {
  const errors = typeErrors(manifests.map(asTypeScript));
  return manifests.map((manifest, index) => [...schemaFaults(manifest), ...(errors.get(index) ?? [])]);
}

function schemaFaults(manifest: Manifest): string[] {
  const { kind, apiVersion } = manifest;
  if (!isKnown(kind)) return [`no schema of ${kind}`];
  const { model } = MODELS[kind];
  if (apiVersion !== model.apiVersion) return [`${kind} of ${apiVersion}`];
  try {
    // Each schema checks its own kind of data.
    new (model as new (data: unknown) => { validate(): void })(manifest).validate();
    return [];
  } catch (error) {
    return [(error as Error).message];
  }
}

/** One line, so that the line's number says which manifest is at fault. */
function asTypeScript(manifest: Manifest, index: number): string {
  const { kind } = manifest;
  if (!isKnown(kind)) return '';
  const type = `import('${MODELS[kind].from}/${kind}').I${kind}`;
  return `export const m${index}: ${type} = ${JSON.stringify(manifest)};`;
}

/** The compiler's complaints about a program of one file, which need not be there, by the line's index. */
function typeErrors(lines: readonly string[]): Map<number, string[]> {
  const name = new URL('./manifests-as-types.ts', import.meta.url).pathname;
  const text = lines.join('\n');
  const options: ts.CompilerOptions = {
    noEmit: true,
    strict: true,
    skipLibCheck: true,
    types: [],
    lib: ['lib.es2023.d.ts'],
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.getSourceFile = (file, ...rest) =>
    file === name
      ? ts.createSourceFile(file, text, ts.ScriptTarget.ES2023)
      : getSourceFile.call(host, file, ...rest);
  host.fileExists = (file) => file === name || fileExists.call(host, file);
  host.readFile = (file) => (file === name ? text : readFile.call(host, file));
  const errors = new Map<number, string[]>();
  for (const { file, start, messageText } of ts.getPreEmitDiagnostics(
    ts.createProgram([name], options, host),
  )) {
    const line = file && start !== undefined ? file.getLineAndCharacterOfPosition(start).line : 0;
    errors.set(line, [...(errors.get(line) ?? []), ts.flattenDiagnosticMessageText(messageText, ' ')]);
  }
  return errors;
}
