import { randomBytes } from 'node:crypto';

/**
 * Numbers a process' messages of counts. The scripts that add them take each number once, so that a message which is
 * sent again after a lost answer adds nothing.
 */
export interface Messages {
  readonly sender: string;
  next(): number;
}

export function createMessages(): Messages {
  const sender = randomBytes(6).toString('hex');
  let number = 0;
  return {
    sender,
    next() {
      number += 1;
      return number;
    },
  };
}
