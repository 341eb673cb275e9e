import { number } from '../../lib/format.js';
import { type Html, html } from './html.js';

export interface Bar {
  /** The tooltip of a bar. */
  title: string;
  /** From the bottom up: the class that colours a segment, and its height. */
  segments: readonly (readonly [swatch: string, height: number])[];
}

export interface Chart {
  id: string;
  title: string;
  /** The chart's content in a sentence: for readers who cannot see it, and above it for the others. */
  says: string;
  /** Bars of equal width, side by side. */
  bars: readonly Bar[];
  /** A stepped line over the bars, one height for each. */
  line?: { swatch: string; heights: readonly number[] };
  legend?: readonly (readonly [swatch: string, name: string])[];
  unit?: string;
  /** Along the bottom, evenly spread from end to end. */
  ticks: readonly string[];
  small?: boolean;
  /** The same figures as a table. */
  columns: readonly string[];
  rows: readonly (readonly (string | number)[])[];
}

const HEIGHT = 100;

/** Bars, with an axis of text beside, so that it stays as large as other text on any screen. */
export function chart({ bars, line, ticks, unit = '', ...the }: Chart): Html {
  const heights = [...bars.map(heightOf), ...(line?.heights ?? [])];
  const top = niceTop(Math.max(...heights, 0));
  const y = (value: number) => (HEIGHT - (value / top) * HEIGHT).toFixed(2);
  const drawn = bars.map((bar, x) => {
    let below = 0;
    const rects = bar.segments.map(([swatch, height]) => {
      below += height;
      if (height === 0) return null;
      const tall = ((height / top) * HEIGHT).toFixed(2);
      return html`<rect class="${swatch}" x="${x + 0.06}" y="${y(below)}" width="0.88" height="${tall}"></rect>`;
    });
    return html`<g><title>${bar.title}</title><rect class="clear" x="${x}" y="0" width="1" height="${HEIGHT}"></rect>${rects}</g>`;
  });
  const path = line?.heights.map((height, x) => `${x === 0 ? 'M' : 'L'}${x} ${y(height)}H${x + 1}`).join('');
  return html`<figure class="card" id="${the.id}">
<figcaption><h2>${the.title}</h2><p>${the.says}</p>${legendOf(the.legend)}</figcaption>
<div class="plot">
<div class="y" aria-hidden="true"><span>${number(top)}${unit}</span><span>0</span></div>
<svg class="bars${the.small ? ' small' : ''}" viewBox="0 0 ${Math.max(1, bars.length)} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${the.title}. ${the.says}">
${drawn}${path && html`<path class="${line?.swatch ?? ''}" d="${path}"></path>`}</svg>
<div class="x" aria-hidden="true">${ticks.map((tick) => html`<span>${tick}</span>`)}</div>
</div>
<details id="${the.id}-figures"><summary>Figures</summary>${table(the.columns, the.rows)}</details>
</figure>`;
}

const heightOf = ({ segments }: Bar) => segments.reduce((sum, [, height]) => sum + height, 0);

const legendOf = (legend: Chart['legend']) =>
  legend &&
  html`<p class="legend">${legend.map(([swatch, name]) => html`<span class="${swatch}">${name}</span>`)}</p>`;

function table(columns: Chart['columns'], rows: Chart['rows']): Html {
  const [first, ...others] = columns;
  return html`<table><thead><tr><th scope="col">${first}</th>${others.map((name) => html`<th scope="col" class="n">${name}</th>`)}</tr></thead>
<tbody>${rows.map(
    ([name, ...cells]) =>
      html`<tr><th scope="row">${name}</th>${cells.map((cell) => html`<td class="n">${typeof cell === 'number' ? number(cell) : cell}</td>`)}</tr>`,
  )}</tbody></table>`;
}

/** The least of 1, 2, 2.5 and 5 times a power of ten that is not under the value. */
export function niceTop(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 2.5, 5, 10].find((each) => each * power >= value * (1 - 1e-9)) ?? 10;
  return step * power;
}
