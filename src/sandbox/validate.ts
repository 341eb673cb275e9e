/** A task as it is sent, once `taskProblem` found none. */
export interface WireTask {
  type: string;
  data_url: string;
  label_spec: { question: string; options: string[] };
  consensus_threshold?: number | null;
  callback_url?: string | null;
  idempotency_key?: string | null;
}

/** The documentation's demands on a task; the reason of a 400, or null. */
export function taskProblem(task: unknown, isRegistered: (callbackUrl: string) => boolean): string | null {
  if (!isObject(task)) return 'a task must be an object';
  const { type, data_url, label_spec, consensus_threshold, callback_url, idempotency_key } = task;
  if (typeof type !== 'string' || !TYPES.has(type)) return `type must be one of ${[...TYPES].join(', ')}`;
  if (!isHttpUrl(data_url)) return 'data_url must be an HTTPS URL';
  if (!isObject(label_spec)) return 'label_spec must be an object';
  const { question, options } = label_spec;
  if (typeof question !== 'string' || question === '') return 'label_spec.question is required';
  if (!Array.isArray(options) || options.length < 2 || options.some((option) => typeof option !== 'string'))
    return 'label_spec.options must hold at least 2 strings';
  const threshold = consensus_threshold ?? 3;
  if (typeof threshold !== 'number' || !Number.isInteger(threshold) || threshold < 2 || threshold > 10)
    return 'consensus_threshold must be an integer from 2 to 10';
  if (callback_url != null && (typeof callback_url !== 'string' || !isRegistered(callback_url)))
    return 'callback_url must be that of a registered webhook';
  if (idempotency_key != null && (typeof idempotency_key !== 'string' || idempotency_key === ''))
    return 'idempotency_key must be a string that is not empty';
  return null;
}

const TYPES = new Set(['image_classification', 'text_classification', 'sentiment', 'moderation']);

/** `http` is accepted beside the documented `https`, for servers on the same machine. */
export const isHttpUrl = (value: unknown): value is string =>
  typeof value === 'string' && /^https?:\/\/[^/]/i.test(value) && URL.canParse(value);

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
