/** What the time of a run goes to: the process by Node's CPU profile, Redis by COMMANDSTATS. */
import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { inLab, manifestOf } from '../lab/lab.js';
import { MAIN, runArgs, start, succeeded } from '../lab/program.js';
import { commandStats } from '../lab/redis-figures.js';

export interface Profile {
  lines: number;
  /** Shares of the process' busy time, by whose code it was in; the largest first. */
  process: { where: string; share: number }[];
  /** Commands with at least one call in ten lines, scripts' own among them; the dearest first. */
  redis: { command: string; calls_per_line: number; us_per_line: number }[];
}

export async function profile(lines: number): Promise<Profile> {
  const { file } = await manifestOf(lines);
  return await inLab({ settleMs: 50 }, async (lab) => {
    const args = [...runArgs('run', file), '--redis-url', lab.redisUrl, '--gateway-url', lab.gatewayUrl];
    await succeeded(start(lab, ['--cpu-prof', `--cpu-prof-dir=${lab.dir}`, MAIN, ...args]));
    const name = (await readdir(lab.dir)).find((entry) => entry.endsWith('.cpuprofile'));
    if (!name) throw new Error('node wrote no profile');
    const redis = (await commandStats(lab.redis))
      .map(({ command, calls, us }) => ({ command, calls_per_line: calls / lines, us_per_line: us / lines }))
      .filter(({ calls_per_line }) => calls_per_line >= 0.1)
      .sort((a, b) => b.us_per_line - a.us_per_line);
    return { lines, process: sharesOf(await readFile(path.join(lab.dir, name), 'utf8')), redis };
  });
}

interface Frame {
  functionName: string;
  url: string;
  /** From 0; -1 of what is not in a file. */
  lineNumber: number;
}

interface CpuProfile {
  nodes: { id: number; callFrame: Frame; children?: number[] }[];
  samples: number[];
  timeDeltas: number[];
}

function sharesOf(text: string): { where: string; share: number }[] {
  const { nodes, samples, timeDeltas } = JSON.parse(text) as CpuProfile;
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])));
  const owners = new Map<number, string>();
  // Parents come before their children.
  for (const { id, callFrame } of nodes) {
    const caller = owners.get(parents.get(id) ?? -1) ?? 'node';
    owners.set(id, ownerOf(callFrame, caller));
  }
  const times = new Map<string, number>();
  samples.forEach((id, at) => {
    const where = owners.get(id) ?? 'node';
    if (where !== 'idle') times.set(where, (times.get(where) ?? 0) + (timeDeltas[at] ?? 0));
  });
  const busy = [...times.values()].reduce((sum, time) => sum + time, 0);
  return [...times]
    .map(([where, time]) => ({ where, share: time / busy }))
    .filter(({ share }) => share >= 0.01)
    .sort((a, b) => b.share - a.share);
}

const OF_THE_ENGINE: Record<string, string> = {
  '(garbage collector)': 'garbage collector',
  '(idle)': 'idle',
  '(program)': 'system calls and compiled code',
  '(root)': 'node',
};

/** Whose code a frame is: a package, a folder of ours, a part of Node's; what is native (`JSON.parse`) is its caller's. */
function ownerOf({ url, functionName, lineNumber }: Frame, caller: string): string {
  const file = url.includes('/dist/cli/') ? (modulesOf(url)[lineNumber] ?? url) : url;
  const [, packageName] = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file) ?? [];
  if (packageName) return packageName;
  const [, folder] = /(?:^src|\/dist)\/([^/]+)/.exec(file) ?? [];
  if (folder) return `ours: ${folder.replace(/\.js$/, '')}`;
  const [, module] = /^node:(?:internal\/)?([^/]+)/.exec(url) ?? [];
  return module ? `node: ${module}` : (OF_THE_ENGINE[functionName] ?? caller);
}

const bundles = new Map<string, (string | undefined)[]>();

/** The module that each line of a bundle is from: esbuild writes its path above it. */
function modulesOf(url: string): (string | undefined)[] {
  const known = bundles.get(url);
  if (known !== undefined) return known;
  let module: string | undefined;
  const modules = readFileSync(fileURLToPath(url), 'utf8')
    .split('\n')
    .map((line) => {
      module = /^\s*\/\/ ((?:src|node_modules)\/\S+)$/.exec(line)?.[1] ?? module;
      return module;
    });
  bundles.set(url, modules);
  return modules;
}
