import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

/** The options that the run was started with. */
export interface Asked {
  runId: string;
  question: string;
  options: string[];
  /** Of the lines that set none. */
  threshold: number;
  /** `line`, `content`, or the path of a field. */
  key: string;
  /** `--escalate confidence<n`: lines with less are asked again. */
  escalateBelow?: number;
  /** The local Gateway's seed: its labels follow from this and the task. */
  seed: number | string;
  /** `--carry`. */
  carry?: boolean;
}

/** What the oracle lets pass. */
export interface Allowed {
  /** Failure codes of lines that are valid. */
  codes?: string[];
  /** Lines in no row: a cancelled run ends before every line is read. */
  unread?: boolean;
  /** Files under `superseded/`: a retry or a lost Redis leaves them. */
  superseded?: boolean;
  /** Nulls in results that settled by a delivery, for what it does not tell: `--webhook-trust`. */
  trusted?: boolean;
}

export interface Source {
  /** Null for a manifest of one source. */
  name: string | null;
  text: string;
  /** The file of `--gold`: its lines say what their label is to be. */
  gold?: true;
}

/** A line of the local Gateway's `tasks`: what was bought. */
export interface BoughtTask {
  task_id: string;
  idempotency_key: string | null;
  data_url: string;
  created_at: string;
}

/** Everything that the oracle reads. None of it comes from the product's own memory. */
export interface Evidence {
  asked: Asked;
  sources: Source[];
  /** Files of `--out` by their path in it. */
  files: Map<string, Buffer>;
  /** Every task that the Gateway sold to anyone. */
  tasks: BoughtTask[];
  /** What the command printed as its summary; absent when it printed none. */
  reported?: string;
  allowed: Allowed;
  /** What the run of `--since` has left, and those before it whose lines it had left out. */
  earlier?: Evidence[];
}

async function readFiles(out: string): Promise<Map<string, Buffer>> {
  const entries = await readdir(out, { recursive: true, withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(out, path.join(entry.parentPath, entry.name)))
    .sort();
  return new Map(
    await Promise.all(names.map(async (name) => [name, await readFile(path.join(out, name))] as const)),
  );
}

async function readTasks(gatewayUrl: string): Promise<BoughtTask[]> {
  const answer = await fetch(`${gatewayUrl}/__sandbox/tasks`);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`the Gateway does not show its tasks: ${text}`);
  return text
    .split('\n')
    .filter(Boolean)
    .map((row) => JSON.parse(row) as BoughtTask);
}

/** Reads what a run has left: its folder, and the local Gateway's own record. */
export async function gatherEvidence(
  { out, gatewayUrl }: { out: string; gatewayUrl: string },
  known: Omit<Evidence, 'files' | 'tasks'>,
): Promise<Evidence> {
  const [files, tasks] = await Promise.all([readFiles(out), readTasks(gatewayUrl)]);
  return { ...known, files, tasks };
}
