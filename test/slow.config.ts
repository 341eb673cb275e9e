import { defineConfig } from 'vitest/config';
import { SLOW, tier } from './tiers.js';

/** `npm run test:slow`: what CI runs after `npm test`. */
export default defineConfig(tier(SLOW));
