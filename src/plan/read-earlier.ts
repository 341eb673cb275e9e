import type { Settings } from '../config/index.js';
import type { ObjectStores } from '../lib/object-stores/index.js';
import { type AskedSince, askSince } from '../producers/since/find-earlier.js';
import { contentOf, readEarlier } from '../producers/since/known-rows.js';
import type { RedisClient } from '../redis/connection.js';
import { openSink } from '../results/sink.js';
import { askedDigest } from '../runs/asked-of-line.js';
import type { IsKnown } from './line-check.js';

/** The run of `--since`, and what it has settled. */
export interface EarlierSettled {
  asked: AskedSince;
  isKnown: IsKnown;
}

/** Null without `--since`. */
export async function readEarlierSettled(
  { redis, objectStores, origin }: { redis: RedisClient | null; objectStores: ObjectStores; origin: string },
  { since, carry, prefix }: Settings,
  { cwd, signal }: { cwd: string; signal: AbortSignal },
): Promise<EarlierSettled | null> {
  if (since === null) return null;
  const openPlace = (out: string) => openSink(out, objectStores);
  const places = { redis, prefix, openSink: openPlace, gateway: origin, cwd };
  const asked = await askSince(places, since, carry);
  const known = await readEarlier(await asked.find(), { openSink: openPlace, carry: false, signal });
  signal.throwIfAborted();
  return {
    asked,
    isKnown: (content) => known?.has(contentOf(askedDigest(content), content.data_url)) ?? false,
  };
}
