import { connect } from 'node:net';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { prepareDataDir, socketPathFor } from '../lib/child-process/runtime-dir.js';
import { openSharedProcess } from '../lib/child-process/shared-process.js';
import { findRedisServer, type RedisServer } from './binary.js';

const PROBE_MS = 1000;

export interface EmbeddedRedis {
  socketPath: string;
  /** Stops using the server. The server stops when its last user closes it. Idempotent. */
  close(): Promise<void>;
}

/**
 * A real redis-server on a Unix socket, with its data in `<dataDir>/redis`, shared by all commands on the same data
 * directory. It lives exactly as long as any of them does (`openSharedProcess` says how). It is brought back on the
 * same socket when it is killed. The next start continues with its data (AOF, fsynced every second).
 *
 * @param onStarted called when the server runs, and may still be reading its data
 * @throws IngestError `redis` when there is no redis-server, or when it does not start.
 */
export async function openEmbeddedRedis(
  dataDir: string,
  { log, onStarted }: { log: Logger; onStarted?: () => void },
): Promise<EmbeddedRedis> {
  const server = await findRedisServer({ log });
  const dir = join(await prepareDataDir(dataDir, 'redis'), 'redis');
  const socketPath = await socketPathFor(dir, 'redis.sock');
  const shared = await openSharedProcess(
    {
      name: 'redis-server',
      code: 'redis',
      dir,
      mark: socketPath,
      leftover: socketPath,
      command: async () => ({ path: server.path, args: serverArgs(server, dir, socketPath) }),
      ready: () => {
        onStarted?.();
        return answersPing(socketPath);
      },
    },
    log,
  );
  return { socketPath, close: shared.close };
}

function serverArgs({ version, product }: RedisServer, dir: string, socketPath: string): string[] {
  // Job hashes stay in the compact encoding: 308 bytes a job instead of 797.
  const compactHashes =
    product === 'redis' && version[0] < 7 ? 'hash-max-ziplist-value' : 'hash-max-listpack-value';
  const settings = {
    port: '0',
    unixsocket: socketPath,
    unixsocketperm: '700',
    dir,
    appendonly: 'yes',
    appendfsync: 'everysec',
    save: '',
    'maxmemory-policy': 'noeviction',
    [compactHashes]: '1024',
    // The socket's path stays on the command line, by which a pid file's process is known to be this server.
    'set-proc-title': 'no',
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

/** One `PING` on a connection of its own; a server that still loads its data answers `-LOADING`. */
function answersPing(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath, () => socket.write('PING\r\n'));
    const finish = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(PROBE_MS, () => finish(false));
    socket.once('data', (data) => finish(data.toString().startsWith('+PONG')));
    socket.once('error', () => finish(false));
    socket.once('close', () => resolve(false));
  });
}
