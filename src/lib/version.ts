import { createRequire } from 'node:module';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

/** The package's version, as in `package.json`. */
export const VERSION = version;
