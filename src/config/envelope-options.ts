import { hours, integer } from './define-option.js';

/** 21 million coins of 100 million sats: more cannot be spent. */
const ALL_SATS = 2_100_000_000_000_000;
const sats = { default: null, min: 1, max: ALL_SATS, placeholder: 'sats' };

/** Options of spending and of buying times. */
export const envelopes = {
  spend: integer({
    describe: 'never spend more than this on the run; tasks that are out count with the highest price seen',
    ...sats,
  }),
  spendPerDay: integer({
    describe: 'the same for each day (UTC); the run then waits for the next day',
    ...sats,
  }),
  hours: hours({
    describe: 'submit tasks only in these hours (default zone: that of this process); polls go on',
    default: null,
  }),
};
