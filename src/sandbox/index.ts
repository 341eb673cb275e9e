export type { LiveOptions, SandboxOptions } from './options.js';
export { type Sandbox, startSandbox } from './server.js';
export type { SandboxStats } from './stats.js';
