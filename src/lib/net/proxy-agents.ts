import type { Agent as HttpAgent } from 'node:http';
import type { Agent as HttpsAgent } from 'node:https';
import { proxyFor } from './proxy.js';

const KEPT = { keepAlive: true, maxSockets: 50 };

/** Agents for an SDK that uses `node:http`, with the proxy for this address. Empty when there is no proxy. */
export async function proxyAgents(url: string): Promise<{ httpAgent?: HttpAgent; httpsAgent?: HttpsAgent }> {
  const proxy = proxyFor(url);
  if (proxy === null) return {};
  const [{ HttpProxyAgent }, { HttpsProxyAgent }] = await Promise.all([
    import('http-proxy-agent'),
    import('https-proxy-agent'),
  ]);
  return {
    httpAgent: new HttpProxyAgent(proxy.href, KEPT),
    httpsAgent: new HttpsProxyAgent(proxy.href, KEPT) as HttpsAgent,
  };
}
