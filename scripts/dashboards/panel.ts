import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import type { Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import {
  HeatmapColorMode,
  HeatmapColorOptionsBuilder,
  PanelBuilder as HeatmapPanel,
} from '@grafana/grafana-foundation-sdk/heatmap';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatPanel } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TimeseriesPanel } from '@grafana/grafana-foundation-sdk/timeseries';

/** A panel as the dashboards' authors think of it; `panelOf` makes Grafana's of it. */
export interface PanelSpec {
  title: string;
  /** What a bad value means, and what to do. */
  description: string;
  kind?: 'timeseries' | 'stat' | 'heatmap';
  /** A unit of Grafana's: `s`, `bytes`, `percentunit`, `short`. */
  unit: string;
  /** Of 24 columns. Default 8. */
  span?: number;
  queries: readonly (readonly [expression: string, legend: string])[];
}

const HEIGHT = { timeseries: 8, stat: 4, heatmap: 8 } as const;

export function panelOf(spec: PanelSpec): Builder<Panel> {
  const kind = spec.kind ?? 'timeseries';
  const panel = newPanel(kind)
    .title(spec.title)
    .description(spec.description)
    .datasource({ type: 'prometheus', uid: '$datasource' })
    .unit(spec.unit)
    .span(spec.span ?? 8)
    .height(HEIGHT[kind]);
  for (const [index, [expression, legend]] of spec.queries.entries())
    panel.withTarget(
      new DataqueryBuilder()
        .refId(String.fromCharCode(65 + index))
        .expr(expression)
        .legendFormat(legend)
        .format(kind === 'heatmap' ? PromQueryFormat.Heatmap : PromQueryFormat.TimeSeries),
    );
  return panel;
}

function newPanel(kind: 'timeseries' | 'stat' | 'heatmap') {
  if (kind === 'stat') return new StatPanel();
  if (kind === 'heatmap')
    return new HeatmapPanel().color(
      new HeatmapColorOptionsBuilder().mode(HeatmapColorMode.Scheme).scheme('Turbo').steps(64),
    );
  return new TimeseriesPanel().min(0).lineWidth(1).fillOpacity(8);
}
