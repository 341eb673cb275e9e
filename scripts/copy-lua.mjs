// The Redis scripts lie beside the modules that load them, and tsc takes only TypeScript along.
import { cpSync, statSync } from 'node:fs';

cpSync('src', 'dist', {
  recursive: true,
  filter: (file) => file.endsWith('.lua') || statSync(file).isDirectory(),
});
