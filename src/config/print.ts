import { flagOf, optionOf, settingOf } from './option-table.js';
import type { Settings } from './settings.js';

/**
 * Prints, with `--print-config`, a line a setting, with its value and origin; secrets are masked.
 * @param keys only the settings of these option keys, and those that only the environment gives; default all
 */
export function printSettings(settings: Settings, keys?: readonly string[]): string {
  const wanted = keys && new Set(keys.map(settingOf));
  const rows = settings.origins
    .filter(({ key }) => wanted === undefined || wanted.has(key) || optionOf(key).only === 'env')
    .map(({ key, shown, from }) => {
      const { only, env } = optionOf(key);
      return { name: only === 'env' && env ? env : flagOf(key).slice(2), shown, from };
    });
  const widest = (texts: string[]) => Math.max(0, ...texts.map((text) => text.length));
  const [first, second] = [widest(rows.map(({ name }) => name)), widest(rows.map(({ shown }) => shown))];
  return rows
    .map(({ name, shown, from }) => `${name.padEnd(first)}  ${shown.padEnd(second)}  ${from}`)
    .join('\n');
}
