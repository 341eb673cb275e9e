import { defineConfig } from 'vitest/config';
import { ALL, tier } from './tiers.js';

/** `npm run test:all`: every test, also those that are too long for CI. */
export default defineConfig(tier(ALL));
