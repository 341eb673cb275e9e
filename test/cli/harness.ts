import { PassThrough } from 'node:stream';
import { type CommandDefinition, main } from '../../src/cli/program.js';

/** What a command line printed, and its exit status. */
export interface Outcome {
  status: number;
  stdout: string;
  stderr: string;
}

/** Collects what is written to it; `isTTY` and `columns` may be set on it. */
export function collector(): { stream: PassThrough & { isTTY?: boolean; columns?: number }; text(): string } {
  const stream = new PassThrough();
  let all = '';
  stream.on('data', (chunk: Buffer) => {
    all += chunk.toString();
  });
  return { stream, text: () => all };
}

export async function callMain(
  argv: string[],
  commands: Record<string, CommandDefinition>,
  { env = {}, cwd = '/' }: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<Outcome> {
  const [out, err] = [collector(), collector()];
  const io = { stdout: out.stream, stderr: err.stream, stdin: new PassThrough(), env, cwd };
  const status = await main(argv, io, commands);
  return { status, stdout: out.text(), stderr: err.text() };
}
