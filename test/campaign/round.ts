import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Allowed, findProblems, gatherEvidence } from '../oracle/find-problems.js';
import type { Fault } from './faults/fault.js';
import { type Findings, newFindings } from './findings.js';
import type { Exit } from './parts/command.js';
import { type RestartedCommand, restartUntilEnd } from './parts/restarted-command.js';
import type { Plan, Step } from './plan.js';
import { GATEWAY_SEED, makeWorld, OPTIONS, QUESTION, RUN_ID, type World } from './world.js';

const CHECK_EVERY_MS = 50;
const STOP_MS = 30_000;

export interface RoundOptions {
  /** When all faults are healed and no line ends for this time, the run hangs, ms. */
  hungMs: number;
  clockLibrary: string | null;
  /** When the campaign is over: no further fault is begun. Epoch ms. */
  deadline: number;
  log: (text: string) => void;
  /** Ends the round as it stands. */
  signal?: AbortSignal | undefined;
}

/** One round: a run from its start to its end, faults on its way, and the oracle. */
export async function runRound(dir: string, plan: Plan, options: RoundOptions): Promise<Findings> {
  const findings = newFindings(plan);
  const world = await makeWorld(dir, plan, options.clockLibrary);
  await writeFile(path.join(dir, 'plan.json'), JSON.stringify({ ...plan, steps: named(plan) }, null, 1));
  try {
    await begin(world, findings);
    if (await unlessAborted(runSteps(world, findings, options), options.signal))
      await conclude(world, findings);
  } catch (error) {
    if (!options.signal?.aborted) findings.add('campaign', String((error as Error).stack));
  } finally {
    await end(world);
    const wrong = findings.list.length > 0;
    await world.close(wrong);
    if (wrong) await writeFile(path.join(dir, 'findings.json'), JSON.stringify(findings.list, null, 1));
  }
  return findings;
}

/** What was begun goes on, but nobody waits for it. */
function unlessAborted<T>(begun: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return begun;
  const aborted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  begun.catch(() => undefined);
  return Promise.race([begun, aborted]);
}

const named = ({ steps }: Plan) =>
  steps.map(({ faults, ...times }) => ({ faults: faults.map(({ name }) => name), ...times }));

/** Whether a command has seen the run's end: its summary says when that was. */
function isEnd({ status, stdout }: Exit): boolean {
  return (status === 0 || status === 3) && /"ended_at": "/.test(stdout);
}

function keepMain(world: World, findings: Findings, args: string[]): RestartedCommand {
  const onProgress = ({ settled, failed, state }: { settled: number; failed: number; state: string }) => {
    const ended = settled + failed;
    if (ended !== world.progress.ended) world.progress = { ended, state, at: Date.now() };
  };
  const start = () => world.start('main', [...args, ...world.pipelineArgs, '--json'], onProgress);
  return restartUntilEnd('main', start, isEnd, (exit) => findings.death('run', exit));
}

async function begin(world: World, findings: Findings): Promise<void> {
  const { plan, pipelineArgs, manifestArgs } = world;
  const work = ['work', ...pipelineArgs, '--metrics-port', '0'];
  for (let n = 0; n < plan.workers; n += 1)
    world.workers.push(
      restartUntilEnd(
        `work-${n}`,
        () => world.start(`work-${n}`, work),
        () => false,
        (exit) => findings.death('work', exit),
      ),
    );
  if (plan.produceFirst) {
    // `produce` may wait long for room. The run takes over from it at any place.
    const producing = world.start('produce', ['produce', ...manifestArgs, ...pipelineArgs]);
    await Promise.race([producing.exit, sleep(4_000)]);
    producing.kill('SIGKILL');
    await producing.exit;
  }
  world.main = keepMain(world, findings, ['run', ...manifestArgs]);
}

/** Does one fault after the other until the run has ended. Resolves to false when it hangs. */
async function runSteps(world: World, findings: Findings, options: RoundOptions): Promise<boolean> {
  const { plan } = world;
  for (const [at, step] of plan.steps.entries()) {
    if (Date.now() > options.deadline) break;
    if (await within(world, step.gapMs)) break;
    if (!(await doStep(world, findings, step, options))) return false;
    if (at === plan.cancelAfter && !(await cancelAndRetry(world, findings, options))) return false;
  }
  return waitForEnd(world, findings, options);
}

/** Whether the run ends within so long. */
const within = (world: World, ms: number) =>
  Promise.race([world.main?.done.then(() => true), sleep(ms).then(() => false)]);

async function doStep(world: World, findings: Findings, step: Step, options: RoundOptions): Promise<boolean> {
  const names = step.faults.map(({ name }) => name).join(' + ');
  findings.begin(step.faults);
  const begun = step.faults.map((fault) => attempt(findings, fault, () => fault.apply(world)));
  await sleep(step.holdMs);
  // The command comes last, since it may wait for a part that the other fault has stopped.
  const isCommand = (at: number) => step.faults[at]?.at === 'control';
  for (const at of [...step.faults.keys()].sort((a, b) => Number(isCommand(a)) - Number(isCommand(b)))) {
    await begun[at];
    await attempt(findings, step.faults[at], (fault) => fault.heal?.(world));
  }
  findings.healed();
  const healed = Date.now();
  const { ended } = world.progress;
  options.log(`${names}, ${step.holdMs} ms`);
  const hangDetector = createHangDetector(world, findings, options.hungMs);
  while (world.progress.ended <= ended) {
    if (await within(world, CHECK_EVERY_MS)) return true;
    if (hangDetector.isHung()) {
      await reportHung(world, findings);
      return false;
    }
  }
  findings.recovered(step.faults, world.progress.at - healed);
  return true;
}

/**
 * Whether no line has ended for too long. A machine that is too busy for this check is too busy for the run too. So the
 * time between two checks counts at most twice the planned time.
 */
function createHangDetector(world: World, findings: Findings, hungMs: number): { isHung(): boolean } {
  const begun = Date.now();
  let [waited, checkedAt, seen] = [0, begun, world.progress.ended];
  return {
    isHung() {
      const now = Date.now();
      waited = world.progress.ended === seen ? waited + Math.min(now - checkedAt, 2 * CHECK_EVERY_MS) : 0;
      [checkedAt, seen] = [now, world.progress.ended];
      findings.longestSilenceMs = Math.max(
        findings.longestSilenceMs,
        now - Math.max(begun, world.progress.at),
      );
      return waited > hungMs;
    },
  };
}

async function attempt(
  findings: Findings,
  fault: Fault | undefined,
  act: (fault: Fault) => Promise<void> | void,
): Promise<void> {
  if (fault === undefined) return;
  try {
    await act(fault);
  } catch (error) {
    findings.add('campaign', `${fault.name}: ${String(error)}`);
  }
}

async function waitForEnd(world: World, findings: Findings, { hungMs }: RoundOptions): Promise<boolean> {
  const hangDetector = createHangDetector(world, findings, hungMs);
  while (!(await within(world, CHECK_EVERY_MS)))
    if (hangDetector.isHung()) {
      await reportHung(world, findings);
      return false;
    }
  return true;
}

async function reportHung(world: World, findings: Findings): Promise<void> {
  const asked = world.start('status', ['status', RUN_ID, '--json', ...world.storeArgs]);
  const timer = setTimeout(() => asked.kill('SIGKILL'), STOP_MS);
  const { stdout } = await asked.exit;
  clearTimeout(timer);
  const now = await world.redis.admin.time().catch(() => []);
  findings.add('hung', `no line ended: ${shortStatus(stdout)} (Redis' clock ${now[0]}, ours ${Date.now()})`);
}

function shortStatus(status: string): string {
  try {
    const { state, reason, lines, settled, failed, queued, in_flight, produced, rate } = JSON.parse(status);
    return JSON.stringify({ state, reason, lines, settled, failed, queued, in_flight, produced, rate });
  } catch {
    return `status says ${status.slice(0, 200)}`;
  }
}

/** Cancels the run, waits for its end and checks it. Then retries what was not sent, and goes on. */
async function cancelAndRetry(world: World, findings: Findings, options: RoundOptions): Promise<boolean> {
  const exit = await world.asg('cancel', 'cancel', RUN_ID, ...world.storeArgs);
  if (exit.status !== 0) return true;
  findings.begin([{ name: 'control: cancel, retry' }]);
  findings.healed();
  if (!(await waitForEnd(world, findings, options))) return false;
  await checkNow(world, findings, { unread: true, codes: ['cancelled'] });
  world.progress = { ended: 0, state: 'running', at: Date.now() };
  world.main = keepMain(world, findings, ['retry', RUN_ID]);
  findings.cancelled = true;
  return true;
}

async function checkNow(world: World, findings: Findings, allowed: Allowed): Promise<void> {
  const exit = await world.main?.done;
  const asked = {
    ...{ runId: RUN_ID, question: QUESTION, options: OPTIONS, threshold: 3 },
    ...{ key: world.plan.key, seed: GATEWAY_SEED },
  };
  const known = {
    asked,
    sources: [{ name: null, text: world.manifest }],
    allowed: { ...allowed, trusted: world.plan.webhooks === 'trusted' },
    ...(exit ? { reported: exit.stdout } : {}),
  };
  const evidence = await gatherEvidence({ out: world.place.out, gatewayUrl: world.gateway.url }, known);
  for (const problem of findProblems(evidence)) findings.problem(problem);
}

/** The run has ended: the processes are stopped, its output is checked, and the same command tells the same again. */
async function conclude(world: World, findings: Findings): Promise<void> {
  await stopWorkers(world, findings);
  const cancelled = findings.cancelled;
  await checkNow(world, findings, cancelled ? { unread: true, superseded: true } : {});
  const exit = await world.main?.done;
  if (world.plan.again === 'no' || cancelled || !exit) return;
  if (world.plan.again === 'prune') await world.asg('prune', 'runs', '--prune', ...world.storeArgs);
  const before = await world.gateway.calls();
  const again = await world.start('again', [
    ...['run', ...world.manifestArgs, ...world.pipelineArgs, '--json'],
  ]).exit;
  if (again.status !== exit.status || again.stdout.trim() !== exit.stdout.trim())
    findings.add(
      'again',
      `the same command once more: ${again.status}, not ${exit.status}; ${again.said.at(-1)}`,
    );
  const calls = (await world.gateway.calls()) - before;
  if (calls > 0) findings.add('again', `the same command once more made ${calls} calls`);
}

async function stopWorkers(world: World, findings: Findings): Promise<void> {
  for (const worker of world.workers) {
    worker.stopRestarting();
    worker.now.kill('SIGTERM');
    const timer = sleep(STOP_MS, 'late' as const, { ref: false });
    if ((await Promise.race([worker.now.exit, timer])) === 'late')
      findings.add('hung', `${worker.name} did not stop within ${STOP_MS} ms of SIGTERM`);
  }
}

/** Ends whatever is still there. */
async function end(world: World): Promise<void> {
  const all = [...world.workers, ...(world.main ? [world.main] : [])];
  for (const command of all) command.stopRestarting();
  for (const process of [...all.map(({ now }) => now), ...(world.second ? [world.second] : [])]) {
    if (!process.running()) continue;
    process.kill('SIGCONT');
    process.kill('SIGKILL');
    await process.exit;
  }
}
