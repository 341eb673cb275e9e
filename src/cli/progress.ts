import { number, span } from '../lib/format.js';
import { plain } from '../lib/terminal.js';
import { endedLines, type RunStatus } from '../runs/status.js';
import { openLiveFrame, writeBeside } from './live-frame.js';
import { goldText } from './quality-text.js';
import { quietWaits } from './quiet-waits.js';

export type ProgressStatus = RunStatus & {
  /** Gateway calls of this process. */
  calls_per_second?: number;
  /** Lines read from the manifest, blank ones and those that ended before included. */
  read?: number;
};

export interface Progress {
  /** May be called at any rate: the display decides when it shows the status. */
  update(status: ProgressStatus): void;
  /** A remark on a line of its own; with `json` an object `{"event":"note","text":…}`. */
  note(text: string): void;
  /** Shows the last status if it has not been shown; idempotent. */
  stop(): void;
}

export interface ProgressOptions {
  /** `live` redraws on a terminal, `lines` and `json` add lines, `quiet` shows nothing but a long wait, notes neither. */
  mode: 'live' | 'lines' | 'json' | 'quiet';
  stderr: NodeJS.WritableStream;
  /** Milliseconds; default the process' monotonic clock. */
  now?: () => number;
}

/** How a mode shows a status, and how often. */
interface Display {
  everyMs: number;
  show(status: ProgressStatus): void;
  note(text: string): void;
  end?(): void;
}

export async function createProgress({
  mode,
  stderr,
  now = () => performance.now(),
}: ProgressOptions): Promise<Progress> {
  if (mode === 'quiet')
    return { update: quietWaits(stderr, now), note: () => undefined, stop: () => undefined };
  const display = await DISPLAYS[mode](stderr);
  let [shownAt, shownAs] = [Number.NEGATIVE_INFINITY, ''];
  let pending: ProgressStatus | null = null;
  let stopped = false;

  const show = (status: ProgressStatus) => {
    display.show(status);
    [shownAt, shownAs, pending] = [now(), standing(status), null];
  };
  return {
    update(status) {
      if (stopped) return;
      pending = status;
      if (standing(status) !== shownAs || now() - shownAt >= display.everyMs) show(status);
    },
    note: (text) => display.note(text),
    stop() {
      if (stopped) return;
      stopped = true;
      if (pending) show(pending);
      display.end?.();
    },
  };
}

type OpenDisplay = (stderr: NodeJS.WritableStream) => Display | Promise<Display>;

const DISPLAYS: Record<'live' | 'lines' | 'json', OpenDisplay> = {
  async live(stderr) {
    const frame = await openLiveFrame(stderr);
    return {
      everyMs: 100,
      show: (status) => frame.draw(liveText(status)),
      note: (text) => writeBeside(stderr, `${plain(text)}\n`),
      end: () => frame.end(),
    };
  },
  lines: (stderr) => ({
    everyMs: 5_000,
    show: (status) => void stderr.write(`${lineText(status)}\n`),
    note: (text) => void stderr.write(`${plain(text)}\n`),
  }),
  json(stderr) {
    const write = (event: object) => void stderr.write(`${JSON.stringify(event)}\n`);
    return {
      everyMs: 1_000,
      show: (status) => write({ event: 'progress', ...status }),
      note: (text) => write({ event: 'note', text }),
    };
  },
};

/** The state with its reason or wait. A change is shown at once. */
const standing = ({ state, reason, waiting_for }: ProgressStatus) =>
  reason !== null ? `${state}: ${reason}` : waiting_for ? `${state}, waiting for ${waiting_for}` : state;

/** The share of lines that have ended; null while the manifest is still being read. */
const fractionOf = (status: ProgressStatus) =>
  status.produced && status.lines > 0 ? Math.min(1, endedLines(status) / status.lines) : null;

const BAR_WIDTH = 30;

function bar(fraction: number | null): string {
  if (fraction === null) return '·'.repeat(BAR_WIDTH);
  const full = Math.floor(fraction * BAR_WIDTH);
  return `${'█'.repeat(full)}${'░'.repeat(BAR_WIDTH - full)}`;
}

/** Never 100% before the last line. */
const percent = (fraction: number | null) => (fraction === null ? '' : ` ${Math.floor(fraction * 100)}%`);

const reach = (status: ProgressStatus) =>
  status.produced
    ? `${number(endedLines(status))} of ${number(status.lines)} lines`
    : (status.read ?? status.lines) === 0
      ? 'no line read yet'
      : `${number(endedLines(status))} of ${number(status.read ?? status.lines)} lines read so far`;

const whereabouts = (status: ProgressStatus) => [
  `queued ${number(status.queued)}`,
  `in flight ${number(status.in_flight)}`,
  `settled ${number(status.settled)}`,
  `failed ${number(status.failed)}`,
  ...(status.unchanged > 0 ? [`unchanged ${number(status.unchanged)}`] : []),
  ...(status.carried > 0 ? [`carried ${number(status.carried)}`] : []),
  ...(status.escalated ? [`escalated ${number(status.escalated.lines)}`] : []),
  ...(status.gold ? [`gold ${goldText(status.gold)}`] : []),
];

const pace = (status: ProgressStatus) => [
  ...(status.calls_per_second === undefined
    ? []
    : [
        `${number(status.calls_per_second)} calls/s${status.rate === null ? '' : ` of ${number(status.rate)}`}`,
      ]),
  `429s ${number(status.rate_limited)}`,
  `${number(status.cost_sats)} ${status.envelope?.spend ? `of ${number(status.envelope.spend)} ` : ''}sats spent${ofAbout(status)}`,
  ...timeLeft(status),
];

function ofAbout({ forecast }: ProgressStatus): string {
  const cost = forecast?.expected?.cost_sats ?? null;
  return cost === null ? '' : ` of about ${number(cost.expected)}`;
}

function timeLeft({ state, eta_seconds: left, forecast }: ProgressStatus): string[] {
  if (left !== null) return left > 0 ? [`about ${span(left)} left`] : [];
  return state === 'running' && forecast?.expected ? ['time left unknown yet'] : [];
}

/** A `--finish-by` that will not be kept. */
const lateness = ({ forecast }: ProgressStatus): string[] => {
  const message = forecast?.finish_by?.message ?? null;
  return message === null ? [] : [message];
};

function liveText(status: ProgressStatus): string {
  const fraction = fractionOf(status);
  return [
    `${standing(status)}${status.message === null ? '' : ` (${plain(status.message)})`}`,
    `${bar(fraction)}${percent(fraction)}  ${reach(status)}`,
    whereabouts(status).join('   '),
    pace(status).join('   '),
    ...lateness(status),
  ].join('\n');
}

function lineText(status: ProgressStatus): string {
  const facts = [
    `${reach(status)}${percent(fractionOf(status))}`,
    ...whereabouts(status),
    ...pace(status),
    ...lateness(status),
  ];
  const waiting = status.waiting_for && status.message ? `: ${plain(status.message)}` : '';
  return `${standing(status)}${waiting}: ${facts.join(', ')}`;
}
