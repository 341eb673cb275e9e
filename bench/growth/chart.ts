/** Line charts as SVG text, of points whose horizontal places are even: sizes go up by factors. */
export interface Series {
  name: string;
  /** One a label; null where nothing was measured. */
  values: (number | null)[];
}

export interface Chart {
  title: string;
  labels: string[];
  series: Series[];
}

const [WIDTH, HEIGHT, TOP, LEFT, RIGHT, BOTTOM] = [360, 220, 34, 52, 12, 44];
const COLOURS = ['#1f6feb', '#bf5700', '#2da44e'];

const PER_ROW = 3;

/** Charts in rows, each with a scale of its own that starts at zero. */
export function chartsSvg(charts: readonly Chart[]): string {
  const width = WIDTH * Math.min(PER_ROW, charts.length);
  const height = HEIGHT * Math.ceil(charts.length / PER_ROW);
  const place = (at: number) => `${(at % PER_ROW) * WIDTH} ${Math.floor(at / PER_ROW) * HEIGHT}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="11"><title>How cost grows</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...charts.map((chart, at) => `<g transform="translate(${place(at)})">${drawn(chart)}</g>`),
    '</svg>\n',
  ].join('\n');
}

function drawn({ title, labels, series }: Chart): string {
  const top = ceiling(Math.max(0, ...series.flatMap(({ values }) => values.map((value) => value ?? 0))));
  const step = (WIDTH - LEFT - RIGHT) / Math.max(1, labels.length);
  const x = (at: number) => round(LEFT + step * (at + 0.5));
  const y = (value: number) => round(HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM));
  const grid = [0, 0.5, 1].map((share) => {
    const at = y(top * share);
    return `<path d="M${LEFT} ${at}H${WIDTH - RIGHT}" stroke="#ddd"/><text x="${LEFT - 5}" y="${at + 4}" text-anchor="end" fill="#555">${spoken(top * share)}</text>`;
  });
  const names = labels.map(
    (label, at) =>
      `<text x="${x(at)}" y="${HEIGHT - BOTTOM + 15}" text-anchor="middle" fill="#555">${text(label)}</text>`,
  );
  const lines = series.map(({ name, values }, at) => {
    const colour = COLOURS[at % COLOURS.length];
    const points = values.flatMap((value, index) => (value === null ? [] : [[x(index), y(value)] as const]));
    const dots = points.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3" fill="${colour}"/>`).join('');
    const path = points.map(([px, py]) => `${px},${py}`).join(' ');
    const legend = `<text x="${LEFT + at * 95}" y="${HEIGHT - 8}" fill="${colour}">${text(name)}</text>`;
    return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="1.5"/>${dots}${legend}`;
  });
  const head = `<text x="${LEFT}" y="18" font-weight="bold" fill="#222">${text(title)}</text>`;
  return [head, ...grid, ...names, ...lines].join('');
}

/** The next 1, 2 or 5 followed by zeros. */
function ceiling(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5].find((n) => n * power >= value) ?? 10) * power;
}

const round = (n: number) => Number(n.toFixed(1));
export const spoken = (n: number) => n.toLocaleString('en', { maximumFractionDigits: n < 10 ? 1 : 0 });
const text = (raw: string) => raw.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
