import { createHash } from 'node:crypto';
import { LIVE_SCRIPT } from './auto-refresh.js';
import { type Html, html, raw } from './html.js';
import { STYLE } from './style.js';

const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E%3Cpath fill='%231f8556' d='M0 5h2v3H0zM3 3h2v5H3zM6 0h2v8H6z'/%3E%3C/svg%3E";

const hashOf = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

const POLICY = [
  "default-src 'none'",
  `style-src ${hashOf(STYLE)}`,
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
];

/** Headers of every answer with a page: only the page's own style and script, nothing kept, nothing framed. */
export const PAGE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': [
    ...POLICY,
    `script-src ${hashOf(LIVE_SCRIPT)}`,
    "connect-src 'self'",
    "frame-ancestors 'none'",
  ].join('; '),
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

export interface Page {
  title: string;
  header: Html;
  main: Html;
  /** Nothing of it will change any more. */
  over: boolean;
  footer?: Html;
}

/** A whole document. `alone`: a file of its own, with its policy inside. `live`: with the script that keeps it up to date. */
export function documentOf(
  { title, header, main, over, footer }: Page,
  { alone = false, live = !alone }: { alone?: boolean; live?: boolean } = {},
): string {
  return html`${raw('<!doctype html>')}
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${alone && html`<meta http-equiv="Content-Security-Policy" content="${POLICY.join('; ')}">`}
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="${ICON}">
<style>${raw(STYLE)}</style>
</head>
<body>
<header class="page-head">${header}</header>
${live && html`<p id="lost" class="lost" role="status" hidden>No answer: what is shown may be old.</p>`}
<main${raw(over ? ' data-over=""' : '')}>${main}</main>
${footer && html`<footer>${footer}</footer>`}
${live && html`<script>${raw(LIVE_SCRIPT)}</script>`}
</body>
</html>
`.markup;
}
