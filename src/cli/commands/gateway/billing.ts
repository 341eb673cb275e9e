import { printAnswer, printRows } from '../../answer-text.js';
import { withClient } from '../../gateway-session.js';
import { gatewayOptions } from '../../option-groups.js';
import type { CommandDefinition } from '../../program.js';

const usage: CommandDefinition = {
  name: 'usage',
  describe: 'what a month cost, and each of its days',
  options: [...gatewayOptions, 'month'],
  run: (context) =>
    withClient(context, async (client, signal) => {
      const { settings, io } = context;
      const answer = await client.getUsage(settings.month === null ? {} : { month: settings.month }, {
        signal,
      });
      printAnswer(context, answer);
      const days = answer.daily_breakdown ?? [];
      if (settings.json || days.length === 0) return 0;
      io.stdout.write('\n');
      printRows(context, days, ['date', 'tasks', 'cost_sats']);
      return 0;
    }),
};

const invoices: CommandDefinition = {
  name: 'invoices',
  describe: 'the invoices, one a month',
  options: gatewayOptions,
  run: (context) =>
    withClient(context, async (client, signal) => {
      const answer = await client.getInvoices({ signal });
      if (context.settings.json) printAnswer(context, answer);
      else {
        const columns = [...new Set(['month', 'status', ...answer.invoices.flatMap(Object.keys)])];
        printRows(context, answer.invoices, columns);
      }
      return 0;
    }),
};

export const billing: CommandDefinition = {
  name: 'billing',
  describe: 'usage and invoices',
  options: [],
  subcommands: { usage, invoices },
};
