export const POLL_MS: number;
export function lineOf(n: number): { data_url: string; metadata: { sku: string; batch: number } };
