/** The turn itself, on a small simulated cluster with calm links: forwarding, answers on every member, limits, stopping. */
import { expect, test } from 'vitest';
import type { Answer, RenewalAnswer } from '../../src/node/answer.ts';
import type { Command } from '../../src/state/command.ts';
import { calmWorld } from '../sim/calm.ts';
import type { SimMember } from '../sim/member.ts';
import type { World } from '../sim/world.ts';

function calm(members = 3): World {
  const world = calmWorld(5n, members);
  expect(world.runUntil(() => world.leader !== undefined && world.leader.node?.status().onDuty === true, 10_000)).toBe(
    true,
  );
  world.run(200);
  return world;
}

function propose(world: World, member: SimMember, command: Command, timeoutMs = 5_000): Answer {
  let answer: Answer | undefined;
  member.enqueue({ type: 'propose', command, timeoutMs, reply: (a) => (answer = a) });
  expect(world.runUntil(() => answer !== undefined, timeoutMs + 1_000)).toBe(true);
  return answer as Answer;
}

function ask(world: World, member: SimMember, kind: 'keepAlive' | 'timeToLive', id: bigint): RenewalAnswer {
  let answer: RenewalAnswer | undefined;
  member.enqueue({ type: 'question', kind, id, timeoutMs: 5_000, reply: (a) => (answer = a) });
  expect(world.runUntil(() => answer !== undefined, 6_000)).toBe(true);
  return answer as RenewalAnswer;
}

const put = (key: string, lease: bigint, valueBytes = 1): Command => {
  return {
    type: 'put',
    key: Buffer.from(key),
    value: Buffer.alloc(valueBytes, 7),
    lease,
    prevKv: false,
    ignoreValue: false,
    ignoreLease: false,
  };
};

test.each([1, 3, 5])('with %i members every member takes grants, keys, renewals and questions', (count) => {
  const world = calm(count);
  for (const [i, member] of world.members.entries()) {
    const id = BigInt(i + 1);
    expect(propose(world, member, { type: 'grant', id, ttlMs: 10_000 })).toMatchObject({ outcome: { ok: true } });
    expect(propose(world, member, { type: 'grant', id, ttlMs: 10_000 })).toMatchObject({
      outcome: { refusal: 'leaseExists' },
    });
    expect(propose(world, member, put(`k${i}`, id))).toMatchObject({ outcome: { ok: true, revision: i + 2 } });
    expect(ask(world, member, 'keepAlive', id)).toEqual({ type: 'alive', grantedMs: 10_000, remainingMs: 10_000 });
    expect(ask(world, member, 'timeToLive', id)).toMatchObject({ type: 'alive', grantedMs: 10_000 });
    expect(ask(world, member, 'keepAlive', 99n)).toEqual({ type: 'gone' });
  }
  world.run(10_500);
  for (const member of world.members) {
    expect(member.node?.machine.lessor.count).toBe(0);
    expect(member.node?.machine.keyCount).toBe(0);
  }
});

test('L4: on a calm cluster a lease is gone within 100 ms of its deadline, and never before its TTL', () => {
  const world = calm();
  for (let i = 1; i <= 50; i++) {
    const sentMs = world.timeline.nowMs;
    const id = BigInt(i);
    propose(world, world.members[i % 3] as SimMember, { type: 'grant', id, ttlMs: 1_000 + 37 * i });
    const alive = (): boolean => (world.leader?.node?.machine.lessor.slotOf(id) ?? -1) >= 0;
    expect(world.runUntil(() => !alive(), 20_000)).toBe(true);
    const livedMs = world.timeline.nowMs - sentMs;
    expect(livedMs).toBeGreaterThanOrEqual(1_000 + 37 * i);
    // TTL · 1.002, two clocks within 1/500, a tick, two rounds through the log, and the 10 ms steps of this loop.
    expect(livedMs).toBeLessThan((1_000 + 37 * i) * 1.006 + 100);
  }
});

test('commands of one turn that exceed an entry go out as several, each answered', () => {
  const world = calm();
  const follower = world.members.find((member) => member !== world.leader) as SimMember;
  const answers: Answer[] = [];
  for (let i = 0; i < 40; i++) {
    follower.enqueue({
      type: 'propose',
      command: put(`big${i}`, 0n, 300_000),
      timeoutMs: 5_000,
      reply: (a) => answers.push(a),
    });
  }
  expect(world.runUntil(() => answers.length === 40, 6_000)).toBe(true);
  for (const answer of answers) expect(answer).toMatchObject({ type: 'outcome', outcome: { ok: true } });
});

test('V3: without a quorum every call ends: held calls say "no leader", proposed ones "unknown"', () => {
  const world = calm();
  const leader = world.leader as SimMember;
  world.network.isolate(leader.index);
  const answers: unknown[] = [];
  leader.enqueue({ type: 'propose', command: put('x', 0n), timeoutMs: 3_000, reply: (a) => answers.push(a) });
  leader.enqueue({ type: 'barrier', timeoutMs: 3_000, reply: (a) => answers.push(a) });
  leader.enqueue({ type: 'question', kind: 'keepAlive', id: 1n, timeoutMs: 3_000, reply: (a) => answers.push(a) });
  world.run(3_500);
  expect(answers).toHaveLength(3);
  expect(answers).toContainEqual({ type: 'unavailable', why: 'timedOut' });
  expect(answers).toContainEqual({ type: 'unavailable', why: 'noLeader' });
});

test('after stop everything is refused, and what waited is answered', () => {
  const world = calm();
  const member = world.members[0] as SimMember;
  const answers: unknown[] = [];
  member.enqueue({ type: 'propose', command: put('x', 0n), timeoutMs: 3_000, reply: (a) => answers.push(a) });
  member.enqueue({ type: 'stop' });
  member.enqueue({ type: 'barrier', timeoutMs: 3_000, reply: (a) => answers.push(a) });
  world.run(10);
  expect(answers).toEqual([
    { type: 'unavailable', why: 'stopped' },
    { type: 'unavailable', why: 'stopped' },
  ]);
});

test('L12: a leader that stands still for 30 s, its clock running, ends no lease whose renewals wait in its queue', () => {
  for (const frozen of [false, true]) {
    const world = calm(1);
    const member = world.members[0] as SimMember;
    propose(world, member, { type: 'grant', id: 1n, ttlMs: 5_000 });
    let last: RenewalAnswer | undefined;
    const renew = (): void => {
      member.enqueue({ type: 'question', kind: 'keepAlive', id: 1n, timeoutMs: 60_000, reply: (a) => (last = a) });
    };
    member.pause(30_000, frozen);
    for (let i = 0; i < 18; i++) {
      renew();
      world.run(1_700);
    }
    world.run(1_000);
    expect(last).toMatchObject({ type: 'alive' });
    expect(member.node?.machine.lessor.count).toBe(1);
  }
});

test('L7: a lease nobody renews ends although leaders change faster than its TTL', () => {
  const world = calm();
  propose(world, world.leader as SimMember, { type: 'grant', id: 1n, ttlMs: 60_000 });
  const startMs = world.timeline.nowMs;
  let changes = 0;
  const gone = (): boolean => world.members.every((member) => (member.node?.machine.lessor.slotOf(1n) ?? -1) < 0);
  while (!gone() && changes < 60) {
    world.run(8_000);
    const leader = world.leader;
    if (leader === undefined) continue;
    leader.crash();
    changes++;
    world.run(3_000);
    leader.start();
    world.run(1_000);
  }
  expect(gone()).toBe(true);
  const livedMs = world.timeline.nowMs - startMs;
  // With a full TTL after every change, as etcd has it, it would never end: the changes come every 12 s.
  expect(changes).toBeGreaterThan(4);
  expect(livedMs).toBeLessThan(60_000 * 1.002 + 30_000 + changes * (5_000 + 1_000 + 3_500));
});
