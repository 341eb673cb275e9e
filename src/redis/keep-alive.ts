import type { Queue, Worker } from 'bullmq';
import { Cluster, type Redis } from 'ioredis';

/** How often each connection is pinged, ms. */
const PING_EVERY_MS = 10_000;

interface PingClient {
  readonly status: string;
  ping(): Promise<unknown>;
}

/**
 * Pings a client's connections every 10 s. A connection that does not answer is closed by its `socketTimeout`. Without
 * pings, a connection that is idle or only listens would seem alive until it is needed.
 *
 * @returns a function that ends it
 */
export function keepAlive(client: Redis | Cluster): () => void {
  const connections = client instanceof Cluster ? () => client.nodes() : () => [client];
  return every(() => connections().forEach(ask));
}

/** The same for the connections that BullMQ opens by itself. */
export function keepBullAlive(bull: Queue | Worker): () => void {
  const backend = bull.getBackend();
  const clients: PingClient[] = [];
  for (const opened of [backend.client, backend.blockingClient])
    opened?.then(
      (client) => void clients.push(client as unknown as PingClient),
      () => undefined,
    );
  return every(() => clients.forEach(ask));
}

const ask = (client: PingClient) => {
  if (client.status === 'ready') client.ping().catch(() => undefined);
};

function every(act: () => void): () => void {
  const timer = setInterval(act, PING_EVERY_MS).unref();
  return () => clearInterval(timer);
}
