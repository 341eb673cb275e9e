import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Command } from 'commander';
import type { Logger } from 'pino';
import { printSettings, resolveSettings, type Settings, secretsOf } from '../config/index.js';
import { IngestError } from '../lib/errors.js';
import { createLogger, type LoggerOptions } from '../lib/logging.js';
import { maskerOf } from '../lib/mask.js';
import { trustAlso } from '../lib/net/trust.js';
import { originalStream, plainStream } from '../lib/terminal.js';
import { commandOptions, flagsOf } from './command-options.js';
import { commandText } from './command-text.js';
import { formatError } from './error-text.js';
import { exitStatusOf } from './exit-status.js';
import { writeBeside } from './live-frame.js';

export type Output = NodeJS.WritableStream & { isTTY?: boolean; columns?: number };

export interface CommandIo {
  stdout: Output;
  stderr: Output;
  stdin: NodeJS.ReadableStream;
  env: NodeJS.ProcessEnv;
  cwd: string;
}

export interface CommandContext {
  settings: Settings;
  /** The positional arguments, those of a trailing `…` one by one. */
  args: string[];
  /** The flags as they were given, by option key. */
  flags: Record<string, unknown>;
  log: Logger;
  io: CommandIo;
  /** The command as it was given, for a shell to take again; secrets are masked. */
  commandLine: string;
}

export interface CommandArgument {
  name: string;
  describe: string;
  required: boolean;
}

export interface CommandDefinition {
  name: string;
  describe: string;
  args?: readonly CommandArgument[];
  subcommands?: Readonly<Record<string, CommandDefinition>>;
  /** Keys of the option table. */
  options: readonly string[];
  examples?: readonly string[];
  /** Gives the exit status. Absent in a command that only groups others. */
  run?(context: CommandContext): Promise<number>;
}

/** A command that was called: what it is, and with what. */
export interface Invocation {
  definition: CommandDefinition;
  args: string[];
  flags: Record<string, unknown>;
}

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/**
 * The command line, made from the option table.
 * @param onCall gets the called command; nothing runs before it
 * @param argsOptional for `--print-config`, which needs no arguments
 */
export function buildProgram(
  commands: Readonly<Record<string, CommandDefinition>>,
  onCall: (invocation: Invocation) => void = () => undefined,
  { argsOptional = false } = {},
): Command {
  const program = new Command('asg-ingest')
    .description(
      'Bulk ingestion for the ASG Gateway: a JSONL manifest in, every line labeled once or explained.',
    )
    .version(version)
    .exitOverride()
    .configureHelp({ showGlobalOptions: false });
  const add = (parent: Command, definition: CommandDefinition) => {
    const command = parent.command(definition.name).description(definition.describe);
    for (const { name, describe, required } of definition.args ?? [])
      command.argument(required && !argsOptional ? `<${name}>` : `[${name}]`, describe);
    for (const option of commandOptions(definition.options)) command.addOption(option);
    if (definition.examples?.length)
      command.addHelpText(
        'after',
        `\nExamples:\n${definition.examples.map((line) => `  ${line}`).join('\n')}`,
      );
    for (const subcommand of Object.values(definition.subcommands ?? {})) add(command, subcommand);
    // Commander's own check does not say which argument is too many.
    command.allowExcessArguments();
    if (definition.run)
      command.action(() => {
        refuseExcess(definition, command.args);
        onCall({ definition, args: command.args, flags: flagsOf(command.opts()) });
      });
  };
  for (const definition of Object.values(commands)) add(program, definition);
  return program.addHelpText(
    'after',
    '\nThe Gateway key comes from ASG_API_KEY or ASG_API_KEY_FILE. `asg-ingest <command> --help` lists its options.',
  );
}

/** A shell splits at blanks and expands `*`: the usual reason for one argument too many. */
function refuseExcess({ name, args = [] }: CommandDefinition, given: readonly string[]): void {
  const excess = given.slice(args.length);
  if (excess.length === 0 || args.at(-1)?.name.endsWith('...')) return;
  const takes = args.length === 0 ? 'no argument' : args.map((each) => `<${each.name}>`).join(' ');
  const shown = excess.slice(0, 3).map((text) => JSON.stringify(text));
  throw new IngestError(
    'usage',
    `${name} takes ${takes}, and was given ${shown.join(' ')}${excess.length > 3 ? ' …' : ''} as well`,
    { hint: 'a list is one word with commas (--options cat,dog); put quotes around blanks and *' },
  );
}

/** Runs the command that `argv` (without node and script) calls. Gives the exit status; never throws. */
export async function main(
  argv: readonly string[],
  given: CommandIo,
  commands: Readonly<Record<string, CommandDefinition>>,
): Promise<number> {
  let mask = (text: string) => text;
  // Piped output is data, byte for byte.
  const stdout = given.stdout.isTTY ? plainStream(given.stdout) : given.stdout;
  const io = { ...given, stdout, stderr: plainStream(given.stderr) };
  try {
    const invocation = parseArguments(argv, io, commands);
    if (invocation === null) return 0;
    const { definition, args, flags } = invocation;
    const settings = resolveSettings({ command: definition.name, flags, env: io.env, cwd: io.cwd });
    const secrets = secretsOf(settings);
    mask = maskerOf(secrets);
    if (settings.ca !== null) trustAlso(path.resolve(io.cwd, settings.ca), '--ca');
    if (settings.printConfig) {
      io.stdout.write(`${printSettings(settings, definition.options)}\n`);
      return 0;
    }
    const log = createLogger({ level: settings.logLevel, secrets, ...logDestination(io.stderr) });
    const commandLine = mask(commandText(argv));
    return (await definition.run?.({ settings, args, flags, log, io, commandLine })) ?? 0;
  } catch (error) {
    const status = exitStatusOf(error);
    if (status !== 0) io.stderr.write(`${mask(formatError(error, argv.includes('--debug')))}\n`);
    return status;
  }
}

function parseArguments(
  argv: readonly string[],
  io: CommandIo,
  commands: Readonly<Record<string, CommandDefinition>>,
): Invocation | null {
  let called: Invocation | null = null;
  const onCall = (invocation: Invocation) => {
    called = invocation;
  };
  const program = buildProgram(commands, onCall, { argsOptional: argv.includes('--print-config') });
  const output = {
    writeOut: (text: string) => void io.stdout.write(text),
    writeErr: (text: string) => void io.stderr.write(text),
    outputError: () => undefined,
    getOutHelpWidth: () => io.stdout.columns ?? 100,
    getErrHelpWidth: () => io.stderr.columns ?? 100,
  };
  eachCommand(program, (command) => command.configureOutput(output));
  program.parse(argv, { from: 'user' });
  return called;
}

function eachCommand(command: Command, use: (command: Command) => void): void {
  use(command);
  for (const subcommand of command.commands) eachCommand(subcommand, use);
}

/** On a terminal the log is for people, and goes round the live display; else straight to stderr's descriptor. */
function logDestination(stderr: Output): Pick<LoggerOptions, 'pretty' | 'destination'> {
  if (originalStream(stderr) === process.stderr && !stderr.isTTY) return {};
  return {
    pretty: stderr.isTTY === true,
    destination: { write: (line) => writeBeside(stderr, line) },
  };
}
