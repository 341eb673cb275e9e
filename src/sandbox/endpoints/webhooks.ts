import type { Endpoint } from '../context.js';
import { failure, reply } from '../http.js';
import type { Webhook } from '../records.js';
import { newId } from '../store.js';
import { isHttpUrl, isObject } from '../validate.js';

const shown = ({ id, url, events }: Webhook) => ({
  webhook_id: id,
  callback_url: url,
  events,
  active: true,
});

export const registerWebhook: Endpoint = ({ store }, { customer, body }) => {
  if (!isObject(body)) return failure(400, 'the body must be an object');
  const { callback_url: url, secret, events = ['task.settled'] } = body;
  if (!isHttpUrl(url)) return failure(400, 'callback_url must be a URL');
  if (typeof secret !== 'string' || secret === '') return failure(400, 'secret is required');
  if (!Array.isArray(events) || events.some((event) => typeof event !== 'string'))
    return failure(400, 'events must be a list of strings');
  const webhook: Webhook = { id: newId('whk'), url, secret, events };
  store.addWebhook(customer, webhook);
  return reply(201, shown(webhook));
};

export const listWebhooks: Endpoint = (_world, { customer }) =>
  reply(200, [...customer.webhooks.values()].map(shown));

export const deleteWebhook: Endpoint = ({ store }, { customer, id }) => {
  if (!customer.webhooks.has(id)) return failure(404, 'webhook not found');
  store.removeWebhook(customer, id);
  return reply(200, { webhook_id: id, deleted: true });
};
