/** Writes the Grafana dashboards, or with `--check` fails when the committed files are not what this would write. */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import {
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { oneRun } from './one-run.js';
import { overview } from './overview.js';
import { type PanelSpec, panelOf } from './panel.js';

const FOLDER = new URL('../../config/grafana/dashboards/', import.meta.url);
const datasource = { type: 'prometheus', uid: '$datasource' };

const variable = (name: string, label: string, query: string) =>
  new QueryVariableBuilder(name)
    .label(label)
    .datasource(datasource)
    .query(query)
    .refresh(VariableRefresh.OnTimeRangeChanged);
const job = variable('job', 'Fleet', 'label_values(asg_ingest_build_info, job)');
const run = variable('run', 'Run', 'label_values(asg_ingest_run_lines{job="$job"}, run)');

function dashboard(
  title: string,
  uid: string,
  rows: Record<string, PanelSpec[]>,
  variables: QueryVariableBuilder[],
) {
  const builder = new DashboardBuilder(title)
    .uid(uid)
    .tags(['asg-ingest'])
    .tooltip(DashboardCursorSync.Crosshair)
    .refresh('10s')
    .time({ from: 'now-1h', to: 'now' })
    .timezone('browser')
    .link(
      new DashboardLinkBuilder('asg-ingest')
        .type(DashboardLinkType.Dashboards)
        .tags(['asg-ingest'])
        .keepTime(true)
        .includeVars(true),
    )
    .withVariable(new DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus'));
  for (const each of variables) builder.withVariable(each);
  for (const [name, panels] of Object.entries(rows)) {
    builder.withRow(new RowBuilder(name));
    for (const panel of panels) builder.withPanel(panelOf(panel));
  }
  return builder.build();
}

const dashboards: Record<string, Dashboard> = {
  'overview.json': dashboard('asg-ingest overview', 'asg-ingest-overview', overview, [job]),
  'run.json': dashboard('asg-ingest run', 'asg-ingest-run', oneRun, [job, run]),
};

const stale: string[] = [];
for (const [name, built] of Object.entries(dashboards)) {
  const file = fileURLToPath(new URL(name, FOLDER));
  const text = `${JSON.stringify(built, null, 2)}\n`;
  if (!process.argv.includes('--check')) await writeFile(file, text);
  else if ((await readFile(file, 'utf8').catch(() => '')) !== text) stale.push(name);
}
if (stale.length > 0) {
  process.stderr.write(`not as built: ${stale.join(', ')}; run \`npm run dashboards\`\n`);
  process.exitCode = 1;
}
