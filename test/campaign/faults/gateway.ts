import type { CallFault } from '../parts/gateway-proxy.js';
import type { World } from '../world.js';
import type { Fault } from './fault.js';

const BRIEF: [number, number] = [300, 3_000];

const answer = (status: number, headers: Record<string, string> = {}): CallFault => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify({ error: status === 429 ? 'rate limit exceeded' : 'internal error' }),
});

/** What becomes of calls, and of how many of them. */
const CALLS: [name: string, fault: CallFault, share: number][] = [
  ['answers lost', 'lose', 0.5],
  ['answers halved', 'halve', 0.5],
  ['resets', 'reset', 0.7],
  ['500', answer(500), 0.7],
  ['503', answer(503, { 'retry-after': '1' }), 1],
  ['429', answer(429), 0.5],
  ['429 with Retry-After', answer(429, { 'retry-after': '1' }), 1],
  ['no answer', 'stall', 0.5],
  [
    'a page of a balancer',
    { status: 502, headers: { 'content-type': 'text/html' }, body: '<h1>Bad gateway</h1>' },
    1,
  ],
];

const callFaults: Fault[] = CALLS.map(([name, fault, share]) => ({
  name: `gateway: ${name}`,
  at: 'gateway',
  weight: name === 'answers lost' ? 2 : 1,
  lastsMs: BRIEF,
  apply(world: World) {
    world.gatewayProxy.fault = () => (world.random.chance(share) ? fault : 'pass');
  },
  heal(world: World) {
    world.gatewayProxy.fault = null;
    world.gatewayProxy.release();
  },
}));

export const gatewayFaults: Fault[] = [
  ...callFaults,
  {
    name: 'gateway: kill -9',
    at: 'gateway',
    lastsMs: [100, 2_000],
    apply: (world) => world.gateway.stop(),
    heal: (world) => world.gateway.start(),
  },
  {
    name: 'gateway: SIGSTOP',
    at: 'gateway',
    lastsMs: [500, 4_000],
    apply: (world) => world.gateway.kill('SIGSTOP'),
    heal: (world) => world.gateway.kill('SIGCONT'),
  },
  {
    name: 'gateway: quota used up',
    at: 'gateway',
    weight: 0.5,
    lastsMs: [1_000, 3_000],
    blocks: ['quota'],
    apply: (world) => world.gateway.set({ quota: 1 }),
    heal: (world) => world.gateway.set({ quota: null }),
  },
  {
    name: 'gateway: key refused',
    at: 'gateway',
    weight: 0.5,
    lastsMs: [1_000, 3_000],
    blocks: ['key_refused'],
    refuses: [/401: invalid API key/],
    apply: (world) => world.gateway.set({ apiKeys: [] }),
    heal: (world) => world.gateway.set({ apiKeys: null }),
  },
];
