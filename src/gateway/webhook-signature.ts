import { createHmac, timingSafeEqual } from 'node:crypto';

/**
 * Whether a webhook delivery was signed with the secret: `X-ASG-Signature: sha256=<hex>`, the HMAC-SHA256 of the raw
 * body. In constant time; false for anything malformed, never an error.
 */
export function verifyWebhookSignature(
  rawBody: Uint8Array | string,
  signatureHeader: string | undefined | null,
  secret: string,
): boolean {
  const hex = /^sha256=([0-9a-f]{64})$/i.exec(signatureHeader ?? '')?.[1];
  if (hex === undefined || !secret) return false;
  try {
    const expected = createHmac('sha256', secret).update(rawBody).digest();
    return timingSafeEqual(Buffer.from(hex, 'hex'), expected);
  } catch {
    // A body that a framework has parsed already is neither bytes nor text, even if its type says so.
    return false;
  }
}
