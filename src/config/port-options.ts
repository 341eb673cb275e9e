import { boolean, integer, list, text, url } from './define-option.js';

const HTTP = ['http:', 'https:'];
const port = { min: 0, max: 65_535, placeholder: 'port' };

/** Options of the ports: deliveries; metrics, probes and pages. */
export const ports = {
  webhookUrl: url({
    describe: 'settle by webhook: the address that the Gateway delivers to, with its path',
    default: null,
    env: 'ASG_WEBHOOK_URL',
    protocols: HTTP,
  }),
  webhookPort: integer({
    describe: 'where webhook deliveries are taken; 0 takes a free port',
    default: 9_465,
    env: 'ASG_WEBHOOK_PORT',
    ...port,
  }),
  webhookHost: text({
    describe: 'the address they are taken on',
    default: '127.0.0.1',
    env: 'ASG_WEBHOOK_HOST',
    placeholder: 'host',
  }),
  webhookTrust: boolean({ describe: 'settle from the signed delivery, without asking again' }),
  metricsPort: integer({
    describe: '/metrics, /healthz, /readyz and the pages; 0 takes a free port (off; 9464 in work)',
    default: null,
    defaults: { work: 9_464 },
    env: 'ASG_METRICS_PORT',
    ...port,
  }),
  metricsHost: text({
    describe: 'the address they listen on',
    default: '127.0.0.1',
    env: 'ASG_METRICS_HOST',
    placeholder: 'host',
  }),
  metricsToken: text({
    describe: 'what requests to them must carry, as a bearer token or as a password',
    default: null,
    env: 'ASG_METRICS_TOKEN',
    only: 'env',
    secret: true,
    pattern: /^[\x21-\x7e]+$/,
    expected: 'a token of printable characters without spaces',
  }),
  metricsAllowHost: list({
    describe: 'names, besides localhost, that the port answers to while it asks for no token',
    default: null,
    env: 'ASG_METRICS_ALLOW_HOST',
  }),
  operatorToken: text({
    describe: 'what requests must carry that change something on /queues; it opens the rest of the port, too',
    default: null,
    env: 'ASG_OPERATOR_TOKEN',
    only: 'env',
    secret: true,
    pattern: /^[\x21-\x7e]+$/,
    expected: 'a token of printable characters without spaces',
  }),

  queueBoardWrites: boolean({
    describe:
      'let the operator, by ASG_OPERATOR_TOKEN, retry, promote and remove jobs and pause queues on /queues; else it only shows them',
    env: 'ASG_QUEUE_BOARD_WRITES',
  }),
};
