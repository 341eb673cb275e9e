import type { CommandDefinition } from '../../src/cli/program.js';
import { callMain } from '../cli/harness.js';
import { testRedis, uniquePrefix } from '../setup/redis-target.js';
import { API_KEY } from './harness.js';

/** A command line in this process, on the test's Redis under a prefix of its own. */
export function commandLine(cwd: string, url: string, prefix = uniquePrefix()) {
  const base = {
    ASG_API_KEY: API_KEY,
    ASG_BASE_URL: url,
    ASG_PREFIX: prefix,
    REDIS_URL: `unix://${testRedis().socketPath}`,
  };
  const call = (command: CommandDefinition, args: string[], env: Record<string, string> = {}) =>
    callMain([command.name, ...args], { [command.name]: command }, { env: { ...base, ...env }, cwd });
  return { prefix, call };
}
