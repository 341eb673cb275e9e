import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { unexpectedIn } from '../../scripts/packed-files.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));

const whole = [
  ...['LICENSE', 'README.md', 'package.json', 'examples/animals.jsonl', 'config/alerts.yaml'],
  ...[
    'dist/cli/main.js',
    'dist/index.js',
    'dist/index.d.ts',
    'dist/gateway/index.js',
    'dist/gateway/index.d.ts',
  ],
];

test('a package that lacks a file, or holds one that does not belong there, is not released', () => {
  expect(unexpectedIn(whole)).toEqual({ missing: [], foreign: [] });
  expect(unexpectedIn(whole.filter((name) => name !== 'dist/cli/main.js')).missing).toEqual([
    'dist/cli/main.js',
  ]);
  const foreign = [
    'src/index.ts',
    'dist/a.test.js',
    'examples/out/results-r-00001.jsonl',
    'config/key.pem',
    '.env',
  ];
  expect(unexpectedIn([...whole, ...foreign]).foreign).toEqual(foreign);
});

/** A repository that holds the release script and little else. */
function scratch(): {
  dir: string;
  git: (...args: string[]) => void;
  release: (...args: string[]) => string;
} {
  const dir = mkdtempSync(path.join(tmpdir(), 'asg-release-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  mkdirSync(path.join(dir, 'scripts'));
  for (const name of ['release.mjs', 'packed-files.mjs'])
    cpSync(path.join(root, 'scripts', name), path.join(dir, 'scripts', name));
  const nothing = 'node -e 0';
  const scripts = Object.fromEntries(
    ['lint', 'format:check', 'typecheck', 'test', 'check:package'].map((name) => [name, nothing]),
  );
  writeFileSync(
    path.join(dir, 'package.json'),
    JSON.stringify({ name: 'scratch', version: '1.0.0', scripts }),
  );
  writeFileSync(path.join(dir, 'CHANGELOG.md'), '# Changelog\n\n## Unreleased\n');
  const git = (...args: string[]) =>
    void execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], { cwd: dir });
  git('init', '-q');
  git('add', '.');
  git('commit', '-qm', 'all');
  return {
    dir,
    git,
    release(...args) {
      const { stdout, stderr } = spawnSync(process.execPath, ['scripts/release.mjs', ...args], {
        cwd: dir,
        encoding: 'utf8',
      });
      return stdout + stderr;
    },
  };
}

test('a tree that is not clean is not released', () => {
  const { dir, release } = scratch();
  writeFileSync(path.join(dir, 'new.ts'), '');
  expect(release('--publish')).toMatch(/^release: the tree is not clean; .*\n\?\? new\.ts/);
});

test('a version that is tagged, or not in the changelog, is not published', () => {
  const { git, release } = scratch();
  expect(release('--publish')).toBe('release: CHANGELOG.md has no heading for 1.0.0\n');
  git('tag', 'v1.0.0');
  expect(release()).toBe('release: v1.0.0 is tagged already; set another version\n');
});

test('what is packed is looked at', () => {
  expect(scratch().release()).toContain('release: the package lacks LICENSE, README.md, dist/cli/main.js');
});

test('each file of examples/ is run or read by a test', () => {
  const tests = ['examples/examples.test.ts', 'manifest/examples.test.ts']
    .map((name) => readFileSync(path.join(root, 'test', name), 'utf8'))
    .join('\n');
  for (const name of readdirSync(path.join(root, 'examples')))
    expect(tests, name).toContain(`'${name.replace(/^webhook-|\.ts$/g, '')}'`);
});
