import { isOwnPage } from '../lib/net/hosts.js';
import type { Access } from './access.js';
import type { Audit } from './audit.js';
import { LOGIN_PATH, loginPage } from './pages/login-page.js';
import type { HttpPart } from './server.js';

const MOST_BODY_BYTES = 4 << 10;

/** `POST /login`: a session's cookie for the holder of a token, for browsers. */
export const login =
  (access: Access, audit: Audit): HttpPart =>
  (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string', bodyLimit: MOST_BODY_BYTES },
      (_request, body, done) => done(null, new URLSearchParams(String(body))),
    );
    app.post(LOGIN_PATH, { config: { open: true } }, async (request, reply) => {
      if (!isOwnPage(request.raw)) return reply.code(403).send('not from another site\n');
      const form = request.body instanceof URLSearchParams ? request.body : new URLSearchParams();
      const next = ownPath(form.get('next') ?? '/');
      const session = access.session(form.get('token') ?? '');
      if (session === null) {
        audit('login refused', request);
        const { headers, document } = loginPage(next, { at: LOGIN_PATH, wrong: true });
        return reply.code(401).headers(headers).send(document);
      }
      audit('login', request, { role: session.role });
      // Behind a proxy that speaks TLS the cookie stays with TLS.
      const secure = request.headers['x-forwarded-proto'] === 'https' ? '; Secure' : '';
      return reply
        .header('set-cookie', session.cookie + secure)
        .header('cache-control', 'no-store')
        .redirect(`.${next}`, 303);
    });
  };

/** A path of this server; anything that could lead elsewhere is the first page. Browsers read `\` as `/`. */
const ownPath = (text: string) => (/^\/(?!\/)[\x21-\x5b\x5d-\x7e]*$/.test(text) ? text : '/');
