import { usageError } from '../../lib/errors.js';
import { fileStore } from './file.js';
import { httpStore } from './http.js';
import { objectStore } from './object.js';
import { stdinStore } from './stdin.js';
import type { Store } from './store.js';

const STORES: Readonly<Record<string, Store>> = {
  file: fileStore,
  http: httpStore,
  https: httpStore,
  s3: objectStore,
  gs: objectStore,
};

/** The store that a manifest spec or a source's URI belongs to; anything without `scheme://` is a path. */
export function storeOf(uri: string): Store {
  if (uri === '-') return stdinStore;
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(uri)?.[1]?.toLowerCase() ?? 'file';
  const store = Object.hasOwn(STORES, scheme) ? STORES[scheme] : undefined;
  if (store !== undefined) return store;
  throw usageError('<manifest>', `unknown scheme "${scheme}://"`, {
    hint: 'Give a path, - for standard input, or a file://, http(s)://, s3:// or gs:// URL.',
  });
}
