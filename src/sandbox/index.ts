export type { SandboxOptions } from './options.js';
export { type Sandbox, type SandboxStats, startSandbox } from './server.js';
