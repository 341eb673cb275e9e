import type { Settings } from '../../config/index.js';
import { ASGGatewayClient } from '../../gateway/client.js';
import { rekeyRun } from '../../pipeline/rekey.js';
import { storeOptions } from '../option-groups.js';
import type { CommandDefinition } from '../program.js';
import { findRun, onInterrupt, withPipeline } from '../session.js';

function oldKeyOf({ oldApiKey, gatewayUrl }: Settings) {
  const apiKey = oldApiKey?.reveal();
  if (apiKey === undefined) return null;
  return { apiKey, client: new ASGGatewayClient({ apiKey, baseUrl: gatewayUrl, retry: false }) };
}

const PROOFS = {
  customer: (customer: string) => `both keys belong to customer ${customer}`,
  task: () => 'the new key sees a task of the run',
  nothing_bought: () => 'the run has bought nothing yet',
};
const BUDGETS = {
  moved: 'what was learned of the limit goes along',
  kept: 'the new key has a limit of its own, which stands',
  none: 'nothing was known of the limit',
};

export const rekey: CommandDefinition = {
  name: 'rekey',
  describe: 'move a run to the key in ASG_API_KEY, a rotated key of the same account',
  args: [{ name: 'run', describe: 'run id', required: true }],
  options: [...storeOptions, 'gatewayUrl', 'json'],
  examples: ['ASG_API_KEY=sk_live_new… asg-ingest rekey animals'],
  run: ({ settings, args, log, io }) =>
    withPipeline({ ...settings, rate: null, rateQuotas: [] }, log, async (pipeline) => {
      const record = await findRun(pipeline, settings.prefix, args[0]);
      const old = oldKeyOf(settings);
      const interrupt = onInterrupt(() => undefined);
      try {
        const moved = await rekeyRun(pipeline, record, old, interrupt.signal);
        if (settings.json) io.stdout.write(`${JSON.stringify(moved)}\n`);
        else {
          const { from, to, proof, budget, customer_id, consumers } = moved;
          const lines = [
            from === to
              ? `run ${record.id} is on key ${to} already`
              : `run ${record.id}: key ${from} → ${to}`,
            ...(from === to
              ? []
              : [`  account  ${PROOFS[proof](customer_id)}`, `  budget   ${BUDGETS[budget]}`]),
            ...(consumers > 0 && from !== to
              ? [
                  `  ${consumers} processes have it in hand: \`work\` with the old key leaves it within seconds, \`run\` is yours to stop`,
                ]
              : []),
            `  → ${record.state === 'running' ? '' : `asg-ingest resume ${record.id}, or `}the same \`run\` with the new key goes on`,
          ];
          io.stdout.write(`${lines.join('\n')}\n`);
        }
        return 0;
      } finally {
        await old?.client.close();
        interrupt.end();
      }
    }),
};
