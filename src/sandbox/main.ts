import type { SandboxOptions } from './options.js';
import { startSandbox } from './server.js';

/** The local Gateway as a process: options as JSON in, one line with its address out, SIGTERM ends it. */
const options = JSON.parse(process.argv[2] ?? '{}') as Partial<SandboxOptions>;
const sandbox = await startSandbox(options);
process.stdout.write(`${JSON.stringify({ url: sandbox.url, port: sandbox.port })}\n`);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => void sandbox.close().then(() => process.exit(0)));
