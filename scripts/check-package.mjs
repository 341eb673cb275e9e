// Packs the package and looks at it as a stranger would: publint, attw, an empty project that compiles every public
// name and runs the examples' imports, import and require, and what the client alone weighs. Needs no network.
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import ts from 'typescript';

const root = path.resolve(import.meta.dirname, '..');
const bin = (name) => path.join(root, 'node_modules', '.bin', name);
const work = mkdtempSync(path.join(tmpdir(), 'asg-package-'));
const project = path.join(work, 'project');
const sh = (command, args, cwd = project) =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

/** Every name that an entry exports, as a program that imports it. */
function consumerOf(specifier, file) {
  const program = ts.createProgram([file], {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
  });
  const checker = program.getTypeChecker();
  const symbols = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)));
  const isValue = (symbol) => {
    // A class may be exported as a type only.
    if (symbol.declarations?.some(ts.isTypeOnlyImportOrExportDeclaration)) return false;
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    return (target.flags & ts.SymbolFlags.Value) !== 0;
  };
  const names = (list) => list.map((symbol) => symbol.name).join(', ');
  const [values, types] = [symbols.filter(isValue), symbols.filter((symbol) => !isValue(symbol))];
  const text = `import { ${names(values)} } from '${specifier}';\nexport type { ${names(types)} } from '${specifier}';\nexport const all = [${names(values)}];\n`;
  return { text, count: symbols.length };
}

try {
  sh('npm', ['run', '-s', 'build'], root);
  const [{ filename, size, unpackedSize }] = JSON.parse(
    sh('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', work], root),
  );
  const tarball = path.join(work, filename);
  console.log(
    `${filename}: ${Math.round(size / 1024)} KiB packed, ${Math.round(unpackedSize / 1024)} KiB unpacked`,
  );

  console.log(sh(bin('publint'), ['--strict', tarball], root).trim());
  // `import` and TypeScript's modern resolutions; `require` of ES modules works in every Node that `engines` allows.
  sh(bin('attw'), [tarball, '--profile', 'esm-only', '--quiet'], root);
  console.log('attw: no problems');

  // Installed as npm would, with the dependencies that this repository has already.
  const modules = path.join(project, 'node_modules');
  mkdirSync(modules, { recursive: true });
  for (const name of readdirSync(path.join(root, 'node_modules')))
    if (!name.startsWith('.') && name !== 'asg-ingest')
      symlinkSync(path.join(root, 'node_modules', name), path.join(modules, name));
  sh('tar', ['-xzf', tarball, '-C', work], work);
  cpSync(path.join(work, 'package'), path.join(modules, 'asg-ingest'), { recursive: true });
  writeFileSync(path.join(project, 'package.json'), '{"type":"module"}');
  writeFileSync(
    path.join(project, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        target: 'es2023',
        lib: ['es2023'],
        module: 'nodenext',
        strict: true,
        noEmit: true,
        types: ['node'],
        skipLibCheck: true,
      },
    }),
  );
  let count = 0;
  for (const [name, specifier, file] of [
    ['all', 'asg-ingest', 'index.d.ts'],
    ['client', 'asg-ingest/client', 'gateway/index.d.ts'],
  ]) {
    const consumer = consumerOf(specifier, path.join(root, 'dist', file));
    count += consumer.count;
    writeFileSync(path.join(project, `${name}.ts`), consumer.text);
  }
  for (const name of readdirSync(path.join(root, 'examples')))
    if (name.endsWith('.ts')) cpSync(path.join(root, 'examples', name), path.join(project, name));
  sh(bin('tsc'), ['-p', '.']);
  console.log(`a TypeScript project compiles with all ${count} public names, and the examples`);

  const quiet = "const m = await import('asg-ingest'); console.log(typeof m.ASGGatewayClient)";
  const required =
    "const m = require('asg-ingest'); const c = require('asg-ingest/client'); if (m.ASGGatewayClient !== c.ASGGatewayClient) throw new Error('two clients'); console.log(typeof m.ASGGatewayClient)";
  for (const args of [
    ['--input-type=module', '-e', quiet],
    ['--input-type=commonjs', '-e', required],
  ])
    if (sh(process.execPath, ['--no-warnings', ...args]).trim() !== 'function') throw new Error('no client');
  console.log('import and require both work, and the process ends by itself');

  const measure =
    "const t = performance.now(); await import('asg-ingest/client'); const ms = performance.now() - t; console.log(ms)";
  const times = Array.from({ length: 5 }, () =>
    Number(sh(process.execPath, ['--input-type=module', '-e', measure])),
  ).sort((a, b) => a - b);
  const own = clientFiles(path.join(root, 'dist', 'gateway', 'index.js'));
  if ([...own.packages].some((name) => !['proxy-from-env', 'undici', 'zod'].includes(name)))
    throw new Error(`the client alone imports ${[...own.packages]}`);
  console.log(
    `the client alone: ${own.files.size} files, ${Math.round(own.bytes / 1024)} KiB of its own, besides ${[...own.packages].join(' and ')}; cold import ${times[2].toFixed(0)} ms (median of 5)`,
  );
} finally {
  rmSync(work, { recursive: true, force: true });
}

/** The modules that an entry reaches by import, and the packages that they name. */
function clientFiles(entry) {
  const [files, packages, queue] = [new Set(), new Set(), [entry]];
  let bytes = 0;
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (files.has(file)) continue;
    files.add(file);
    const text = readFileSync(file, 'utf8');
    bytes += Buffer.byteLength(text);
    for (const [, specifier] of text.matchAll(/^\s*(?:import|export)\b[^'";]*?from '([^']+)'/gm)) {
      if (specifier.startsWith('.')) queue.push(path.resolve(path.dirname(file), specifier));
      else if (!specifier.startsWith('node:')) packages.add(specifier);
    }
  }
  return { files, packages, bytes };
}
