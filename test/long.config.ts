import { defineConfig } from 'vitest/config';
import { LONG, LONGEST, tier } from './tiers.js';

/** `npm run test:long`: the long tests that CI runs after `npm test`. */
export default defineConfig(tier(LONG, LONGEST));
