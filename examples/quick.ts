/** The Python SDK's quick example: submit a task, poll for its result. Needs `ASG_API_KEY`. */
import { ASGGatewayClient } from 'asg-ingest/client';

const client = new ASGGatewayClient({
  apiKey: process.env.ASG_API_KEY ?? '',
  baseUrl: process.env.ASG_BASE_URL ?? 'https://api.asgrefinery.io',
});

const task = await client.submitTask({
  task_type: 'image_classification',
  data_url: 'https://images.example.org/cat.jpg',
  label_spec: { question: 'What animal is this?', options: ['cat', 'dog', 'bird'] },
  consensus_threshold: 3,
});
console.log(`submitted ${task.task_id}`);

const result = await client.pollResult(task.task_id, { timeout: 300_000, interval: 5_000 });
console.log(`${result.consensus_label} (confidence ${result.confidence}, ${result.status})`);

await client.close();
