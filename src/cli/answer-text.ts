import { plain } from '../lib/terminal.js';
import type { CommandContext } from './program.js';
import { type Cell, formatTable } from './table.js';

/** A Gateway's answer: as it came with `--json`, else a line a field. */
export function printAnswer(
  { settings, io }: CommandContext,
  answer: Readonly<Record<string, unknown>>,
): void {
  io.stdout.write(`${settings.json ? JSON.stringify(answer) : formatFields(answer)}\n`);
}

/** The same for a list: with `--json` the rows as they came, else a table of the columns. */
export function printRows<Row extends object>(
  { settings, io }: CommandContext,
  rows: readonly Row[],
  columns: readonly (keyof Row & string)[],
): void {
  if (settings.json) io.stdout.write(`${JSON.stringify(rows)}\n`);
  else
    io.stdout.write(
      `${formatTable(
        columns,
        rows.map((row) => columns.map((column) => cell(row[column]))),
      )}\n`,
    );
}

/** Lists of objects are left out: they have tables of their own. */
function formatFields(answer: Readonly<Record<string, unknown>>): string {
  const shown = Object.entries(answer).filter(([, value]) => value !== undefined && !isTable(value));
  const width = Math.max(...shown.map(([name]) => name.length), 0);
  return shown.map(([name, value]) => plain(`${name.padEnd(width)}  ${cell(value) ?? '-'}`)).join('\n');
}

const isTable = (value: unknown) =>
  Array.isArray(value) && value.some((entry) => typeof entry === 'object' && entry !== null);

function cell(value: unknown): Cell {
  if (value === null || value === undefined) return null;
  if (typeof value === 'number' || typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map(cell).join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
