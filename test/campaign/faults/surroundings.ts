import type { World } from '../world.js';
import type { Fault } from './fault.js';

const overHttp: Fault['fits'] = ({ http }) => http;

const sourceMode = (mode: 'stalled' | 'unavailable') => ({
  apply(world: World) {
    if (world.source) world.source.mode = mode;
    if (mode === 'unavailable') world.source?.cut();
  },
  heal(world: World) {
    if (world.source) world.source.mode = 'slow';
  },
});

export const sourceFaults: Fault[] = [
  {
    name: 'source: cut',
    at: 'source',
    fits: overHttp,
    lastsMs: [0, 0],
    apply: (world) => world.source?.cut(),
  },
  { name: 'source: stalled', at: 'source', fits: overHttp, lastsMs: [500, 4_000], ...sourceMode('stalled') },
  {
    name: 'source: unavailable',
    at: 'source',
    fits: overHttp,
    lastsMs: [500, 4_000],
    ...sourceMode('unavailable'),
  },
];

export const sinkFaults: Fault[] = [
  {
    name: 'sink: full',
    at: 'sink',
    lastsMs: [1_000, 5_000],
    blocks: ['sink'],
    refuses: [/ENOSPC: no space left on device/],
    apply: (world) => world.place.fill?.(),
    heal: (world) => world.place.empty(),
  },
  {
    name: 'sink: away',
    at: 'sink',
    weight: 0.5,
    lastsMs: [1_000, 5_000],
    blocks: ['sink'],
    refuses: [/--out: cannot write to/],
    apply: (world) => world.place.takeAway(),
    heal: (world) => world.place.putBack(),
  },
];

/** A command that changes the run's state. It is tried again while another fault prevents it. */
async function control(world: World, action: 'pause' | 'resume'): Promise<void> {
  for (let tries = 0; tries < 5; tries += 1) {
    const exit = await world.asg(action, action, 'r', ...world.storeArgs);
    // Refused by the run's state: it has ended meanwhile, or another command was first.
    if (exit.status === 0 || exit.said.some((line) => line.includes('nothing was changed'))) return;
  }
}

export const controlFaults: Fault[] = [
  {
    name: 'control: pause, resume',
    at: 'control',
    lastsMs: [500, 3_000],
    apply: (world) => control(world, 'pause'),
    heal: (world) => control(world, 'resume'),
  },
  {
    name: 'control: a second run joins, and is killed',
    at: 'control',
    weight: 0.7,
    lastsMs: [2_000, 5_000],
    apply(world) {
      world.second = world.start('second', [
        'run',
        ...world.manifestArgs,
        ...world.pipelineArgs,
        '--json',
        '--quiet',
      ]);
    },
    async heal(world) {
      world.second?.kill('SIGKILL');
      await world.second?.exit;
      world.second = null;
    },
  },
];
