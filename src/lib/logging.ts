import pino, { type DestinationStream, type Logger } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { maskerOf } from './mask.js';
import { plainLines } from './terminal.js';

/** Options of `createLogger`. */
export interface LoggerOptions {
  /** pino's levels, and `silent`. At `debug` and `trace` errors come with their stacks. */
  level: string;
  /** For people instead of JSON lines; default false. */
  pretty?: boolean;
  /** Values that are masked wherever they appear in a log line, in messages too. */
  secrets?: readonly string[];
  /** Default: stderr, written synchronously, so that nothing is lost at exit. */
  destination?: DestinationStream;
}

const MASK = '***';

const SECRET_FIELDS = [
  'apiKey',
  'api_key',
  'authorization',
  'Authorization',
  'secret',
  'webhookSecret',
  'metricsToken',
  'operatorToken',
  'cookie',
  'credentials',
  'password',
  'secret_access_key',
  'service_account_json',
  'redisUrl',
];

/** At the top and up to four objects deep. */
const redactedPaths = SECRET_FIELDS.flatMap((field) =>
  [0, 1, 2, 3, 4].map((depth) => `${'*.'.repeat(depth)}${field}`),
);

/** JSON lines on stderr; secret fields and the values of `secrets` are masked. */
export function createLogger({ level, pretty: forPeople, secrets = [], destination }: LoggerOptions): Logger {
  const mask = maskerOf(secrets);
  const withStack = level === 'debug' || level === 'trace';
  const stderr = destination ?? pino.destination({ dest: 2, sync: true });
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: redactedPaths, censor: MASK },
      serializers: { err: (error: unknown) => errorFields(error, withStack) },
      hooks: { streamWrite: (line) => plainLines(mask(line)) },
    },
    forPeople ? prettyStream(stderr) : stderr,
  );
}

function prettyStream(destination: DestinationStream): DestinationStream {
  const format = prettyFactory({ colorize: false, singleLine: true, translateTime: 'SYS:HH:MM:ss' });
  // Line ends in a value must not look like a log line of its own.
  return { write: (line) => destination.write(format(line).replace(/\n(?=.)/g, '\n    ')) };
}

/** The logged fields of an error: never its other fields, as a request's headers may be among them. */
function errorFields(error: unknown, withStack: boolean, depth = 0): unknown {
  if (!(error instanceof Error)) return error;
  const { code, statusCode } = error as Error & { code?: unknown; statusCode?: unknown };
  return {
    type: error.name,
    message: error.message,
    ...(code === undefined ? {} : { code }),
    ...(statusCode === undefined ? {} : { statusCode }),
    ...(withStack && depth === 0 ? { stack: error.stack } : {}),
    ...(error.cause === undefined || depth >= 3 ? {} : { cause: errorFields(error.cause, false, depth + 1) }),
  };
}
