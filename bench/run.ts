import { inFlight } from './figures/in-flight.js';
import { oneLine, versionTime } from './figures/latency.js';
import { lowRate } from './figures/low-rate.js';
import { reading } from './figures/reading.js';

console.log(versionTime(), await oneLine());
console.log(await reading('ours', 100000), await reading('split2', 100000));
console.log(
  await inFlight(5000, { webhooks: false, limitMs: 60000 }),
  await inFlight(5000, { webhooks: true, limitMs: 60000 }),
);
console.log(await lowRate(20));
