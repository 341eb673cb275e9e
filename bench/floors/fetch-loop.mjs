/** An in-memory `fetch` loop, 100 at a time: node fetch-loop.mjs <manifest> <out> <gateway url> */
import { fetchGateway } from './lines.mjs';
import { loop } from './loop.mjs';

const [manifest, out, url] = process.argv.slice(2);
await loop(fetchGateway(url), 100, manifest, out);
