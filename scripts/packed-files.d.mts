export function unexpectedIn(files: readonly string[]): { missing: string[]; foreign: string[] };
