import type { SandboxOptions } from './options.js';
import { startSandbox } from './server.js';

/** The local Gateway as a process: options as JSON in, one line with its address out, SIGTERM or SIGINT ends it. */
const options = JSON.parse(process.argv[2] ?? '{}') as Partial<SandboxOptions>;
const sandbox = await startSandbox(options);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void sandbox.close().then(() => process.exit(0)));
// Its reader may be gone after that line.
process.stdout.on('error', () => {});
process.stdout.write(`${JSON.stringify({ url: sandbox.url, port: sandbox.port })}\n`);
