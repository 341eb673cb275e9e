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
    // A logger's copy of the object has the methods and not the fields.
    return #shown in this ? this.#shown : '***';
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

/** A URL whose user information and query are masked and whose host can be read. */
export function secretUrl(text: string): Secret {
  const url = new URL(text);
  const auth = url.username || url.password ? '***@' : '';
  return new Secret(text, `${url.protocol}//${auth}${url.host}${url.pathname}${url.search && '?***'}`);
}
