import type { RestartedCommand } from '../parts/restarted-command.js';
import type { World } from '../world.js';
import type { Fault } from './fault.js';

const SHORT: [number, number] = [0, 0];
const PAUSE: [number, number] = [500, 4_000];
/** Longer than the locks of jobs and the leases of runs hold. */
const PAST_LOCKS: [number, number] = [16_000, 20_000];

/** The faults of one of the processes. */
function faultsOf(at: 'run' | 'work', one: (world: World) => RestartedCommand | null | undefined): Fault[] {
  const signal = (name: NodeJS.Signals) => (world: World) => one(world)?.now.kill(name);
  const fits: Fault['fits'] = ({ workers }) => at === 'run' || workers > 0;
  const stop = { at, fits, apply: signal('SIGSTOP'), heal: signal('SIGCONT') };
  return [
    { name: `${at}: kill -9`, at, fits, weight: 2, lastsMs: SHORT, apply: signal('SIGKILL') },
    { name: `${at}: SIGTERM`, at, fits, lastsMs: SHORT, apply: signal('SIGTERM') },
    { ...stop, name: `${at}: SIGSTOP`, lastsMs: PAUSE },
    { ...stop, name: `${at}: SIGSTOP past its locks`, weight: 0.3, lastsMs: PAST_LOCKS },
  ];
}

export const processFaults: Fault[] = [
  ...faultsOf('run', (world) => world.main),
  ...faultsOf('work', (world) => world.workers[0]),
];
