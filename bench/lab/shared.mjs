/** Settings that the floors and our program share. */

/** The first poll of a task comes after this (ms). */
export const POLL_MS = 60;

/** Line `n` of every manifest that is measured: about 105 bytes as JSON. */
export const lineOf = (n) => ({
  data_url: `https://cdn.example.com/images/${String(n).padStart(9, '0')}.jpg`,
  metadata: { sku: `A${n}`, batch: n % 7 },
});
