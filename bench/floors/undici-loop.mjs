/** An in-memory loop with 1,000 tasks in flight over undici: node undici-loop.mjs <manifest> <out> <gateway url> */
import { undiciGateway } from './lines.mjs';
import { loop } from './loop.mjs';

const [manifest, out, url] = process.argv.slice(2);
await loop(undiciGateway(url, 200), 1_000, manifest, out);
