import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { expect, it } from 'vitest';

const ROOT = path.resolve(import.meta.dirname, '../..');
const nodeMajor = Number(process.versions.node.split('.')[0]);

/** The heap's size at its peak, of a process with some lasting objects, and many that are garbage after a while. */
function peakHeap(prepare: string): number {
  const script = `
    import { keepHeapSmall } from './src/cli/heap.ts';
    ${prepare}
    const lasting = Array.from({ length: 200_000 }, (_, n) => ({ n, list: [n] }));
    const inFlight = [];
    let peak = 0;
    for (let n = 0; n < 6_000_000; n += 1) {
      inFlight[n % 100_000] = { n, list: [n] };
      if (n % 100_000 === 0) peak = Math.max(peak, process.memoryUsage().heapTotal);
    }
    console.log(peak * Math.sign(lasting.length));`;
  // Without threads of its own, the collector's work does not depend on how busy the machine is.
  const args = ['--single-threaded-gc', '--import', 'tsx', '--input-type=module', '-e', script];
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
  expect(stderr).toBe('');
  return Number(stdout);
}

// Newer versions ignore the flag.
it.skipIf(nodeMajor >= 24)('keeps the heap small: left to Node it takes half as much again', () => {
  expect(peakHeap('keepHeapSmall();')).toBeLessThan(peakHeap('') / 1.4);
});
