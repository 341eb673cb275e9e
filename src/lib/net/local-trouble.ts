const LOCAL = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM']);

/** Whether a connection failed since this machine lacks file descriptors, ports or memory. */
export const isLocalTrouble = (error: unknown): boolean => codesOf(error).some((code) => LOCAL.has(code));

/** The codes of an error and of all that caused it; the tries of several addresses are among its causes. */
export function codesOf(error: unknown): string[] {
  const codes: string[] = [];
  const look = (at: unknown, depth: number): void => {
    if (typeof at !== 'object' || at === null || depth > 5) return;
    const { code, cause, errors } = at as { code?: unknown; cause?: unknown; errors?: unknown };
    if (typeof code === 'string') codes.push(code);
    if (Array.isArray(errors)) for (const each of errors) look(each, depth + 1);
    look(cause, depth + 1);
  };
  look(error, 0);
  return codes;
}
