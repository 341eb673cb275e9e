import { defineConfig } from 'vitest/config';
import { LONG, LONGEST, tier } from './tiers.js';

/** `npm run test:long`: the long tests, run by hand before a release. */
export default defineConfig(tier(LONG, LONGEST));
