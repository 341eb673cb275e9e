/** Shorter ones are no secrets, and would mask every other word. */
const SHORTEST_SECRET = 4;

/** Replaces the secrets in a text, as they are and as JSON writes them (in a string within a string, too). */
export function maskerOf(secrets: readonly string[], mask = '***'): (text: string) => string {
  const forms = [...new Set(secrets.flatMap((secret) => [inJson(inJson(secret)), inJson(secret), secret]))]
    .filter((form) => form.length >= SHORTEST_SECRET)
    // A secret that holds another one goes first.
    .sort((a, b) => b.length - a.length);
  return (text) => forms.reduce((masked, form) => masked.replaceAll(form, mask), text);
}

const inJson = (text: string) => JSON.stringify(text).slice(1, -1);
