import { createHmac } from 'node:crypto';
import { number, span } from '../../lib/format.js';
import type { Notice } from './notice.js';

const SLACK_HOSTS = ['hooks.slack.com', 'hooks.slack-gov.com'];

export const isSlack = (url: string): boolean => SLACK_HOSTS.includes(new URL(url).hostname);

export interface NoticeRequest {
  body: string;
  headers: Record<string, string>;
}

/** The request that carries a notice: signed JSON, or Slack's form for Slack's own addresses. */
export function requestOf(notice: Notice, url: string, secret: string | null): NoticeRequest {
  const headers = { 'content-type': 'application/json', 'user-agent': 'asg-ingest' };
  if (isSlack(url)) return { body: JSON.stringify({ text: textOf(notice) }), headers };
  const body = JSON.stringify(notice);
  const signature = `sha256=${createHmac('sha256', secret ?? '')
    .update(body)
    .digest('hex')}`;
  return { body, headers: { ...headers, 'x-asg-signature': signature } };
}

const HAPPENED: Record<Notice['event'], (notice: Notice) => string> = {
  half: ({ forecast }) =>
    `half of the lines have ended${forecast.seconds === null ? '' : `; about ${span(forecast.seconds.expected)} in all`}`,
  completed: () => 'completed',
  cancelled: () => 'cancelled',
  blocked: ({ reason, message }) => `blocked (${reason}): ${message}`,
  forecast_overrun: ({ forecast, foretold }) =>
    `will take more than was forecast: ${figures(forecast.cost_sats?.expected, forecast.seconds?.expected)} now, ${figures(foretold?.cost_sats, foretold?.seconds)} at first`,
};

const figures = (sats: number | undefined, seconds: number | undefined) =>
  [
    ...(sats === undefined ? [] : [`${number(sats)} sats`]),
    ...(seconds === undefined ? [] : [span(seconds)]),
  ].join(' and ');

/** For people. Slack treats three characters as markup. */
function textOf(notice: Notice): string {
  const { run_id, lines, settled, failed, cost_sats } = notice;
  const counts = `${number(settled)} of ${number(lines)} lines settled, ${number(failed)} failed, ${number(cost_sats)} sats`;
  return `asg-ingest run ${run_id}: ${HAPPENED[notice.event](notice)}\n${counts}`
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;');
}
