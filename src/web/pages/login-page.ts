import { documentOf, PAGE_HEADERS } from './document.js';
import { html } from './html.js';

/** The target of a login. */
export const LOGIN_PATH = '/login';

/**
 * Asks for the token.
 *
 * @param next the path that was asked for, and is gone on to
 * @param at the path that this page is the answer of: links are relative, as a proxy may serve it under another one
 */
export function loginPage(next: string, { at = next, wrong = false }: { at?: string; wrong?: boolean } = {}) {
  const [pathname = ''] = at.split('?', 1);
  const up = '../'.repeat(Math.max(0, pathname.split('/').length - 2));
  const header = html`<h1>asg-ingest</h1>`;
  const main = html`<form id="login" class="login" method="post" action="${up || './'}${LOGIN_PATH.slice(1)}">
<input type="hidden" name="next" value="${next}">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Log in</button>
${wrong && html`<p role="alert">That token does not hold.</p>`}
</form>`;
  return {
    headers: {
      ...PAGE_HEADERS,
      // Without a referrer a browser would not say which page a form comes from.
      'referrer-policy': 'same-origin',
      'content-security-policy': PAGE_HEADERS['content-security-policy'].replace(
        "form-action 'none'",
        "form-action 'self'",
      ),
    },
    document: documentOf({ title: 'Log in · asg-ingest', header, main, over: true }, { live: false }),
  };
}
