/**
 * The scenario in which etcd breaks the lease promise (reliability.md §0.2): a long lease is checkpointed, then only the leader's
 * peer links are cut and a client renews through its open client port. What that leader acknowledges, the majority must honour;
 * etcd acknowledges after 7 s, and the majority ends the lease nearly five minutes early.
 */
import { expect, test } from 'vitest';
import type { Answer, RenewalAnswer } from '../../src/node/input.ts';
import type { SimMember } from './world.ts';
import { World } from './world.ts';

const ttlMs = 900_000;

function grant(world: World, member: SimMember, id: bigint): Answer {
  let answer: Answer | undefined;
  member.enqueue({
    type: 'propose',
    command: { type: 'grant', id, ttlMs },
    timeoutMs: 5_000,
    reply: (a) => (answer = a),
  });
  world.runUntil(() => answer !== undefined, 10_000);
  return answer as Answer;
}

function remainingMs(world: World, member: SimMember, id: bigint): number {
  let answer: RenewalAnswer | undefined;
  member.enqueue({ type: 'question', kind: 'timeToLive', id, timeoutMs: 7_000, reply: (a) => (answer = a) });
  world.runUntil(() => answer !== undefined, 10_000);
  return answer?.type === 'alive' ? answer.remainingMs : Number.NaN;
}

/** A checkpointed lease and a control lease nobody renews; leader and lease are at 460 s of 900. */
function checkpointedLease(seed: bigint): { world: World; leader: SimMember; others: SimMember[] } {
  const world = new World(seed, 3);
  expect(world.runUntil(() => world.leader !== undefined, 10_000)).toBe(true);
  const leader = world.leader as SimMember;
  expect(grant(world, leader, 7n).type).toBe('outcome');
  expect(grant(world, leader, 8n).type).toBe('outcome');
  world.run(460_000);
  expect(world.leader).toBe(leader);
  const machine = leader.node?.machine;
  expect(machine?.lessor.remainingMsAt(machine.lessor.slotOf(7n))).toBeGreaterThan(0);
  return { world, leader, others: world.members.filter((member) => member !== leader) };
}

test('a renewal through a leader whose peers are cut is not acknowledged', () => {
  for (let seed = 1n; seed <= 10n; seed++) {
    const { world, leader, others } = checkpointedLease(seed);
    world.network.isolate(leader.id, world.ids);
    const answers: RenewalAnswer[] = [];
    const sentMs = world.timeline.nowMs;
    for (let i = 0; i < 5; i++) {
      leader.enqueue({ type: 'question', kind: 'keepAlive', id: 7n, timeoutMs: 7_000, reply: (a) => answers.push(a) });
      world.run(400);
    }
    expect(world.runUntil(() => answers.length === 5, 20_000)).toBe(true);
    for (const answer of answers) expect(answer).toMatchObject({ type: 'unavailable' });
    // The majority goes on, from the checkpoint: the lease and its control are alike.
    const majority = others[0] as SimMember;
    const left = remainingMs(world, majority, 7n);
    expect(Math.abs(left - remainingMs(world, majority, 8n))).toBeLessThan(1_000);
    expect(left).toBeLessThan(ttlMs - 400_000 + 60_000);
    world.network.heal();
    world.run(2_000);
    expect(world.timeline.nowMs - sentMs).toBeGreaterThan(0);
  }
});

test('what is acknowledged around the cut is honoured by whoever leads next', () => {
  let acknowledged = 0;
  for (let seed = 100n; seed < 140n; seed++) {
    const { world, leader, others } = checkpointedLease(seed);
    const sentMs = world.timeline.nowMs;
    let acked = false;
    leader.enqueue({
      type: 'question',
      kind: 'keepAlive',
      id: 7n,
      timeoutMs: 7_000,
      reply: (a) => (acked = a.type === 'alive'),
    });
    // Cut at every stage of the renewal: before the round, during the clear, right after the answer.
    world.run(Number(seed % 40n) / 4);
    world.network.isolate(leader.id, world.ids);
    world.run(8_000);
    const majority = others[0] as SimMember;
    const left = remainingMs(world, majority, 7n);
    expect(left).not.toBeNaN();
    if (acked) {
      acknowledged++;
      expect(world.timeline.nowMs + left).toBeGreaterThanOrEqual(sentMs + ttlMs - 1);
    }
  }
  expect(acknowledged).toBeGreaterThan(3);
  expect(acknowledged).toBeLessThan(40);
});
