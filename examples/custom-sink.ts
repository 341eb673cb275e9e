/**
 * Results into a place of your own. A sink gets whole parts under names of their own; each method may be called again
 * after a crash and must then have the same effect. This one keeps them in memory and counts the labels.
 */
import {
  createLogger,
  createReleasers,
  openPipeline,
  resolveSettings,
  runManifest,
  type Sink,
} from 'asg-ingest';

const parts = new Map<string, Buffer>();
let owner: string | null = null;
let summary: string | null = null;

const sink: Sink = {
  kind: 'custom',
  async claim({ id }) {
    if (owner !== null && owner !== id) throw new Error(`holds run ${owner}`);
    owner = id;
  },
  sees: async ({ id }) => owner === id,
  async writePart(name, bytes) {
    const chunks: Buffer[] = [];
    for await (const chunk of bytes) chunks.push(chunk);
    parts.set(name, Buffer.concat(chunks));
  },
  async writeSummary(json) {
    summary = json;
  },
  readSummary: async () => summary,
  async removeSummary() {
    summary = null;
  },
  listParts: async (runId) => [...parts.keys()].filter((name) => name.includes(runId)).sort(),
  async *readPart(name) {
    yield parts.get(name) ?? Buffer.alloc(0);
  },
  async setAside(name) {
    parts.delete(name);
  },
};

const settings = resolveSettings({
  command: 'run',
  flags: {
    question: 'Which animal is it?',
    options: ['cat', 'dog', 'bird', 'horse', 'fish'],
    out: 'memory://labels',
  },
  env: process.env,
  cwd: process.cwd(),
});
const releasers = createReleasers();
try {
  const pipeline = await openPipeline(settings, createLogger({ level: settings.logLevel }), releasers);
  const outcome = await runManifest(
    { ...pipeline, openSink: () => sink },
    settings,
    process.argv[2] ?? 'examples/animals.jsonl',
    { cwd: process.cwd(), signal: new AbortController().signal },
  );
  console.log(`${outcome.summary.settled} settled`);
  const labels = new Map<string, number>();
  for (const [name, bytes] of parts) {
    if (!name.startsWith('results-')) continue;
    for (const line of bytes.toString().trim().split('\n')) {
      const { consensus_label } = JSON.parse(line) as { consensus_label: string };
      labels.set(consensus_label, (labels.get(consensus_label) ?? 0) + 1);
    }
  }
  for (const [label, count] of labels) console.log(`${label} ${count}`);
} finally {
  await releasers.close();
}
