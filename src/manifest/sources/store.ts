import type { Readable } from 'node:stream';
import { IngestError } from '../../lib/errors.js';
import type { ObjectStores } from '../../lib/object-stores/index.js';
import type { Source } from '../types.js';

export interface OpenOptions {
  /** Relative paths start here (default: the process's working directory). */
  cwd?: string;
  signal?: AbortSignal;
  /** The stream behind `-` (default: the process's standard input). */
  stdin?: Readable;
  /** The folder that keeps standard input while and after it is read (default: a new temporary directory). */
  spoolDir?: string;
  /** For `s3://` and `gs://` (default: with the environment's endpoints and credentials). */
  objectStores?: ObjectStores;
  /** For `http(s)://`: connects only to public addresses, for URLs that somebody else has named (default: false). */
  publicOnly?: boolean;
}

export type ReadOptions = Pick<OpenOptions, 'signal' | 'objectStores' | 'publicOnly'>;

export interface ListedSource {
  uri: string;
  name: string;
  /** The list's own facts, if it has any: then no object is asked for before it is read. */
  listed?: Pick<ObjectStat, 'version' | 'size'>;
}

export interface Listing {
  /** The spec made absolute, without secrets. */
  uri: string;
  /** Its identity, where that is more than `uri`. */
  identity?: string;
  objects: ListedSource[];
  /** True for what a pattern or a directory yielded: its empty objects are passed over. */
  several: boolean;
}

export interface ObjectStat {
  version: string;
  /** Bytes; null if unknown before it is read. */
  size: number | null;
  /** Whether `openRange` reaches a byte without reading those before it. */
  ranges: boolean;
  /** The first bytes, enough for a magic number; empty if they cannot be had without consuming the source. */
  head: Uint8Array;
  /** The `Content-Encoding` of what is read, where there is one. */
  encoding?: string;
  spool?: string;
}

/**
 * One kind of place that manifests are read from. A new scheme is a file in this folder and a row in
 * `registry.ts`; lines, compression and resuming know nothing of it.
 */
export interface Store {
  list(spec: string, options: OpenOptions): Promise<Listing>;
  stat(uri: string, options: OpenOptions): Promise<ObjectStat>;
  /**
   * The stored bytes from `start` on. Fails with `source_changed` when the source is no longer of its version, and
   * never ends early in silence. `start` is 0 for a source that is not seekable.
   */
  openRange(source: Source, start: number, options: ReadOptions): AsyncIterable<Uint8Array>;
}

export const manifestError = (message: string, hint?: string, cause?: unknown) =>
  new IngestError('manifest', message, { ...(hint === undefined ? {} : { hint }), cause });

export const sourceChanged = (name: string, what: string) =>
  new IngestError('source_changed', `${name} has changed since the run began: ${what}`, {
    hint: 'Put the old content back and resume, or start a new run (--run-id <new>, or --key content to buy only what is new).',
  });
