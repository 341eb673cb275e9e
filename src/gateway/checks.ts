import { ASGGatewayError } from './errors.js';

const invalid = (what: string) => new ASGGatewayError(what, 'invalid_request');

/** Refused here with a clear word, since the HTTP library would only speak of an invalid header, and at each call. */
export function checkApiKey(key: string | undefined): string | undefined {
  if (key !== undefined && !/^[\x21-\x7e]+$/.test(key))
    throw invalid('apiKey: empty, or holds a space, a line break or a character that is not ASCII');
  return key;
}

/** The message does not repeat the value: it may hold a password, or be the key in the wrong place. */
export function parseBaseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) throw invalid('baseUrl: not an http(s) URL');
  if (url.username || url.password) throw invalid('baseUrl: must not hold a user or a password');
  if (url.search || url.hash) throw invalid('baseUrl: must not have a query or a fragment');
  // Every path begins with its version already.
  url.pathname = url.pathname.replace(/\/+$/, '').replace(/\/v1$/, '');
  return url;
}

export function positive(name: string, value: number): number {
  if (!(value > 0)) throw invalid(`${name}: ${value} is not a positive number`);
  return value;
}

/** One path segment; dots would climb out of it on servers that normalise paths. */
export function segment(name: string, id: string): string {
  if (typeof id !== 'string' || /^\.{0,2}$/.test(id))
    throw invalid(`${name}: ${JSON.stringify(id)} is no id`);
  return encodeURIComponent(id);
}

export function toJson(body: unknown): string {
  try {
    return JSON.stringify(body);
  } catch (error) {
    throw new ASGGatewayError(
      `the body cannot be written as JSON: ${(error as Error).message}`,
      'invalid_request',
      {
        cause: error,
      },
    );
  }
}
