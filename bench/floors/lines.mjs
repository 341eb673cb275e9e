/** What the floors share: the lines of a manifest, and the two calls of the Gateway, by undici or by `fetch`. */
import { createReadStream } from 'node:fs';
import split2 from 'split2';
import { Pool } from 'undici';

const LABEL_SPEC = { question: 'Which?', options: ['cat', 'dog', 'bird'] };

/** Objects of the manifest's lines, each with its number. */
export async function* linesOf(file) {
  let line = 0;
  for await (const item of createReadStream(file).pipe(split2(JSON.parse))) {
    line += 1;
    yield { line, ...item };
  }
}

const taskOf = ({ line, data_url }) =>
  JSON.stringify({
    type: 'image_classification',
    data_url,
    label_spec: LABEL_SPEC,
    consensus_threshold: 3,
    idempotency_key: `floor-${line}`,
  });

/** The row of a settled line, as the user wants it. */
export const rowOf = ({ line, data_url, metadata }, result) =>
  `${JSON.stringify({ line, data_url, metadata, ...result })}\n`;

const headers = { authorization: 'Bearer sk_sandbox_bench', 'content-type': 'application/json' };

/** `submit` gives the task's id, `result` the settled task, or null while it is in progress. */
export function undiciGateway(url, connections) {
  const pool = new Pool(url, { connections, pipelining: 1 });
  const call = async (method, path, body) => {
    const response = await pool.request({ method, path, headers, body });
    if (response.statusCode >= 400) throw new Error(`${path}: ${response.statusCode}`);
    return { status: response.statusCode, body: await response.body.json() };
  };
  return callsOf(call);
}

export function fetchGateway(url) {
  const call = async (method, path, body) => {
    const response = await fetch(url + path, { method, headers, body });
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return { status: response.status, body: await response.json() };
  };
  return callsOf(call);
}

function callsOf(call) {
  return {
    submit: async (line) => (await call('POST', '/v1/tasks', taskOf(line))).body.task_id,
    result: async (task) => {
      const { status, body } = await call('GET', `/v1/tasks/${task}/result`);
      return status === 202 ? null : body;
    },
  };
}
