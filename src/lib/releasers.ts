/** Releases in reverse order of acquisition, each once; the first error is thrown after all have been tried. */
export interface Releasers {
  /** Call it right after the acquisition. */
  add(release: () => unknown): void;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Collects what must be released at the end, such as connections. `close` releases the newest first. */
export function createReleasers(): Releasers {
  const stack: (() => unknown)[] = [];
  let closing: Promise<void> | undefined;
  return {
    add: (release) => void stack.push(release),
    close() {
      closing ??= (async () => {
        const errors: unknown[] = [];
        for (const release of stack.reverse())
          await Promise.resolve()
            .then(release)
            .catch((error) => errors.push(error));
        if (errors.length > 0) throw errors[0];
      })();
      return closing;
    },
  };
}
