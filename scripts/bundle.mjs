// Bundles the commands. Node needs most of a second to find and load the thousand small files that `run` is made of; as
// a few files they take a third of it. The library's modules stay as tsc writes them.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build, transform } from 'esbuild';

const root = path.resolve(import.meta.dirname, '..');

/** A module that looks for files beside itself still finds them: it is told where it lay, from one folder below `dist`. */
const ownPlaces = {
  name: 'own-places',
  setup({ onLoad }) {
    onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path: file }) => {
      const place = path.relative(path.join(root, 'src'), file).replace(/\.ts$/, '.js');
      const url = `new URL(${JSON.stringify(`../${place}`)}, import.meta.url).href`;
      return { contents: readFileSync(file, 'utf8').replaceAll('import.meta.url', url), loader: 'ts' };
    });
  },
};

/** What a module imports only when it is wanted (the stores' SDKs, the web server) is loaded from node_modules then. */
const loadedWhenAsked = {
  name: 'loaded-when-asked',
  setup({ onResolve }) {
    onResolve({ filter: /^[^./]/ }, ({ kind, path: name }) =>
      kind === 'dynamic-import' ? { path: name, external: true } : null,
    );
  },
};

/** Node keeps the text of what it runs. A comment beyond Latin-1 makes it keep the whole file at two bytes a character. */
const othersWithoutComments = {
  name: 'others-without-comments',
  setup({ onLoad }) {
    onLoad({ filter: /\/node_modules\/.*\.[cm]?js$/ }, async ({ path: file }) => {
      const options = { loader: 'js', minifyWhitespace: true, legalComments: 'none' };
      const { code } = await transform(readFileSync(file, 'utf8'), options);
      return { contents: code, loader: 'js' };
    });
  },
};

rmSync(path.join(root, 'dist/cli'), { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: ['src/cli/main.ts', 'src/sandbox/main.ts'],
  outbase: 'src',
  outdir: 'dist',
  chunkNames: 'cli/[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  // Native and optional.
  external: ['msgpackr-extract'],
  plugins: [ownPlaces, othersWithoutComments, loadedWhenAsked],
  // The CommonJS packages within ask for Node's own modules by `require`.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
  metafile: true,
  logLevel: 'warning',
});
writeFileSync(path.join(root, 'dist/cli/LICENSES.txt'), licencesOf(Object.keys(metafile.inputs)));

/** The bundle holds other people's code: their licences go with it. */
function licencesOf(files) {
  const folders = files.map((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]);
  return [...new Set(folders)]
    .filter((folder) => folder !== undefined)
    .sort()
    .map((folder) => {
      const { name, version, license } = JSON.parse(
        readFileSync(path.join(root, folder, 'package.json'), 'utf8'),
      );
      const file = readdirSync(path.join(root, folder)).find((each) => /^licen[cs]e/i.test(each));
      const text = file === undefined ? '' : readFileSync(path.join(root, folder, file), 'utf8').trim();
      return `${name} ${version} (${license})\n\n${text}\n`;
    })
    .join(`\n${'-'.repeat(72)}\n\n`);
}
