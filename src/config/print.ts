import { flagOf, type OptionKey, optionOf } from './options.js';
import type { Settings } from './settings.js';

/** For `--print-config`: a line a setting, with its value and where that comes from; secrets are masked. */
export function printSettings(settings: Settings, keys?: readonly OptionKey[]): string {
  const rows = settings.origins
    .filter(({ key }) => keys === undefined || keys.includes(key) || optionOf(key).only === 'env')
    .map(({ key, shown, from }) => [
      optionOf(key).only === 'env' ? (optionOf(key).env ?? key) : flagOf(key).slice(2),
      shown,
      from,
    ]);
  const width = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  const [first, second] = [width(0), width(1)];
  return rows
    .map(([name = '', shown = '', from = '']) => `${name.padEnd(first)}  ${shown.padEnd(second)}  ${from}`)
    .join('\n');
}
