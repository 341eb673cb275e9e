/** The kind of error, as a stable word. */
export type GatewayErrorCode =
  | 'http_error'
  | 'rate_limited'
  | 'key_refused'
  | 'quota'
  | 'timeout'
  | 'network_error'
  | 'invalid_response'
  /** The call or the client was given something that cannot be sent; nothing was. */
  | 'invalid_request'
  | 'closed';

/** Any failure of a Gateway call. Messages, properties and causes never hold the API key. */
export class ASGGatewayError extends Error {
  override readonly name: string = 'ASGGatewayError';
  readonly code: GatewayErrorCode;

  constructor(message: string, code: GatewayErrorCode, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The Gateway answered with 4xx or 5xx. */
export class ASGGatewayHTTPError extends ASGGatewayError {
  override readonly name: string = 'ASGGatewayHTTPError';
  constructor(
    message: string,
    readonly statusCode: number,
    /** The answer's body: parsed where it was JSON, else its text. */
    readonly body: unknown,
    /** The time that `Retry-After` asked for, in ms. */
    readonly retryAfter: number | undefined,
    code: GatewayErrorCode = 'http_error',
  ) {
    super(message, code);
  }
}

export type HTTPErrorArguments = [
  message: string,
  statusCode: number,
  body: unknown,
  retryAfter: number | undefined,
];

/** 429. */
export class ASGRateLimitError extends ASGGatewayHTTPError {
  override readonly name = 'ASGRateLimitError';
  constructor(...args: HTTPErrorArguments) {
    super(...args, 'rate_limited');
  }
}

/** 401. */
export class ASGAuthError extends ASGGatewayHTTPError {
  override readonly name = 'ASGAuthError';
  constructor(...args: HTTPErrorArguments) {
    super(...args, 'key_refused');
  }
}

/** 403. */
export class ASGQuotaError extends ASGGatewayHTTPError {
  override readonly name = 'ASGQuotaError';
  constructor(...args: HTTPErrorArguments) {
    super(...args, 'quota');
  }
}

/** A call, or `pollResult`, ran out of time. */
export class ASGTimeoutError extends ASGGatewayError {
  override readonly name = 'ASGTimeoutError';
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'timeout', options);
  }
}

/** No answer came: refused, reset, not found by name. */
export class ASGNetworkError extends ASGGatewayError {
  override readonly name = 'ASGNetworkError';
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'network_error', options);
  }
}

/** An answer came that cannot be understood: HTML, broken JSON, another shape. */
export class ASGResponseError extends ASGGatewayError {
  override readonly name = 'ASGResponseError';
  constructor(
    message: string,
    readonly statusCode: number,
    readonly contentType: string | undefined,
    options?: ErrorOptions,
  ) {
    super(message, 'invalid_response', options);
  }
}

const BY_STATUS: Record<number, new (...args: HTTPErrorArguments) => ASGGatewayHTTPError> = {
  401: ASGAuthError,
  403: ASGQuotaError,
  429: ASGRateLimitError,
};

const LONGEST_TEXT = 500;

export function httpError(
  status: number,
  body: unknown,
  retryAfter: number | undefined,
): ASGGatewayHTTPError {
  const message = `${status}: ${errorText(body) ?? `HTTP ${status}`}`;
  return new (BY_STATUS[status] ?? ASGGatewayHTTPError)(message, status, body, retryAfter);
}

/** The documented `{"error": "<text>"}`; other servers nest it, or call it `message`. */
function errorText(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const { error, message } = body as { error?: unknown; message?: unknown };
  const found = error ?? message;
  if (typeof found === 'object') return undefined;
  return found === undefined ? undefined : String(found).slice(0, LONGEST_TEXT);
}
