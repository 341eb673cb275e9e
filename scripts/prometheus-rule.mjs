// Prints config/prometheus/rules.yml and alerts.yml as a PrometheusRule, for clusters with the Prometheus operator.
import { readFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';

const groups = ['rules.yml', 'alerts.yml'].flatMap(
  (name) => parse(readFileSync(new URL(`../config/prometheus/${name}`, import.meta.url), 'utf8')).groups,
);
const rule = {
  apiVersion: 'monitoring.coreos.com/v1',
  kind: 'PrometheusRule',
  metadata: { name: 'asg-ingest', namespace: 'asg-ingest' },
  spec: { groups },
};
process.stdout.write(stringify(rule, { lineWidth: 0 }));
