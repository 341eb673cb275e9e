// Says whether this tree could be released, and with --publish releases it: a clean tree, the version in the changelog
// and not tagged yet, lint, types, tests, and what the package holds. Without --publish nothing leaves this machine.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { unexpectedIn } from './packed-files.mjs';

const root = path.resolve(import.meta.dirname, '..');
const { values } = parseArgs({
  options: { publish: { type: 'boolean' }, 'dry-run': { type: 'boolean' } },
});
const publish = values.publish === true && values['dry-run'] !== true;
const read = (command, args) => execFileSync(command, args, { cwd: root, encoding: 'utf8' }).trim();
const run = (command, args) => execFileSync(command, args, { cwd: root, stdio: 'inherit' });

function fail(message) {
  console.error(`release: ${message}`);
  process.exit(1);
}

const { name, version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
const tag = `v${version}`;

const dirty = read('git', ['status', '--porcelain']);
if (dirty !== '') fail(`the tree is not clean; commit or remove these first:\n${dirty}`);
if (read('git', ['tag', '--list', tag]) !== '') fail(`${tag} is tagged already; set another version`);
const changelog = readFileSync(path.join(root, 'CHANGELOG.md'), 'utf8');
if (!changelog.split('\n').some((line) => line.startsWith('## ') && line.includes(version))) {
  const message = `CHANGELOG.md has no heading for ${version}`;
  if (publish) fail(message);
  console.warn(`release: ${message}; --publish would stop here`);
}

for (const script of ['lint', 'format:check', 'typecheck', 'test', 'check:package'])
  run('npm', ['run', '-s', script]);

const [packed] = JSON.parse(read('npm', ['pack', '--dry-run', '--json', '--ignore-scripts']));
const { missing, foreign } = unexpectedIn(packed.files.map((file) => file.path));
if (missing.length > 0) fail(`the package lacks ${missing.join(', ')}`);
if (foreign.length > 0) fail(`the package holds what does not belong there: ${foreign.join(', ')}`);
console.log(`${name}@${version}: ${packed.files.length} files, ${Math.round(packed.size / 1024)} KiB packed`);

if (publish) {
  run('npm', ['publish', '--access', 'public', '--ignore-scripts']);
  run('git', ['tag', tag]);
  console.log(`published, and tagged ${tag}; push the tag: git push origin ${tag}`);
} else console.log('could be released; nothing was published (npm run release -- --publish does)');
