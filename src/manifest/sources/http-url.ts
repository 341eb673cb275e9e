import { createHash } from 'node:crypto';

/** A URL that may be shown: without login, fragment and query. The query may hold a signature. */
export function safeUrl(uri: string): string {
  const url = new URL(uri);
  return `${url.origin}${url.pathname}${url.search === '' ? '' : '?…'}`;
}

/**
 * The query parameters of signed URLs that change with each signature: the names that a signature comes with, and those
 * to leave out.
 */
const SIGNING: readonly { needs: readonly RegExp[]; drops: RegExp }[] = [
  { needs: [/^x-amz-signature$/i], drops: /^x-amz-/i },
  { needs: [/^x-goog-signature$/i], drops: /^x-goog-/i },
  {
    // S3 and Google Cloud Storage of the second version, Aliyun's, CloudFront's.
    needs: [
      /^signature$/i,
      /^(expires|policy)$/i,
      /^(awsaccesskeyid|googleaccessid|ossaccesskeyid|key-pair-id)$/i,
    ],
    drops:
      /^(signature|expires|policy|awsaccesskeyid|googleaccessid|ossaccesskeyid|key-pair-id|x-amz-security-token|security-token)$/i,
  },
  {
    // A shared access signature of Azure.
    needs: [/^sig$/i, /^sv$/i],
    drops: /^(sig|s[evrpt]|spr|sip|sks|skv|skt|ske|skoid|sktid|saoid|suoid|scid|sdd|ses|srt|ss)$/i,
  },
];

/**
 * The identity of a URL: all of it but password, fragment, and its signature. Parts that may not be seen are in it as
 * a digest.
 */
export function identityOf(uri: string): string {
  const url = new URL(uri);
  const pairs = url.search === '' ? [] : url.search.slice(1).split('&');
  const nameOf = (pair: string) => decoded((pair.split('=', 1)[0] ?? '').replaceAll('+', ' '));
  const names = pairs.map(nameOf);
  const dropped = SIGNING.filter(({ needs }) => needs.every((need) => names.some((name) => need.test(name))));
  const rest = pairs.filter((pair) => !dropped.some(({ drops }) => drops.test(nameOf(pair))));
  const place = `${url.origin}${url.pathname}`;
  if (rest.length === 0 && url.username === '') return place;
  const digest = createHash('sha256')
    .update(JSON.stringify([url.username, rest]))
    .digest('hex');
  return `${place}?sha256=${digest}`;
}

/** The URL to ask, and its login as a header. */
export function credentials(uri: string): { url: string; authorization: { authorization?: string } } {
  const url = new URL(uri);
  const { username, password } = url;
  if (username === '' && password === '') return { url: uri, authorization: {} };
  url.username = '';
  url.password = '';
  const login = `${decoded(username)}:${decoded(password)}`;
  return {
    url: url.href,
    authorization: { authorization: `Basic ${Buffer.from(login).toString('base64')}` },
  };
}

/** Percent-decoded. A `%` that is just a percent sign stays. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
