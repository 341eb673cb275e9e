import { readFile, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Logger } from 'pino';
import type { Command } from '../lib/child-process/guard.js';
import { prepareDataDir, privateDir } from '../lib/child-process/runtime-dir.js';
import { openSharedProcess } from '../lib/child-process/shared-process.js';

const HOST = '127.0.0.1';
const PROBE_MS = 1000;

const ENV = [
  ...['ASG_ENCRYPTION_KEY', 'NODE_EXTRA_CA_CERTS', 'NODE_OPTIONS'],
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy'],
  ...['AWS_REGION', 'AWS_ENDPOINT_URL_S3', 'STORAGE_EMULATOR_HOST'],
];
/** The variables in which the SDKs find this process's own credentials. */
const CLOUD_ENV = ['AWS_*', 'GOOGLE_*', 'GCLOUD_*', 'CLOUDSDK_*', 'KUBERNETES_*'];

/** The local Gateway accepts this key; it opens nothing else. */
const LOCAL_API_KEY = 'sk_sandbox_local';

export interface LocalGateway {
  readonly url: string;
  readonly apiKey: string;
  /** Stops using the Gateway. It stops when its last user closes it. Idempotent. */
  close(): Promise<void>;
}

/**
 * The local Gateway in a process of its own, with its journal in `<dataDir>/sandbox`, shared like the embedded Redis
 * (`openSharedProcess` says how). A resumed run finds the tasks that it has paid for. Its port is chosen once per
 * data directory and kept, so that clients of a killed Gateway find the next one. `url` is read again at each use,
 * since another program may have taken the port meanwhile.
 *
 * The options (those of `startSandbox`, as JSON) are the first user's; later ones join what runs.
 *
 * @throws IngestError `sandbox` when it does not start.
 */
export async function openLocalGateway<Options extends object>(
  dataDir: string,
  { log, ...options }: Options & { log: Logger },
): Promise<LocalGateway> {
  const dir = join(await prepareDataDir(dataDir, 'sandbox'), 'sandbox');
  await privateDir(dir, 'sandbox');
  const addressFile = join(dir, 'address.json');
  let port = await rememberedPort(addressFile);
  const shared = await openSharedProcess(
    {
      name: 'sandbox',
      code: 'sandbox',
      dir,
      mark: JSON.stringify(dir), // as it is among the options
      command: async () => {
        port = await choosePort(addressFile);
        return entryCommand({ ...options, host: HOST, port, dir });
      },
      ready: async () => {
        port = await rememberedPort(addressFile);
        return port !== undefined && (await isHealthy(port));
      },
    },
    log,
  );
  return {
    get url() {
      return `http://${HOST}:${port}`;
    },
    apiKey: LOCAL_API_KEY,
    close: shared.close,
  };
}

/** Node on the sandbox's entry: compiled, or the source itself when this module runs from source. */
function entryCommand(options: object): Command {
  const fromSource = import.meta.url.endsWith('.ts');
  const entry = fileURLToPath(new URL(`../sandbox/main.${fromSource ? 'ts' : 'js'}`, import.meta.url));
  const loader = fromSource
    ? ['--import', pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href]
    : [];
  return {
    path: process.execPath,
    args: [...loader, entry, JSON.stringify(options)],
    env:
      'allowOwnCredentials' in options && options.allowOwnCredentials === true ? [...ENV, ...CLOUD_ENV] : ENV,
  };
}

async function choosePort(addressFile: string): Promise<number> {
  const remembered = await rememberedPort(addressFile);
  const port = (remembered && (await freePort(remembered))) || (await freePort(0));
  if (port === undefined) throw new Error(`no free port on ${HOST}`);
  if (port !== remembered) {
    await writeFile(`${addressFile}.new`, JSON.stringify({ port }));
    await rename(`${addressFile}.new`, addressFile);
  }
  return port;
}

/** The port that was asked for (0: any), if it can be listened on now. */
async function freePort(wanted: number): Promise<number | undefined> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once('error', () => resolve(undefined));
    server.listen(wanted, HOST, () => {
      const address = server.address();
      server.close(() => resolve(address !== null && typeof address === 'object' ? address.port : undefined));
    });
  });
}

async function rememberedPort(addressFile: string): Promise<number | undefined> {
  try {
    const { port } = JSON.parse(await readFile(addressFile, 'utf8')) as { port?: unknown };
    return typeof port === 'number' && Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
  } catch {
    return undefined; // No port is stored yet, or the file cannot be read: a new port is chosen.
  }
}

async function isHealthy(port: number): Promise<boolean> {
  try {
    const answer = await fetch(`http://${HOST}:${port}/__sandbox/health`, {
      signal: AbortSignal.timeout(PROBE_MS),
    });
    await answer.body?.cancel();
    return answer.ok;
  } catch {
    return false;
  }
}
