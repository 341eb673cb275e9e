import { createHmac, timingSafeEqual } from 'node:crypto';

/**
 * Whether a webhook delivery was signed with the secret: `X-ASG-Signature: sha256=<hex>`, the HMAC-SHA256 of the raw
 * body. In constant time; false for anything malformed, never an error.
 */
export function verifyWebhookSignature(
  rawBody: Buffer | string,
  signatureHeader: string | undefined | null,
  secret: string,
): boolean {
  const match = /^sha256=([0-9a-f]{64})$/i.exec(signatureHeader ?? '');
  if (match?.[1] === undefined || secret === '') return false;
  return timingSafeEqual(Buffer.from(match[1], 'hex'), createHmac('sha256', secret).update(rawBody).digest());
}
