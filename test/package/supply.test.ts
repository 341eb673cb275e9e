import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (name: string) => readFile(`${root}${name}`, 'utf8');

interface Locked {
  version: string;
  license?: string;
  dev?: boolean;
  hasInstallScript?: boolean;
  engines?: { node?: string };
}
interface Package {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  allowScripts: Record<string, boolean>;
}

const locked = async () =>
  Object.entries(
    (JSON.parse(await read('package-lock.json')) as { packages: Record<string, Locked> }).packages,
  )
    .filter(([path]) => path !== '')
    .map(([path, entry]) => ({ path, name: path.replace(/^.*node_modules\//, ''), ...entry }));
const own = async () => JSON.parse(await read('package.json')) as Package;

const PERMISSIVE = ['MIT', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD', 'BlueOak-1.0.0'];

/** Whether a range has a version that is no newer than Node 20.19.0, its first one. */
function takesNode20(range: string): boolean {
  return range.split('||').some((part) => {
    const [, major = '0', minor = '0', patch = '0'] = /(\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(part) ?? [];
    const floor = Number(major) * 1e6 + Number(minor) * 1e3 + Number(patch);
    if (/^\s*\^|^\s*\d/.test(part)) return Number(major) === 20 && floor <= 20_019_000;
    return floor <= 20_019_000;
  });
}

test('no production dependency is copyleft or without a licence', async () => {
  const others = (await locked()).filter(
    ({ dev, license }) => !dev && !PERMISSIVE.includes(license ?? 'none'),
  );
  expect(others.map(({ name, license }) => `${name}: ${license}`)).toEqual([]);
});

test('docs/dependencies.md has each direct one, with its licence and what it is for', async () => {
  const [text, packages, { dependencies }] = [
    await read('docs/dependencies.md'),
    await locked(),
    await own(),
  ];
  const rows = [...text.matchAll(/^\| `(.+)` \| (.+) \| (.{3,}) \|$/gm)].map(([, name, license]) => [
    name,
    license,
  ]);
  const right = Object.keys(dependencies).map((name) => [
    name,
    packages.find(({ path }) => path === `node_modules/${name}`)?.license,
  ]);
  expect(rows).toEqual(right);
});

test('every version is exact, every install script is refused by name, and Node 20.19 will do', async () => {
  const { dependencies, devDependencies, allowScripts } = await own();
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies }))
    expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
  const packages = await locked();
  const scripted = packages.filter(({ hasInstallScript }) => hasInstallScript).map(({ name }) => name);
  expect([...new Set(scripted)].filter((name) => allowScripts[name] !== false)).toEqual([]);
  const newer = packages.filter(({ engines }) => engines?.node !== undefined && !takesNode20(engines.node));
  expect(newer.map(({ name, version, engines }) => `${name}@${version}: ${engines?.node}`)).toEqual([]);
  expect(['>=22', '^22.13.0', '>=20.20.0'].filter(takesNode20)).toEqual([]);
  expect(['>=18', '^20.19.0 || ^22.13.0 || >=24', '>= 0.8', '*'].filter(takesNode20)).toHaveLength(4);
});

test('npm makes a bill of materials of what is locked', async () => {
  const args = ['sbom', '--package-lock-only', '--sbom-format=cyclonedx'];
  const { components } = JSON.parse(execFileSync('npm', args, { cwd: root, encoding: 'utf8' })) as {
    components: { name: string; group?: string; licenses?: unknown[] }[];
  };
  const names = components.map(({ name }) => name);
  for (const name of Object.keys((await own()).dependencies)) expect(names).toContain(name);
});
