import type { LabelSpec } from '../gateway/types.js';

/** `br` and `deflate` only as what a server says of an answer. */
export type Compression = 'gzip' | 'zstd' | 'br' | 'deflate';

/** One JSONL file, object or stream of a manifest. Plain data: it survives JSON. */
export interface Source {
  /** Place in the manifest, from 0. */
  index: number;
  /** The URL to read; may hold a signature, so it is never logged. */
  uri: string;
  /** How results and messages name it. */
  name: string;
  /** Changes whenever the content does: ETag or Last-Modified, size and mtime (ns), or a fresh id for stdin. */
  version: string;
  /** Bytes as stored, before decompression; null if unknown. */
  size: number | null;
  compression: Compression | null;
  /** Whether it can be reopened in the middle; all others are read again from the start. */
  seekable: boolean;
  /** Only a list has named it: `lookAt` finds its compression, and whether it is seekable. */
  listed?: true;
  /** The `Content-Encoding` that the server gave it, where there is one. */
  encoding?: string;
  /** The file that keeps standard input for later readings. */
  spool?: string;
}

/** One or several sources, read in order as one. */
export interface Manifest {
  /** The same for the same spec from any working directory. Holds no secrets: a URL is without its query. */
  uri: string;
  /** Its identity; more than `uri` where a URL has a query. */
  identity: string;
  /** Hash over the names and versions of all sources, in order. */
  version: string;
  /** In the order in which they are read. */
  sources: Source[];
  /** Bytes as stored, of all sources together; null if one is unknown. */
  bytes: number | null;
}

/** Lines and decompressed bytes already consumed; `{ line: 0, offset: 0 }` is the start. */
export interface Position {
  line: number;
  offset: number;
}

/** Faults of a line by itself: the line is not sent, and would fail again. */
export const LINE_PROBLEMS = ['invalid_json', 'invalid_line', 'line_too_long'] as const;

export interface LineProblem {
  code: (typeof LINE_PROBLEMS)[number];
  message: string;
}

export interface RawLine {
  /** From 1; blank lines count. */
  line: number;
  /** Decompressed byte offset just after the line's newline. */
  end: number;
  /** Bytes of the line with its newline: over a source they add up to its decompressed size. */
  bytes: number;
  /** Without newline, CR and BOM. For a problem: the part that can be shown, at most 4 KiB. */
  text: string | null;
  problem?: LineProblem;
}

export interface LineItem {
  data_url: string;
  /** Null when absent. */
  metadata: unknown;
  type?: string;
  label_spec?: LabelSpec;
  consensus_threshold?: number;
  idempotency_key?: string;
  /** The whole object, unknown fields included. */
  input: Record<string, unknown>;
  /** The object as it is written. */
  text: string;
}

export type ParsedLine =
  | { kind: 'blank' }
  | {
      kind: 'rejected';
      problem: LineProblem;
      /** JSON text: the object as it is written where the line is one, else a string of the line's text, cut at 4 KiB. */
      input: string;
      idempotency_key?: string;
    }
  | { kind: 'item'; item: LineItem };
