import { inspect } from 'node:util';

/** A value that only `reveal()` gives away: printed, logged or serialized in any other way it is masked. */
export class Secret {
  readonly #value: string;
  readonly #shown: string;

  /** @param shown what is printed in its place, default `***` */
  constructor(value: string, shown = '***') {
    this.#value = value;
    this.#shown = shown;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return this.#shown;
  }

  toJSON(): string {
    return this.#shown;
  }

  [inspect.custom](): string {
    return this.#shown;
  }
}

/** A URL whose user information and query are masked and whose host can be read. */
export function secretUrl(text: string): Secret {
  const url = new URL(text);
  const auth = url.username || url.password ? '***@' : '';
  return new Secret(text, `${url.protocol}//${auth}${url.host}${url.pathname}${url.search && '?***'}`);
}
