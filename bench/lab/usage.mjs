/** Loaded before a measured program (`node --import`): leaves what the process used where `BENCH_USAGE` says. */
import { writeFileSync } from 'node:fs';

process.on('exit', () => {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  writeFileSync(
    process.env.BENCH_USAGE,
    JSON.stringify({ cpu_us: userCPUTime + systemCPUTime, peak_rss_bytes: maxRSS * 1024 }),
  );
});
