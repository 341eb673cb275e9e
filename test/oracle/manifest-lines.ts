import type { Asked, Source } from './evidence.js';
import { rawMembers } from './raw-json.js';

/** What a valid line asks the Gateway for, read from the manifest alone. */
export interface Ask {
  dataUrl: string;
  /** The member's own text; `null` where there is none. */
  metadata: string;
  question: string;
  options: string[];
  threshold: number;
  /** Of a gold line the label that is known. */
  gold: string | null;
  /** The key that the line must have; null where the oracle cannot tell. */
  key: string | null;
}

export interface ManifestLine {
  source: string | null;
  line: number;
  text: string;
  /** Null for a line that must be rejected. */
  ask: Ask | null;
}

export const idOf = (source: string | null, line: number) => `${source ?? ''}:${line}`;

/** The lines that are not blank, by their id. */
export function manifestLines(sources: Source[], asked: Asked): Map<string, ManifestLine> {
  const lines = new Map<string, ManifestLine>();
  for (const [index, { name, text, gold }] of sources.entries())
    for (const [at, raw] of text.split('\n').entries()) {
      if (raw.trim() === '') continue;
      const line = at + 1;
      const ask = askOf(raw, asked, `${asked.runId}-${index}-${line}`, gold === true);
      lines.set(idOf(name, line), { source: name, line, text: raw, ask });
    }
  return lines;
}

interface Written {
  data_url?: unknown;
  label_spec?: { question: string; options: string[] } | null;
  consensus_threshold?: number | null;
  idempotency_key?: string | null;
  gold?: string;
}

function askOf(text: string, asked: Asked, lineKey: string, isGold: boolean): Ask | null {
  const object = parsed(text);
  if (object === null || !isUrl(object.data_url)) return null;
  const { question, options } = object.label_spec ?? asked;
  return {
    dataUrl: object.data_url,
    metadata: rawMembers(text).get('metadata') ?? 'null',
    question,
    options,
    gold: isGold ? (object.gold ?? null) : null,
    threshold: object.consensus_threshold ?? asked.threshold,
    key: object.idempotency_key ?? (asked.key === 'line' ? lineKey : null),
  };
}

function parsed(text: string): Written | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

const isUrl = (value: unknown): value is string =>
  typeof value === 'string' && /^https?:\/\/\S+$/i.test(value) && URL.canParse(value);
