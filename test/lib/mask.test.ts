import { expect, test } from 'vitest';
import { maskerOf } from '../../src/lib/mask.js';

test.each([[['hunter22', 'hunter22-of-production']], [['hunter22-of-production', 'hunter22']]])(
  'no rest of a secret is left when another secret is a part of it: %j',
  (secrets) => {
    expect(maskerOf(secrets)('signed in with hunter22-of-production, then hunter22')).toBe(
      'signed in with ***, then ***',
    );
  },
);
