/** A process that uses the embedded Redis of a data directory: prints the socket, leaves when its input ends. */
import { once } from 'node:events';
import { pino } from 'pino';
import { openEmbeddedRedis } from '../../src/redis/embedded.js';

const [dataDir = '', startAt = '0'] = process.argv.slice(2);
await new Promise((resolve) => setTimeout(resolve, Math.max(0, Number(startAt) - Date.now())));
const redis = await openEmbeddedRedis(dataDir, { log: pino({ level: 'silent' }) });
process.stdout.write(`${redis.socketPath}\n`);
process.stdin.resume();
await once(process.stdin, 'end');
await redis.close();
