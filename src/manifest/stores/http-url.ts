const SECRET_PARAMETER =
  /^x-(amz|goog)-|signature|^sig$|token|credential|expires|accesskey|accessid|password|secret|^key$/i;

/** A URL for logs and records: without login and without what signs it, which also changes from day to day. */
export function safeUrl(uri: string): string {
  const url = new URL(uri);
  url.username = '';
  url.password = '';
  url.hash = '';
  for (const name of [...url.searchParams.keys()])
    if (SECRET_PARAMETER.test(name)) url.searchParams.delete(name);
  return url.href;
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

/** Percent-decoded; as it stands where a `%` is just a percent sign. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
