/**
 * The scenario in which etcd breaks the lease promise (reliability.md §0.2): a long lease is checkpointed, then only the leader's
 * peer links are cut and a client renews through its open client port. What that leader acknowledges, the majority must honour;
 * etcd acknowledges after 7 s, and the majority ends the lease nearly five minutes early.
 */
import { expect, test } from 'vitest';
import { calmWorld } from './calm.ts';
import type { CallRecord, ClientCall } from './history.ts';
import type { SimMember } from './member.ts';
import type { World } from './world.ts';

const ttlMs = 900_000;

/** Client 1 asks, and time goes on until its call has ended. */
function ask(world: World, member: SimMember, call: ClientCall, timeoutMs: number): CallRecord {
  const record = world.clients.call(0, member, call, timeoutMs);
  world.runUntil(() => record.outcome !== 'open', 10_000);
  return record;
}

function grant(world: World, member: SimMember, id: bigint): CallRecord {
  return ask(world, member, { type: 'command', command: { type: 'grant', id, ttlMs }, serverId: false }, 5_000);
}

function remainingMs(world: World, member: SimMember, id: bigint): number {
  const { result } = ask(world, member, { type: 'timeToLive', id }, 7_000);
  return result?.type === 'lease' && result.answer.type === 'alive' ? result.answer.remainingMs : Number.NaN;
}

/** Only its links to members: clients go on reaching it, and it them. */
function cutPeers(world: World, member: SimMember): void {
  world.network.isolate(member.index);
}

/** A checkpointed lease and a control lease nobody renews; leader and lease are at 460 s of 900. */
function checkpointedLease(seed: bigint): { world: World; leader: SimMember; others: SimMember[] } {
  const world = calmWorld(seed, 3);
  expect(world.runUntil(() => world.leader !== undefined, 10_000)).toBe(true);
  const leader = world.leader as SimMember;
  expect(grant(world, leader, 7n).outcome).toBe('ok');
  expect(grant(world, leader, 8n).outcome).toBe('ok');
  world.run(460_000);
  expect(world.leader).toBe(leader);
  const machine = leader.node?.machine;
  expect(machine?.lessor.remainingMsAt(machine.lessor.slotOf(7n))).toBeGreaterThan(0);
  return { world, leader, others: world.members.filter((member) => member !== leader) };
}

test('a renewal through a leader whose peers are cut is not acknowledged', () => {
  for (let seed = 1n; seed <= 10n; seed++) {
    const { world, leader, others } = checkpointedLease(seed);
    cutPeers(world, leader);
    const renewals: CallRecord[] = [];
    const sentMs = world.timeline.nowMs;
    for (let i = 0; i < 5; i++) {
      renewals.push(world.clients.call(0, leader, { type: 'keepAlive', id: 7n }, 7_000));
      world.run(400);
    }
    expect(world.runUntil(() => renewals.every(({ outcome }) => outcome !== 'open'), 20_000)).toBe(true);
    for (const { result } of renewals) expect(result).toMatchObject({ type: 'unavailable' });
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
    const renewal = world.clients.call(0, leader, { type: 'keepAlive', id: 7n }, 7_000);
    // Cut at every stage of the renewal: before the round, during the clear, right after the answer.
    world.run(Number(seed % 40n) / 8);
    cutPeers(world, leader);
    world.run(8_000);
    const majority = others[0] as SimMember;
    const left = remainingMs(world, majority, 7n);
    expect(left).not.toBeNaN();
    if (renewal.result?.type === 'lease' && renewal.result.answer.type === 'alive') {
      acknowledged++;
      expect(world.timeline.nowMs + left).toBeGreaterThanOrEqual(sentMs + ttlMs - 1);
    }
  }
  expect(acknowledged).toBeGreaterThan(3);
  expect(acknowledged).toBeLessThan(40);
});
