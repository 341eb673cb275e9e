import type { Dispatcher } from 'undici';
import { LONGEST_TIMER_MS, listen } from './wait.js';

export interface ExchangeOptions {
  /** Most time, from the call to the end of the answer, in ms. */
  timeout: number;
  signal?: AbortSignal | undefined;
  /** Nothing of a longer body is kept, and the rest is not read. */
  mostBytes: number;
}

export interface Answer {
  status: number;
  /** Lower-case names; several values of one are joined by commas. */
  headers: Record<string, string>;
  /** As sent; null when it was too long. */
  body: Buffer | null;
}

/** There was no answer in time. */
export class NoAnswerInTime extends Error {}

/** No header that is read is longer; of what is, the start is read. */
const LONGEST_HEADER = 1_024;

/**
 * One request and its whole answer, by undici's events. A stream, an abort signal and its listeners for each small
 * answer would cost as much as the exchange itself.
 *
 * @param request with undici's own timeouts off: `timeout` is the only clock
 * @throws the signal's reason, `NoAnswerInTime`, or undici's error
 */
export function exchange(
  dispatcher: Dispatcher,
  request: Dispatcher.DispatchOptions,
  options: ExchangeOptions,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const under = new Exchange(resolve, reject, options);
    dispatcher.dispatch(request, under);
    if (options.signal?.aborted) under.onAbort();
  });
}

/** An exchange under way; it is over once, and what is still under way of it then is cut off. */
class Exchange implements Dispatcher.DispatchHandler {
  #answer: Answer | undefined;
  readonly #chunks: Buffer[] = [];
  #length = 0;
  #over = false;
  #controller: Dispatcher.DispatchController | undefined;
  readonly #timer: NodeJS.Timeout;
  readonly #signal: AbortSignal | undefined;
  readonly #mostBytes: number;

  constructor(
    readonly resolve: (answer: Answer) => void,
    readonly reject: (reason: unknown) => void,
    { timeout, signal, mostBytes }: ExchangeOptions,
  ) {
    this.#mostBytes = mostBytes;
    this.#signal = signal;
    this.#timer = setTimeout(onTimeout, Math.min(timeout, LONGEST_TIMER_MS), this);
    listen(signal, this.onAbort);
  }

  readonly onAbort = () => this.fail(this.#signal?.reason);

  fail(error: unknown): void {
    if (!this.#end()) return;
    this.reject(error);
    this.#cut();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#over) this.#cut();
  }

  onResponseStart(
    _controller: unknown,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.#answer = { status, headers: flat(headers), body: null };
    if (Number(this.#answer.headers['content-length'] ?? 0) > this.#mostBytes) this.#tooLong(this.#answer);
  }

  onResponseData(_controller: unknown, chunk: Buffer): void {
    this.#length += chunk.length;
    if (this.#length <= this.#mostBytes) this.#chunks.push(chunk);
    else if (this.#answer !== undefined) this.#tooLong(this.#answer);
  }

  onResponseEnd(): void {
    if (this.#answer === undefined || !this.#end()) return;
    const [first] = this.#chunks;
    this.#answer.body =
      this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks);
    this.resolve(this.#answer);
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.fail(error);
  }

  #tooLong(answer: Answer): void {
    if (!this.#end()) return;
    this.#chunks.length = 0;
    this.resolve(answer);
    this.#cut();
  }

  #end(): boolean {
    if (this.#over) return false;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.onAbort);
    return true;
  }

  /** A request that has no connection yet is cut off when it gets one. */
  #cut(): void {
    this.#controller?.abort(new Error('cut off'));
  }
}

const onTimeout = (under: Exchange) => under.fail(new NoAnswerInTime());

function flat(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const out: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined) continue;
    const text = typeof value === 'string' ? value : value.join(', ');
    out[name] = text.length > LONGEST_HEADER ? text.slice(0, LONGEST_HEADER) : text;
  }
  return out;
}
