import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { failure, type Reply, reply, send } from './http.js';
import type { LiveOptions } from './options.js';
import type { SandboxStats } from './stats.js';
import type { Store } from './store.js';

export interface Controls {
  store: Store;
  stats(): SandboxStats;
  /** @throws IngestError `usage` */
  set(patch: unknown): LiveOptions;
}

export const CONTROL_PREFIX = '/__sandbox/';
/** Answered without control too: it only shows that a Gateway listens. */
export const HEALTH = `${CONTROL_PREFIX}health`;

/** The control for tests and people during a run; it needs no key, and no limit applies to it. */
export function control(
  { store, stats, set }: Controls,
  asked: { method: string; path: string; text: string | null },
  response: ServerResponse,
): void {
  const what = `${asked.method} ${asked.path.slice(CONTROL_PREFIX.length)}`;
  if (what === 'GET tasks') sendTasks(store, response);
  else if (what === 'GET health') send(response, reply(200, { ok: true }));
  else if (what === 'GET stats') send(response, reply(200, stats()));
  else if (what === 'POST set') send(response, changed(set, asked.text));
  else send(response, failure(404, 'not found'));
}

function changed(set: Controls['set'], text: string | null): Reply {
  try {
    return reply(200, set(JSON.parse(text ?? '')));
  } catch (error) {
    return failure(400, (error as Error).message);
  }
}

const LINES_A_CHUNK = 1_000;

/** Every task that was ever bought, one a line, in the order of their creation. */
function sendTasks(store: Store, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/jsonl' });
  // A client that disconnects is not an error.
  pipeline(Readable.from(chunks(store)), response).catch(() => {});
}

function* chunks({ tasks, taskId }: Store): Iterable<string> {
  for (let from = 0; from < tasks.length; from += LINES_A_CHUNK)
    yield tasks
      .slice(from, from + LINES_A_CHUNK)
      .map((task) => {
        const created_at = new Date(task.created).toISOString();
        const shown = {
          task_id: taskId(task),
          idempotency_key: task.key,
          data_url: task.dataUrl,
          created_at,
        };
        return `${JSON.stringify(shown)}\n`;
      })
      .join('');
}
