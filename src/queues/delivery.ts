import * as z from 'zod';
import type { SettledResult } from '../gateway/types.js';
import type { Hint } from './task-index.js';

/**
 * How far a delivery's `timestamp` may be from this host's clock. The Gateway gives up a delivery after some 20 s; the
 * rest is room for clocks that differ.
 */
const TOLERANCE_MS = 300_000;

const EVENT = 'task.settled';

const stamp = z.union([z.string(), z.number()]);
const schema = z.looseObject({
  event: z.string(),
  task_id: z.string().min(1).max(256),
  consensus_label: z.string().nullish(),
  confidence: z.number().nullish(),
  bsv_txid: z.string().nullish(),
  settled_at: stamp.nullish(),
  timestamp: stamp,
});

export type Delivery = Pick<
  z.infer<typeof schema>,
  'task_id' | 'consensus_label' | 'confidence' | 'bsv_txid' | 'settled_at'
>;

export type Reading =
  | { kind: 'settled'; delivery: Delivery }
  /** An event that nothing here waits for. */
  | { kind: 'other' }
  | { kind: 'invalid'; problem: string };

/** Reads the body of a delivery whose signature holds. */
export function readDelivery(body: Buffer, now: number): Reading {
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch {
    return { kind: 'invalid', problem: 'the body is not JSON' };
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) return { kind: 'invalid', problem: 'the body is not a delivery' };
  const { event, timestamp, ...delivery } = parsed.data;
  const sentMs = epochMs(timestamp);
  if (Number.isNaN(sentMs)) return { kind: 'invalid', problem: 'timestamp is not a time' };
  if (Math.abs(now - sentMs) > TOLERANCE_MS)
    return {
      kind: 'invalid',
      problem: `timestamp is more than ${TOLERANCE_MS / 1000} s from the receiver's clock`,
    };
  return event === EVENT ? { kind: 'settled', delivery } : { kind: 'other' };
}

/** ISO 8601, or Unix time in seconds or ms. */
function epochMs(timestamp: string | number): number {
  if (typeof timestamp === 'string') return Date.parse(timestamp);
  return timestamp < 1e11 ? timestamp * 1000 : timestamp;
}

/** The stored part of a delivery: nothing when the Gateway is to be asked, or when it names no label. */
export function hintFrom(delivery: Delivery, trust: boolean): Hint {
  const { consensus_label, confidence = null, bsv_txid = null, settled_at = null } = delivery;
  if (!trust || consensus_label == null) return '';
  return JSON.stringify({ consensus_label, confidence, bsv_txid, settled_at });
}

/** The result that a trusted delivery gives; fields it lacks are missing. */
export function resultFrom(task: string, hint: Hint): SettledResult {
  const fields = JSON.parse(hint) as Required<Omit<Delivery, 'task_id'>>;
  const { bsv_txid, settled_at } = fields as { bsv_txid: string | null; settled_at: string | number | null };
  return {
    task_id: task,
    status: 'settled',
    ...fields,
    settlement: { bsv_txid, settled_at, total_cost_sats: null },
  };
}
