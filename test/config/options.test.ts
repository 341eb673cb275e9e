import { expect, test } from 'vitest';
import { flagOf, type OptionKey, optionOf, options, resolveSettings } from '../../src/config/index.js';

const keys = Object.keys(options) as OptionKey[];

test.each(keys)('the default of %s is a value that could have been given', (key) => {
  const option = optionOf(key);
  for (const value of [option.default, ...Object.values(option.defaults ?? {})]) {
    if (value === null) continue;
    expect(option.parse(option.show(value))).toEqual(value);
  }
});

test('no two options share a flag or a variable', () => {
  const names = keys.flatMap((key) => [flagOf(key), optionOf(key).env]).filter((name) => name !== undefined);
  expect(new Set(names).size).toBe(names.length);
});

test('the settings file of the repository changes nothing', () => {
  const repository = new URL('../..', import.meta.url).pathname;
  const { origins } = resolveSettings({ command: 'run', flags: {}, env: {}, cwd: repository });
  expect(origins.filter(({ from }) => from !== 'default')).toEqual([]);
});
