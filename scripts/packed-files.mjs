/** What every package of this project holds. */
const NEEDED = [
  'LICENSE',
  'README.md',
  'package.json',
  'dist/cli/main.js',
  'dist/index.js',
  'dist/index.d.ts',
  'dist/gateway/index.js',
  'dist/gateway/index.d.ts',
  'examples/animals.jsonl',
];
const BELONGS = /^(LICENSE|README\.md|package\.json|dist\/.+|config\/.+|examples\/.+)$/;
/** Tests, secrets, and what a run leaves behind. */
const NEVER = /\.test\.|(^|\/)(\.env|\.asg-ingest|out)(\/|$)|\.(pem|key|tgz|rdb|aof)$/;

/** What a packed list of files lacks, and what of it does not belong into the package. */
export function unexpectedIn(files) {
  return {
    missing: NEEDED.filter((name) => !files.includes(name)),
    foreign: files.filter((name) => !BELONGS.test(name) || NEVER.test(name)),
  };
}
