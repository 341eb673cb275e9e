import { produce } from '../../src/cli/commands/produce.js';
import { run } from '../../src/cli/commands/run.js';
import { sandbox } from '../../src/cli/commands/sandbox.js';
import { work } from '../../src/cli/commands/work.js';
import { type OptionKey, optionOf, options } from '../../src/config/index.js';
import { callMain } from '../cli/harness.js';

/** Every variable that a setting is read from. */
const VARIABLES = new Set(
  (Object.keys(options) as OptionKey[]).flatMap((key) => {
    const { env, only } = optionOf(key);
    if (env === undefined) return [];
    return only === 'env' ? [env, `${env}_FILE`] : [env];
  }),
);

/** The variables of these that are meant for us, and that nothing would read. */
export const unknownVariables = (names: Iterable<string>): string[] =>
  [...names].filter((name) => /^(ASG_|REDIS_)/.test(name) && !VARIABLES.has(name));

/** What a container's command line and environment come to, by setting; throws where the command would be refused. */
export async function settingsOf(
  argv: readonly string[],
  env: Record<string, string>,
): Promise<Map<string, string>> {
  const { status, stdout, stderr } = await callMain(
    [...argv, '--print-config'],
    { produce, run, sandbox, work },
    { env },
  );
  if (status !== 0) throw new Error(`asg-ingest ${argv.join(' ')}: ${stderr}`);
  return new Map(
    stdout
      .trim()
      .split('\n')
      .map((row) => row.trim().split(/\s{2,}/))
      .map(([name = '', value = '']) => [name, value]),
  );
}
