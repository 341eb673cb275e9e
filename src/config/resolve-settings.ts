import { readFileSync } from 'node:fs';
import path from 'node:path';
import { usageError } from '../lib/errors.js';
import { readDefaultFile, readSettingsFile } from './files.js';
import { type Given, resolveLabelSpec } from './label-spec.js';
import { flagOf, type OptionKey, optionOf, options, settingOf, type Values } from './option-table.js';
import { secretUrl } from './secret.js';
import { type SettingOrigin, type Settings, toSettings } from './settings.js';

/** The sources of settings, beside the files that they name. */
export interface SettingsInput {
  /** The command's name; some defaults depend on it. */
  command: string;
  /** By option key, as text or typed; undefined is not given. */
  flags: Readonly<Record<string, unknown>>;
  /** Usually `process.env`. Empty variables count as missing. */
  env: NodeJS.ProcessEnv;
  /** Relative paths start here. */
  cwd: string;
}

/** A value as written, before it is parsed. */
interface Written {
  raw: unknown;
  /** The option as the user wrote it: `--rate`, `ASG_RATE`, `rate in settings.yaml`. */
  as: string;
  from: string;
  /** The layer's place in the order; the highest wins. */
  rank: number;
}

type Layer = Map<OptionKey, Written>;

/**
 * Defaults < `config/default.*` < `--config` < environment < flags.
 * @throws IngestError `usage`, naming the option as it was written, its value, and what is allowed
 */
export function resolveSettings({ command, flags, env, cwd }: SettingsInput): Settings {
  const [fromFlags, fromEnv] = [flagLayer(flags), envLayer(env, cwd)];
  const config = fromFlags.get('config') ?? fromEnv.get('config');
  const files = [
    readDefaultFile(cwd),
    config === undefined ? null : readSettingsFile(parsed('config', config) as string, cwd, config.as),
  ].map(fileLayer);
  const layers = [...files, fromEnv, fromFlags];

  const given = new Map<OptionKey, Written>();
  layers.forEach((layer, rank) => {
    for (const [key, written] of layer) given.set(key, { ...written, rank });
  });

  const values: Record<string, unknown> = {};
  for (const key of Object.keys(options) as OptionKey[]) {
    const written = given.get(key);
    values[key] = written === undefined ? defaultOf(key, command) : parsed(key, written);
  }
  // The loop above has put a value of its option's own type under every key.
  const resolved = values as Values;
  if (resolved.debug && !given.has('logLevel')) resolved.logLevel = 'debug';
  resolved.dataDir = path.resolve(cwd, resolved.dataDir);
  checkTogether(resolved, (key) => given.get(key)?.as ?? flagOf(key));
  const labelSpec = resolveLabelSpec(
    {
      spec: asGiven(given, 'labelSpec', resolved.labelSpec),
      question: asGiven(given, 'question', resolved.question),
      options: asGiven(given, 'options', resolved.options),
    },
    cwd,
  );
  return toSettings(resolved, labelSpec, originsOf(resolved, given));
}

function flagLayer(flags: Readonly<Record<string, unknown>>): Layer {
  const layer: Layer = new Map();
  for (const [name, raw] of Object.entries(flags)) {
    const key = settingOf(name);
    if (key === undefined || raw === undefined || optionOf(key).only === 'env') continue;
    layer.set(key, { raw, as: flagOf(name), from: `flag ${flagOf(name)}`, rank: 0 });
  }
  return layer;
}

function envLayer(env: NodeJS.ProcessEnv, cwd: string): Layer {
  const layer: Layer = new Map();
  for (const key of Object.keys(options) as OptionKey[]) {
    const { env: name, only } = optionOf(key);
    if (name === undefined) continue;
    const put = (raw: string, as: string) => layer.set(key, { raw, as, from: `environment ${as}`, rank: 0 });
    const [raw, file] = [env[name], env[`${name}_FILE`]];
    if (raw) put(raw, name);
    // An option that is only in the environment is a secret. A secret may be a file, as orchestrators mount them.
    else if (file && only === 'env') put(readSecret(`${name}_FILE`, file, cwd), `${name}_FILE`);
  }
  return layer;
}

function readSecret(variable: string, file: string, cwd: string): string {
  try {
    return readFileSync(path.resolve(cwd, file), 'utf8').trim();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw usageError(variable, `${file} cannot be read (${code}); it is to hold the secret`, {
      cause: error,
    });
  }
}

function fileLayer(file: ReturnType<typeof readDefaultFile>): Layer {
  const entries = [...(file?.entries ?? [])];
  const from = `file ${file?.name}`;
  return new Map(
    entries.map(([key, { raw, written }]) => [
      key,
      { raw, as: `${written} in ${file?.name}`, from, rank: 0 },
    ]),
  );
}

function defaultOf(key: OptionKey, command: string): unknown {
  const option = optionOf(key);
  return option.defaults && Object.hasOwn(option.defaults, command)
    ? option.defaults[command]
    : option.default;
}

function parsed(key: OptionKey, { raw, as }: Written): unknown {
  const option = optionOf(key);
  const value = option.parse(raw);
  if (value === undefined) {
    const shown = option.secret ? 'the value' : JSON.stringify(raw);
    throw usageError(as, `${shown} is not ${option.expected}`);
  }
  return value;
}

function checkTogether(values: Values, as: (key: OptionKey) => string): void {
  if (values.pollDelay > values.pollMaxDelay) {
    const [least, greatest] = [
      optionOf('pollDelay').show(values.pollDelay),
      optionOf('pollMaxDelay').show(values.pollMaxDelay),
    ];
    throw usageError(
      as('pollDelay'),
      `${least} is more than ${as('pollMaxDelay')}, ${greatest}; it may be as much at most`,
    );
  }
  checkEnvelopes(values, as);
  if (values.carry && values.since === null)
    throw usageError(
      as('carry'),
      'needs --since <run>: the rows that are copied are those of an earlier run',
    );
  if (values.pilot !== null && values.since !== null)
    throw usageError(as('since'), 'cannot be used with --pilot, which takes lines from all of the manifest', {
      hint: '`asg-ingest plan --since` forecasts what is new',
    });
  if (values.queueBoardWrites && values.operatorToken === null)
    throw usageError(
      as('queueBoardWrites'),
      'needs ASG_OPERATOR_TOKEN (or ASG_OPERATOR_TOKEN_FILE): nobody could change anything without it',
    );
  if (values.webhookTrust && values.webhookUrl === null)
    throw usageError(as('webhookTrust'), 'needs --webhook-url: without it there are no deliveries to trust');
}

/** An answer with the status `verified` does not hold the label's cost. */
function checkEnvelopes(values: Values, as: (key: OptionKey) => string): void {
  const [given] = (['spend', 'spendPerDay'] as const).filter((key) => values[key] !== null);
  if (given !== undefined && values.until === 'verified')
    throw usageError(
      as(given),
      `cannot be kept with ${as('until')} verified: such answers do not say what a label cost`,
      {
        hint: 'use --budget <tasks>, or leave --until out',
      },
    );
}

function asGiven<T>(given: Map<OptionKey, Written>, key: OptionKey, value: T | null): Given<T> {
  const written = given.get(key);
  return { value, as: written?.as ?? flagOf(key), rank: written?.rank ?? -1 };
}

function originsOf(values: Values, given: Map<OptionKey, Written>): SettingOrigin[] {
  const keys = (Object.keys(options) as OptionKey[]).filter((key) => optionOf(key).only !== 'flag');
  return keys.map((key) => ({
    key,
    shown: shownValue(key, values[key]),
    from: given.get(key)?.from ?? 'default',
  }));
}

function shownValue(key: OptionKey, value: unknown): string {
  const option = optionOf(key);
  if (value === null || !option.secret) return option.show(value);
  return option.type === 'url' ? secretUrl(String(value)).toString() : '***';
}
