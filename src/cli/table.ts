import { plain } from '../lib/terminal.js';

export type Cell = string | number | null;

/** Columns in line, numbers to the right, null as `-`. Without rows: the headers alone. */
export function formatTable(headers: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const text = (cell: Cell | undefined) => (cell === null || cell === undefined ? '-' : plain(String(cell)));
  const widths = headers.map((header, column) =>
    Math.max(header.length, ...rows.map((row) => text(row[column]).length)),
  );
  const numeric = headers.map(
    (_header, column) => rows.length > 0 && rows.every((row) => typeof row[column] !== 'string'),
  );
  const line = (cells: readonly Cell[]) =>
    widths
      .map((width, column) =>
        numeric[column] ? text(cells[column]).padStart(width) : text(cells[column]).padEnd(width),
      )
      .join('  ')
      .trimEnd();
  return [headers, ...rows].map(line).join('\n');
}
