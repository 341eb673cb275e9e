import { CommanderError } from 'commander';
import { ASGGatewayError, type GatewayErrorCode } from '../gateway/errors.js';
import { IngestError } from '../lib/errors.js';
import { plain } from '../lib/terminal.js';
import { isTemporaryError } from '../redis/temporary-errors.js';

interface ErrorText {
  message: string;
  hint: string | undefined;
}

const DOCTOR = '`asg-ingest doctor` checks the Gateway and the key';
const GATEWAY_HINTS: Readonly<Partial<Record<GatewayErrorCode, string>>> = {
  key_refused: 'check ASG_API_KEY and --gateway-url (ASG_BASE_URL)',
  quota: '`asg-ingest account me` shows the label quota that is left',
  network_error: DOCTOR,
  timeout: DOCTOR,
  invalid_response: DOCTOR,
};

const AGAIN = 'then give the same command again';
/** Hints for resources that this machine lacks. */
const SYSTEM_HINTS: Readonly<Record<string, string>> = {
  ENOSPC: `make room where the results and --data-dir are, ${AGAIN}`,
  EDQUOT: `make room where the results and --data-dir are, ${AGAIN}`,
  EROFS: `make the place writable, ${AGAIN}`,
  EACCES: `make the place accessible to this user, ${AGAIN}`,
  EPERM: `make the place accessible to this user, ${AGAIN}`,
  EIO: `check the disk, ${AGAIN}`,
  EMFILE: 'raise the limit of open files (ulimit -n)',
  ENFILE: 'raise the limit of open files (ulimit -n)',
};

const REDIS_HINT = 'this passes when Redis has room and is ready; then give the same command again';

/** The text of an error on stderr: the cause, the remedy, and the stacks with `--debug` only. */
export function formatError(error: unknown, debug: boolean): string {
  const { message, hint } = error instanceof CommanderError ? fromCommander(error) : fromError(error);
  const lines = [`asg-ingest: ${plain(message)}`];
  if (hint !== undefined) lines.push(`  → ${plain(hint)}`);
  if (debug) lines.push(...stacksOf(error));
  return lines.join('\n');
}

/** Commander's message says `error: …` and puts its suggestion into brackets on a second line. */
function fromCommander({ message }: CommanderError): ErrorText {
  const [first = '', second] = message.split('\n');
  const suggestion = /^\(Did you mean (.*)\?\)$/.exec(second ?? '')?.[1];
  return {
    message: first === '(outputHelp)' ? 'a command is missing' : first.replace(/^error: /, ''),
    hint: suggestion
      ? `did you mean ${suggestion}?`
      : '`asg-ingest --help` lists the commands, `asg-ingest <command> --help` its options',
  };
}

function fromError(error: unknown): ErrorText {
  if (!(error instanceof Error)) return { message: String(error), hint: undefined };
  const { code } = error as Error & { code?: unknown };
  const message = error.message || String(code ?? error.name);
  if (error instanceof IngestError) return { message, hint: error.hint };
  if (error instanceof ASGGatewayError) {
    const hint = GATEWAY_HINTS[error.code];
    return error.code === 'invalid_request'
      ? { message, hint }
      : { message: `the Gateway: ${message}`, hint };
  }
  if (isTemporaryError(error)) return { message: `Redis refuses: ${message}`, hint: REDIS_HINT };
  const { [String(code)]: systemHint } = SYSTEM_HINTS;
  if (systemHint !== undefined) return { message, hint: systemHint };
  return { message, hint: 'not expected; --debug shows where it comes from' };
}

function stacksOf(error: unknown): string[] {
  const stacks = [];
  for (let at = error; at instanceof Error && stacks.length < 5; at = at.cause)
    stacks.push(stackText(at.stack ?? String(at)));
  return stacks;
}

/** The message on one line, even a long one; then the calls, a line each. */
function stackText(stack: string): string {
  const lines = stack.split('\n');
  const message = lines.findLastIndex((line) => !line.startsWith('    at ')) + 1;
  return [lines.slice(0, message).join('\n'), ...lines.slice(message)].map(plain).join('\n');
}
