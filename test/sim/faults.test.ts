/** Faults of every kind as they meet the end of the safety phase. */
import { expect, test } from 'vitest';
import { calmWorld } from './calm.ts';
import { faultKinds } from './fault-kinds.ts';

test.each(faultKinds)('%s: once the world is healed no blow falls any more', (kind) => {
  const world = calmWorld(7n, 3);
  expect(world.runUntil(() => world.leader?.node?.raft.ownTermCommitted === true, 10_000)).toBe(true);
  const { members, network, faults } = world;
  const params = { to: 1, times: 20, onMs: 200, againMs: 400, ageMs: 3_000, order: 3, mask: 1, n: 2, client: 0 };
  faults.strike({ atMs: world.nowMs, kind, target: 'all', forMs: 5_000, params });
  world.run(300);
  faults.heal(members);
  const crashes = members.map((member) => member.crashes);
  for (let i = 0; i < 150; i++) {
    world.run(100);
    expect(members.some(({ paused }) => paused)).toBe(false);
    for (let from = 0; from < network.ends; from++)
      for (let to = 0; to < network.ends; to++)
        expect(network.link(from, to)).toMatchObject({ cuts: 0, clogs: 0, quality: undefined });
  }
  expect(members.map((member) => member.crashes)).toEqual(crashes);
});
