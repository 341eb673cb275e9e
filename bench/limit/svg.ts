import type { Timeline } from './cell.js';

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [760, 240, 48, 32, 28];

/** Calls per second as bars: let through below, refused on top; the limit as a line. */
export function timelineSvg(title: string, { accepted, refused }: Timeline, limit: number): string {
  const most = Math.max(limit, ...accepted.map((n, i) => n + (refused[i] ?? 0))) * 1.05;
  const x = (second: number) => LEFT + (second * (WIDTH - LEFT - 8)) / accepted.length;
  const y = (calls: number) => HEIGHT - BOTTOM - (calls * (HEIGHT - BOTTOM - TOP)) / most;
  const bar = (second: number, from: number, to: number, fill: string) =>
    to > from
      ? `<rect x="${x(second).toFixed(1)}" y="${y(to).toFixed(1)}" width="${(x(1) - x(0) - 1).toFixed(1)}" height="${(y(from) - y(to)).toFixed(1)}" fill="${fill}"/>`
      : '';
  const bars = accepted.map((n, i) => bar(i, 0, n, '#4a7ebb') + bar(i, n, n + (refused[i] ?? 0), '#c0392b'));
  const seconds = accepted.flatMap((_, i) =>
    i % 10 === 0 ? [`<text x="${x(i).toFixed(1)}" y="${HEIGHT - 14}">${i} s</text>`] : [],
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="11" fill="#333"><title>An unknown limit, found and used</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${LEFT}" y="16" font-size="13">${title}: calls per second, let through (blue) and refused (red)</text>`,
    ...bars,
    `<line x1="${LEFT}" x2="${WIDTH - 8}" y1="${y(limit).toFixed(1)}" y2="${y(limit).toFixed(1)}" stroke="#222" stroke-dasharray="4 3"/>`,
    `<text x="4" y="${(y(limit) + 4).toFixed(1)}">${limit}/s</text>`,
    ...seconds,
    '</svg>',
    '',
  ].join('\n');
}
