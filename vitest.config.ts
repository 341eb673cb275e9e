import { defineConfig } from 'vitest/config';
import { ALL, LONG, LONGEST, tier } from './test/tiers.js';

/** `npm test`: all but the long tests. */
export default defineConfig(tier(ALL, [...LONG, ...LONGEST]));
