/** More satoshis than there are: an answer that says so is not believed. */
const ALL_SATOSHIS = 2_100_000_000_000_000;

/** What a result's cost counts as, in whole sats: one that cannot be counts as none. */
export const costOf = (sats: number | null | undefined): number =>
  sats != null && sats >= 0 && sats <= ALL_SATOSHIS ? Math.round(sats) : 0;
