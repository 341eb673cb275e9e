/** What the documentation asks of a task; the reason of a 400, or null. */
export function taskProblem(task: unknown, callbackUrls: Set<string>): string | null {
  if (!isObject(task)) return 'a task must be an object';
  const { type, data_url, label_spec, consensus_threshold, callback_url, idempotency_key } = task;
  if (typeof type !== 'string' || !TYPES.has(type)) return `type must be one of ${[...TYPES].join(', ')}`;
  if (typeof data_url !== 'string' || !/^https?:\/\/[^/]/.test(data_url) || !URL.canParse(data_url))
    return 'data_url must be an HTTPS URL';
  if (!isObject(label_spec) || typeof label_spec.question !== 'string' || label_spec.question === '')
    return 'label_spec.question is required';
  const { options } = label_spec;
  if (!Array.isArray(options) || options.length < 2 || options.some((option) => typeof option !== 'string'))
    return 'label_spec.options must hold at least 2 strings';
  const threshold = consensus_threshold ?? 3;
  if (typeof threshold !== 'number' || !Number.isInteger(threshold) || threshold < 2 || threshold > 10)
    return 'consensus_threshold must be an integer from 2 to 10';
  if (callback_url != null && (typeof callback_url !== 'string' || !callbackUrls.has(callback_url)))
    return 'callback_url must be a registered webhook';
  if (idempotency_key != null && (typeof idempotency_key !== 'string' || idempotency_key === ''))
    return 'idempotency_key must be a string';
  return null;
}

const TYPES = new Set(['image_classification', 'text_classification', 'sentiment', 'moderation']);

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
