import type { ASGGatewayClient } from '../../../gateway/client.js';
import type { SubmitTaskParams } from '../../../gateway/types.js';
import { type LineItem, openManifest, parseLine, readLines } from '../../../manifest/index.js';
import { contentKey } from '../../../runs/idempotency-key.js';
import { withClient } from '../../gateway-session.js';
import { gatewayOptions, labelOptionNames } from '../../option-groups.js';
import type { CommandContext, CommandDefinition } from '../../program.js';
import { formatTable } from '../../table.js';

/** The outcome of a line. */
interface Row {
  line: number;
  task_id: string | null;
  batch_id: string | null;
  idempotency_key: string | null;
  error: string | null;
}

interface Entry {
  line: number;
  task: SubmitTaskParams;
}

/** Lines handed to the client at once: a call each. */
const AT_ONCE = 1_000;

const submit: CommandDefinition = {
  name: 'submit',
  describe:
    'submit the lines of a JSONL file, 1,000 a call; nothing is stored, so the same file again gives the same tasks',
  args: [{ name: 'file', describe: 'a manifest, as `run` takes it', required: true }],
  options: [...gatewayOptions, ...labelOptionNames, 'callbackUrl', 'resolveIds', 's3Endpoint', 'gcsEndpoint'],
  examples: ['asg-ingest batch submit items.jsonl --label-spec spec.json --resolve-ids --json > tasks.jsonl'],
  run: (context) =>
    withClient(context, async (client, signal) => {
      const report = createReport(context);
      let entries: Entry[] = [];
      const send = async () => {
        const rows = await submitEntries(client, entries, context, signal);
        for (const row of rows) report.add(row);
        entries = [];
      };
      for await (const found of entriesOf(context, signal)) {
        if ('error' in found) report.add(found);
        else entries.push(found);
        if (entries.length === AT_ONCE) await send();
      }
      if (entries.length > 0) await send();
      return report.end();
    }),
};

async function submitEntries(
  client: ASGGatewayClient,
  entries: readonly Entry[],
  { settings }: CommandContext,
  signal: AbortSignal,
): Promise<Row[]> {
  const { callbackUrl, resolveIds } = settings;
  const tasks = entries.map(({ task }) => task);
  const shared = callbackUrl === null ? {} : { callback_url: callbackUrl };
  const { submitted, rejected } = await client.submitBatch({ tasks, ...shared }, { resolveIds, signal });
  const rows = [
    ...submitted.map(({ index, ...task }) => ({ index, ...task, error: null })),
    ...rejected.map(({ index, idempotency_key, error }) => ({
      index,
      idempotency_key,
      task_id: null,
      batch_id: null,
      error: error.message,
    })),
  ].sort((a, b) => a.index - b.index);
  return rows.map(({ index, ...row }) => ({ line: entries[index]?.line ?? 0, ...row }));
}

/** The lines in order: tasks, and those that are none with the reason. */
async function* entriesOf(context: CommandContext, signal: AbortSignal): AsyncIterable<Entry | Row> {
  const { args, io } = context;
  const manifest = await openManifest(args[0] ?? '', { cwd: io.cwd, signal });
  for (const source of manifest.sources)
    for await (const lines of readLines(source, { line: 0, offset: 0 }, { signal }))
      for (const raw of lines) {
        const parsed = parseLine(raw);
        if (parsed.kind === 'item') yield entryOf(context, raw.line, parsed.item);
        else if (parsed.kind === 'rejected') yield failed(raw.line, parsed.problem.message);
      }
}

const failed = (line: number, error: string): Row => ({
  line,
  task_id: null,
  batch_id: null,
  idempotency_key: null,
  error,
});

function entryOf({ settings }: CommandContext, line: number, item: LineItem): Entry | Row {
  const label_spec = item.label_spec ?? settings.labelSpec;
  if (label_spec === null)
    return failed(line, 'no label_spec: give --question and --options, or --label-spec');
  const type = item.type ?? settings.taskType;
  const consensus_threshold = item.consensus_threshold ?? settings.consensusThreshold;
  const { data_url } = item;
  const idempotency_key =
    item.idempotency_key ?? contentKey({ type, data_url, label_spec, consensus_threshold });
  const threshold = consensus_threshold === null ? {} : { consensus_threshold };
  return { line, task: { task_type: type, data_url, label_spec, idempotency_key, ...threshold } };
}

/** With `--json` a line for each line of the file, else a table of the batches and one of the failures. */
function createReport({ settings, io }: CommandContext) {
  const batches = new Map<string, number>();
  const failures: Row[] = [];
  return {
    add(row: Row): void {
      if (row.batch_id !== null) batches.set(row.batch_id, (batches.get(row.batch_id) ?? 0) + 1);
      if (row.error !== null) failures.push(row);
      if (settings.json) io.stdout.write(`${JSON.stringify(row)}\n`);
    },
    end(): number {
      if (!settings.json) {
        io.stdout.write(`${formatTable(['batch', 'tasks'], [...batches])}\n`);
        const rows = failures.map(({ line, error }) => [line, error] as const);
        if (rows.length > 0) io.stdout.write(`\n${formatTable(['line', 'failed'], rows)}\n`);
      }
      return failures.length > 0 ? 3 : 0;
    },
  };
}

export const batch: CommandDefinition = {
  name: 'batch',
  describe: 'many tasks in one call: submit',
  options: [],
  subcommands: { submit },
};
