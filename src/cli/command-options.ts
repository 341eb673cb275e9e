import { Option } from 'commander';
import { flagOf, kebab, type OptionKey, optionOf, settingOf } from '../config/index.js';
import { HELP_GROUPS } from './option-groups.js';

/** A command with more options than this shows them in groups. */
const FEW = 16;

/** Commander's options for keys of the option table. Values stay text: `resolveSettings` reads them. */
export function commandOptions(keys: readonly string[]): Option[] {
  return inHelpOrder(keys).flatMap(([key, heading]) => {
    const setting = settingOf(key);
    if (setting === undefined) throw new Error(`no option ${key} in the table`);
    if (optionOf(setting).only === 'env') throw new Error(`${key} is a secret: it has no flag`);
    const made =
      setting === 'options' ? listOptions() : setting === 'map' ? repeated(setting) : optionsOf(key, setting);
    return heading === null ? made : made.map((option) => option.helpGroup(heading));
  });
}

/** The keys group by group, each with its group's heading: Commander shows groups in the order of their first option. */
function inHelpOrder(keys: readonly string[]): [key: string, heading: string | null][] {
  const rest = new Set(keys);
  const grouped = HELP_GROUPS.flatMap(([heading, members]) =>
    members.filter((key) => rest.delete(key)).map((key): [string, string | null] => [key, heading]),
  );
  // A few options need no headings.
  if (keys.length <= FEW) return [...new Set(keys)].map((key) => [key, null]);
  return [...grouped, ...[...rest].map((key): [string, null] => [key, null])];
}

function optionsOf(key: string, setting: OptionKey): Option[] {
  const { type, placeholder, only } = optionOf(setting);
  const [flag, text] = [flagOf(key), describe(setting)];
  if (type !== 'boolean') return [new Option(`${flag} <${placeholder}>`, text)];
  const off = new Option(`--no-${kebab(key)}`).hideHelp();
  return [new Option(flag, text), ...(only === 'flag' ? [] : [off])];
}

/** `--options a,b,c` splits at commas, `--option a` takes one label as it is; both may be repeated. */
function listOptions(): Option[] {
  const append = (split: (text: string) => string[]) => (text: string, before: string[] | undefined) => [
    ...(before ?? []),
    ...split(text),
  ];
  const commas = (text: string) => text.split(',').map((label) => label.trim());
  return [
    new Option('--options <a,b,c>', optionOf('options').describe).argParser(append(commas)),
    new Option('--option <label>', 'one label; repeated for each').argParser(append((text) => [text])),
  ];
}

function describe(setting: OptionKey): string {
  const { describe, default: value, env, show } = optionOf(setting);
  const notes = [
    ...(value === null || value === false || describe.includes('(default')
      ? []
      : [`default: ${show(value)}`]),
    ...(env === undefined ? [] : [`env: ${env}`]),
  ];
  return notes.length === 0 ? describe : `${describe} (${notes.join(', ')})`;
}

/** A list of which each flag gives some. */
function repeated(setting: OptionKey): Option[] {
  const option = new Option(`${flagOf(setting)} <${optionOf(setting).placeholder}>`, describe(setting));
  const append = (text: string, before: string[] | undefined) => [...(before ?? []), ...text.split(',')];
  return [option.argParser(append)];
}

/** The flags that were given, by option key. */
export function flagsOf(given: Record<string, unknown>): Record<string, unknown> {
  const { option, ...flags } = given as { option?: string[]; options?: string[] };
  return option === undefined ? flags : { ...flags, options: [...(flags.options ?? []), ...option] };
}
