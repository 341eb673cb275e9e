import { usageError } from '../../../lib/errors.js';
import { printAnswer } from '../../answer-text.js';
import { withClient } from '../../gateway-session.js';
import { gatewayOptions } from '../../option-groups.js';
import type { CommandDefinition } from '../../program.js';

const register: CommandDefinition = {
  name: 'register',
  describe: 'register a customer; needs no key, and prints the new one: it is shown this once',
  options: [...gatewayOptions, 'name', 'email'],
  run: (context) => {
    const { name, email } = context.settings;
    if (name === null) throw usageError('--name', 'a customer needs a name');
    if (email === null) throw usageError('--email', 'a customer needs an e-mail address');
    return withClient(
      context,
      async (client, signal) => {
        printAnswer(context, await client.registerCustomer({ name, email }, { signal }));
        return 0;
      },
      { keyless: true },
    );
  },
};

const me: CommandDefinition = {
  name: 'me',
  describe: "the key's customer, with the label quota that is left",
  options: gatewayOptions,
  run: (context) =>
    withClient(context, async (client, signal) => {
      printAnswer(context, await client.getCustomer({ signal }));
      return 0;
    }),
};

export const account: CommandDefinition = {
  name: 'account',
  describe: 'the account: register, me',
  options: [],
  subcommands: { register, me },
};
