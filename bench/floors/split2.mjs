/** Reading and parsing alone: node split2.mjs <manifest>. Prints the count of lines and the seconds. */
import { linesOf } from './lines.mjs';

const began = performance.now();
let lines = 0;
for await (const { data_url } of linesOf(process.argv[2])) if (data_url) lines += 1;
console.log(JSON.stringify({ lines, seconds: (performance.now() - began) / 1000 }));
