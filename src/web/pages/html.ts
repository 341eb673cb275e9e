/** Markup that is safe to send: made by `html`, which escapes all other values put into it. */
export interface Html {
  readonly markup: string;
}

export type Child = Html | string | number | false | null | undefined | readonly Child[];

/** A template of markup. Values are escaped, in text and in quoted attributes alike; `Html` goes in as it is. */
export const html = (strings: TemplateStringsArray, ...values: Child[]): Html => ({
  markup: strings.reduce((made, text, at) => made + markupOf(values[at - 1]) + text),
});

/** Markup from this package's own constants, such as a style sheet. */
export const raw = (markup: string): Html => ({ markup });

/** Text of users' data: cut, and kept from turning the writing direction of the text around it. */
export const user = (text: string, most = 300): Html =>
  html`<bdi>${text.length > most ? `${text.slice(0, most)}…` : text}</bdi>`;

function markupOf(value: Child): string {
  if (value === null || value === undefined || value === false) return '';
  if (typeof value === 'object') return 'markup' in value ? value.markup : value.map(markupOf).join('');
  return String(value).replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
