import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { usageError } from '../../lib/errors.js';

/** Encrypts what must not be stored as it is: AES-256-GCM, with a fresh nonce each time. */
export interface Sealer {
  /** @param about what it belongs to; opened only for the same */
  seal(text: string, about: string): string;
  /** Throws for what was sealed under another key, about something else, or was changed since. */
  open(sealed: string, about: string): string;
}

const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * @param hex the key, 32 bytes in hex; absent: one for this process alone, so that nothing sealed outlives it
 * @throws IngestError `usage` for a key that is none
 */
export function createSealer(hex: string | undefined): Sealer {
  if (hex && !/^[0-9a-f]{64}$/i.test(hex))
    throw usageError('ASG_ENCRYPTION_KEY', 'the value is not 32 bytes in hex (64 digits)', {
      hint: '`openssl rand -hex 32` makes one; without any, a fresh one is used for as long as the process lives',
    });
  const key = hex ? Buffer.from(hex, 'hex') : randomBytes(32);
  return {
    seal(text, about) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(ALGORITHM, key, nonce).setAAD(Buffer.from(about));
      const encrypted = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), encrypted]).toString('base64');
    },
    open(sealed, about) {
      const bytes = Buffer.from(sealed, 'base64');
      const [nonce, rest] = [bytes.subarray(0, NONCE_BYTES), bytes.subarray(NONCE_BYTES)];
      const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES })
        .setAAD(Buffer.from(about))
        .setAuthTag(rest.subarray(0, TAG_BYTES));
      return Buffer.concat([decipher.update(rest.subarray(TAG_BYTES)), decipher.final()]).toString('utf8');
    },
  };
}

const KEY_FILE = 'sealing.key';

/** A key of the directory's own, made at its first use and readable to its owner alone. */
export function keptKey(dir: string): string {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const file = path.join(dir, KEY_FILE);
  try {
    writeFileSync(file, randomBytes(32).toString('hex'), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return readFileSync(file, 'utf8').trim();
}
