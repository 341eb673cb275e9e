import { usageError } from '../../../lib/errors.js';
import { plain } from '../../../lib/terminal.js';
import { printAnswer, printRows } from '../../answer-text.js';
import { withClient } from '../../gateway-session.js';
import { gatewayOptions } from '../../option-groups.js';
import type { CommandDefinition } from '../../program.js';

const register: CommandDefinition = {
  name: 'register',
  describe:
    'register a webhook, signed with ASG_WEBHOOK_SECRET; one that is registered already is left as it is',
  args: [{ name: 'url', describe: 'where the Gateway delivers', required: true }],
  options: [...gatewayOptions, 'events'],
  run: (context) => {
    const { settings, args, io } = context;
    const [callback_url = ''] = args;
    const secret = settings.webhookSecret?.reveal();
    if (secret === undefined)
      throw usageError('ASG_WEBHOOK_SECRET', 'no secret is set to sign the deliveries with', {
        hint: 'export ASG_WEBHOOK_SECRET=… (or ASG_WEBHOOK_SECRET_FILE=<path>); the receiver needs the same',
      });
    return withClient(context, async (client, signal) => {
      const known = (await client.listWebhooks({ signal })).find((one) => one.callback_url === callback_url);
      if (known !== undefined)
        io.stderr.write(
          `registered already, with the secret it was given then; \`webhook delete ${plain(known.webhook_id)}\` first to change it\n`,
        );
      const events = settings.events === null ? {} : { events: [...settings.events] };
      printAnswer(
        context,
        known ?? (await client.registerWebhook({ callback_url, secret, ...events }, { signal })),
      );
      return 0;
    });
  },
};

const list: CommandDefinition = {
  name: 'list',
  describe: 'the registered webhooks',
  options: gatewayOptions,
  run: (context) =>
    withClient(context, async (client, signal) => {
      const webhooks = await client.listWebhooks({ signal });
      printRows(context, webhooks, ['webhook_id', 'callback_url', 'events', 'active']);
      return 0;
    }),
};

const remove: CommandDefinition = {
  name: 'delete',
  describe: 'delete a webhook: tasks that name its URL are refused from then on',
  args: [{ name: 'webhook_id', describe: 'as `webhook list` prints it', required: true }],
  options: gatewayOptions,
  run: (context) =>
    withClient(context, async (client, signal) => {
      const [webhook_id = ''] = context.args;
      await client.deleteWebhook(webhook_id, { signal });
      printAnswer(context, { webhook_id, deleted: true });
      return 0;
    }),
};

export const webhook: CommandDefinition = {
  name: 'webhook',
  describe: 'webhooks: register, list, delete',
  options: [],
  subcommands: { register, list, delete: remove },
};
