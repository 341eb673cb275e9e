export { formatHours, inNamedZone } from './hours.js';
export {
  flagOf,
  kebab,
  type OptionKey,
  optionOf,
  options,
  sandboxCommandKeys,
  sandboxKeys,
  settingOf,
} from './option-table.js';
export { printSettings } from './print.js';
export { formatRateWindows, parseRateWindows, type RateWindow, splitWindows } from './rate-windows.js';
export { resolveSettings, type SettingsInput } from './resolve-settings.js';
export { Secret } from './secret.js';
export type { SandboxSettings, SettingOrigin, Settings } from './settings.js';
export { secretsOf } from './settings.js';
