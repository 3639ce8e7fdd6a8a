/**
 * A world for scripts: no noise, no faults but those a test strikes by hand, and every check on. `strike` and `call` are how a test
 * acts (`world.faults.strike`, `world.clients.call`); time goes on only in `world.run`.
 */

import { appendBytesMax } from '../../src/base/limits.ts';
import { allChecks } from './run.ts';
import type { Noise, Schedule } from './schedule.ts';
import { World } from './world.ts';

export const calmNoise: Noise = {
  loss: 0,
  duplicate: 0,
  delayMsMin: 0.2,
  delayMsMax: 1,
  inOrder: false,
  diskMsMin: 0.1,
  diskMsMax: 1,
  diskSlowChance: 0,
  diskSlowMsMax: 0,
  clockRateOff: 1 / 500,
  clockDrift: 0,
  logTailEntriesMax: 10_000,
  segmentBytes: 64 * 1024,
  appendBytesMax,
};

export function calmSchedule(seed: bigint, members: number, noise: Partial<Noise> = {}): Schedule {
  return {
    format: 1,
    seed,
    profile: 'script',
    members,
    clients: 2,
    faultsMs: 0,
    noise: { ...calmNoise, ...noise },
    faults: [],
    ops: [],
    core: Array.from({ length: members }, (_, i) => i),
  };
}

/** A world that stands at time 0, its members just started. */
export function calmWorld(seed: bigint, members: number, noise: Partial<Noise> = {}): World {
  return new World(calmSchedule(seed, members, noise), { observe: allChecks });
}
