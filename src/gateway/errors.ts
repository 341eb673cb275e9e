/** Any failure of a Gateway call. Messages and properties never hold the API key. */
export class ASGGatewayError extends Error {
  override readonly name: string = 'ASGGatewayError';
}

/** The Gateway answered with 4xx or 5xx. */
export class ASGGatewayHTTPError extends ASGGatewayError {
  override readonly name: string = 'ASGGatewayHTTPError';
  constructor(
    message: string,
    readonly statusCode: number,
    /** The answer's body: parsed where it was JSON, else its text. */
    readonly body: unknown,
    /** What `Retry-After` asked for, in ms. */
    readonly retryAfter: number | undefined,
  ) {
    super(message);
  }
}

/** 429. */
export class ASGRateLimitError extends ASGGatewayHTTPError {
  override readonly name = 'ASGRateLimitError';
}

/** 401. */
export class ASGAuthError extends ASGGatewayHTTPError {
  override readonly name = 'ASGAuthError';
}

/** 403. */
export class ASGQuotaError extends ASGGatewayHTTPError {
  override readonly name = 'ASGQuotaError';
}

/** A call, or `pollResult`, ran out of time. */
export class ASGTimeoutError extends ASGGatewayError {
  override readonly name = 'ASGTimeoutError';
}

/** No answer came: refused, reset, not found by name. */
export class ASGNetworkError extends ASGGatewayError {
  override readonly name = 'ASGNetworkError';
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
    super(message, options);
  }
}

const BY_STATUS: Record<number, typeof ASGGatewayHTTPError> = {
  401: ASGAuthError,
  403: ASGQuotaError,
  429: ASGRateLimitError,
};

export function httpError(
  status: number,
  body: unknown,
  retryAfter: number | undefined,
): ASGGatewayHTTPError {
  const text =
    typeof body === 'object' && body !== null && 'error' in body ? String(body.error) : `HTTP ${status}`;
  return new (BY_STATUS[status] ?? ASGGatewayHTTPError)(`${status}: ${text}`, status, body, retryAfter);
}
