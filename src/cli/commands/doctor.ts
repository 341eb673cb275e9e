import { createReleasers } from '../../lib/releasers.js';
import { plain } from '../../lib/terminal.js';
import type { Check, Finding } from '../doctor/finding.js';
import { checkGateway, checkOpenFiles } from '../doctor/gateway.js';
import { checkManifest } from '../doctor/manifest.js';
import { checkRedis } from '../doctor/redis.js';
import { checkSink } from '../doctor/sink.js';
import { pipelineOptions } from '../option-groups.js';
import type { CommandDefinition } from '../program.js';

const CHECKS: readonly Check[] = [checkRedis, checkGateway, checkOpenFiles, checkManifest, checkSink];

export const doctor: CommandDefinition = {
  name: 'doctor',
  describe:
    'check Redis, the Gateway and the key, the network, the manifest and its first lines, the sink; say what to do',
  args: [{ name: 'manifest', describe: 'a manifest to check as well', required: false }],
  options: [...pipelineOptions, 'out', 'taskType', 'map', 'json'],
  run: async (context) => {
    const releasers = createReleasers();
    const findings: Finding[] = [];
    try {
      for (const check of CHECKS) findings.push(...(await check(context, releasers)));
    } finally {
      await releasers.close();
    }
    const { io, settings } = context;
    if (settings.json) io.stdout.write(`${JSON.stringify(findings)}\n`);
    else
      for (const { what, ok, found, hint } of findings)
        io.stdout.write(
          `${ok ? 'ok  ' : 'FAIL'} ${what}: ${plain(found)}\n${ok || !hint ? '' : `       → ${plain(hint)}\n`}`,
        );
    return findings.every(({ ok }) => ok) ? 0 : 1;
  },
};
