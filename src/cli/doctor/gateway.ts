import { ASGGatewayClient } from '../../gateway/client.js';
import { ASGNetworkError } from '../../gateway/errors.js';
import { unreachable } from '../../gateway/reach.js';
import type { GatewayCall } from '../../gateway/types.js';
import { openFilesLimit, RESERVED_FILES } from '../../lib/net/open-files.js';
import { proxyFor, shownProxy } from '../../lib/net/proxy.js';
import type { Releasers } from '../../lib/releasers.js';
import { openGateway } from '../../pipeline/open.js';
import type { CommandContext } from '../program.js';
import { clockFinding, type Finding, failed } from './finding.js';

export async function checkGateway(
  { settings, log }: CommandContext,
  releasers: Releasers,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  let clock: Finding | null = null;
  const onCall = ({ headers, durationMs }: GatewayCall) => {
    // A whole second, at some moment of the call.
    const date = Date.parse(headers.date ?? '');
    const apart = date + 500 - (Date.now() - durationMs / 2);
    if (!Number.isNaN(date)) clock = clockFinding("the Gateway's clock", Math.abs(apart) < 1_500 ? 0 : apart);
  };
  try {
    const { url, apiKey } = await openGateway(settings, log, releasers);
    if (!settings.sandbox) findings.push(wayTo('the Gateway', url));
    const client = new ASGGatewayClient({
      ...{ apiKey, baseUrl: url, retry: false, timeout: 10_000, onCall, direct: settings.sandbox },
    });
    releasers.add(() => client.close());
    const customer = await client.getCustomer();
    const quota = customer.label_quota;
    findings.push(
      { what: 'Gateway and key', ok: true, found: `${url} knows the key (tier ${customer.tier})` },
      { what: 'label quota', ok: quota > 0, found: `${quota} labels left`, hint: 'top up the quota' },
    );
  } catch (error) {
    const found = error instanceof ASGNetworkError ? `cannot be reached: ${unreachable(error).why}` : null;
    findings.push(
      found === null ? failed('Gateway and key', error) : { what: 'Gateway and key', ok: false, found },
    );
  }
  return clock === null ? findings : [...findings, clock];
}

/** By which proxy a place is asked, if any. */
export function wayTo(what: string, url: string): Finding {
  try {
    const proxy = proxyFor(url);
    return {
      what: `way to ${what}`,
      ok: true,
      found: proxy === null ? 'direct' : `by the proxy ${shownProxy(proxy)}`,
    };
  } catch (error) {
    return failed(`way to ${what}`, error);
  }
}

export async function checkOpenFiles({ settings }: CommandContext): Promise<Finding[]> {
  const limit = await openFilesLimit();
  if (limit === null) return [];
  return [
    {
      what: 'open files',
      ok: limit >= settings.concurrency + RESERVED_FILES,
      found: `${limit} allowed, for ${settings.concurrency} calls in flight`,
      hint: `ulimit -n ${settings.concurrency + RESERVED_FILES}, or a smaller --concurrency`,
    },
  ];
}
