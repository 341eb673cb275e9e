import { describe, expect, test } from 'vitest';
import { runKeys } from '../../src/runs/keys.js';
import { COMMANDS, movedBy, type RunCommand } from '../../src/runs/states.js';
import type { RunState } from '../../src/runs/status.js';
import { transition } from '../../src/runs/transition.js';
import { pipelineTo } from '../pipeline/harness.js';
import { PAIRS } from '../scenarios/run-states.js';

test('what users are told of each pair is what the table of the code says', () => {
  expect(PAIRS.map(([command, state]) => `${command} ${state}`).sort()).toEqual(
    Object.entries(COMMANDS)
      .flatMap(([command, effects]) => Object.keys(effects).map((state) => `${command} ${state}`))
      .sort(),
  );
  for (const [command, state, told] of PAIRS) {
    const effect = COMMANDS[command][state];
    const pair = `${command}, of a run that is ${state}`;
    expect(told.exit === 1, pair).toBe(effect === 'refused');
    expect(told.state === 'gone', pair).toBe(effect === 'forgotten');
    if (effect === 'refused' || effect === 'forgotten') continue;
    const now = effect === 'stays' ? state : effect;
    // A run that goes on comes to its end where the command consumes it.
    const goesOn = now === 'running' && ['run', 'retry', 'work'].includes(command);
    expect(told.state, pair).toBe(goesOn ? 'completed' : now);
  }
});

describe('a transition in Redis', () => {
  const STATES = Object.keys(COMMANDS.run) as RunState[];
  test.each([
    ['pause', 'paused'],
    ['resume', 'running'],
    ['cancel', 'cancelled'],
  ] as [RunCommand, RunState][])('%s moves what the table says, and nothing else', async (command, to) => {
    const { redis, prefix } = await pipelineTo('http://127.0.0.1:1');
    const keys = runKeys(prefix, 'r');
    for (const state of STATES) {
      await redis.hset(keys.record, { state, reason: '' });
      const moves = movedBy(command, to).includes(state);
      expect(await transition(redis, keys, to), state).toBe(moves ? to : state);
    }
  });
});
