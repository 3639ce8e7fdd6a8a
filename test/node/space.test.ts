/** S5, C50: who raises the NOSPACE alarm and when, what is refused before it is proposed, and that expiry rests under CORRUPT. */
import { describe, expect, test } from 'vitest';
import { diskLowMsMax } from '../../src/base/limits.ts';
import type { Answer, RenewalAnswer } from '../../src/node/answer.ts';
import type { AlarmKind, Command } from '../../src/state/command.ts';
import { calmSchedule } from '../sim/calm.ts';
import type { SimMember } from '../sim/member.ts';
import { allChecks } from '../sim/run.ts';
import { World } from '../sim/world.ts';
import { put } from '../state/commands.ts';

function calm(members: number, quotaBytes?: number): World {
  const world = new World(calmSchedule(5n, members), { observe: allChecks, quotaBytes });
  expect(world.runUntil(() => world.leader?.node?.status().onDuty === true, 10_000)).toBe(true);
  world.run(200);
  return world;
}

function ask(world: World, member: SimMember, command: Command): string {
  let answer: Answer | undefined;
  member.enqueue({ type: 'propose', command, timeoutMs: 5_000, reply: (a) => (answer = a) });
  expect(world.runUntil(() => answer !== undefined, 6_000)).toBe(true);
  const said = answer as Answer;
  if (said.type === 'unavailable') return said.why;
  return said.outcome.ok ? 'ok' : `refused: ${said.outcome.refusal}`;
}

function keepAlive(world: World, member: SimMember, id: bigint): RenewalAnswer {
  let answer: RenewalAnswer | undefined;
  member.enqueue({ type: 'question', kind: 'keepAlive', id, timeoutMs: 5_000, reply: (a) => (answer = a) });
  expect(world.runUntil(() => answer !== undefined, 6_000)).toBe(true);
  return answer as RenewalAnswer;
}

const alarms = (member: SimMember): string[] =>
  (member.node?.machine.alarms.list() ?? []).map((raised) => `${raised.member}/${raised.kind}`);

const disarm = (member: SimMember, kind: AlarmKind = 'noSpace'): Command => {
  return { type: 'alarm', action: 'deactivate', member: member.id, kind };
};

const followersOf = (world: World): readonly SimMember[] => world.members.filter((member) => member !== world.leader);

const low = { type: 'diskSpace', freeBytes: 10, reserveBytes: 11 } as const;
const lower = { ...low, freeBytes: 5 };
const roomy = { ...low, freeBytes: 11 };

describe('the quota', () => {
  test('is met before it is passed: who met it has raised the alarm when it says no, and no member takes growth', () => {
    const world = calm(3, 4_250);
    const [follower] = followersOf(world) as [SimMember];
    let taken = 0;
    while (ask(world, follower, put(`k${taken}`, 'v'.repeat(100))) === 'ok') taken++;
    // 256 bytes a version besides its key and value; the one that would reach the quota is refused.
    expect(taken).toBe(Math.ceil(4_250 / 358) - 1);
    expect(alarms(follower)).toEqual([`${follower.id}/noSpace`]);
    world.run(200);
    for (const member of world.members) {
      expect(alarms(member)).toEqual([`${follower.id}/noSpace`]);
      expect(ask(world, member, put('k', ''))).toBe('noSpace');
      expect(ask(world, member, { type: 'grant', id: 9n, ttlMs: 60_000 })).toBe('noSpace');
    }
    // A small one would have fitted: it is the alarm that refuses it, until it is disarmed.
    expect(ask(world, follower, disarm(follower))).toBe('ok');
    expect(ask(world, follower, put('k', ''))).toBe('ok');
    expect(alarms(follower)).toEqual([]);
  });

  test('counts values that a request writes once more without bringing them', () => {
    const world = calm(3, 4_000);
    const [follower] = followersOf(world) as [SimMember];
    expect(ask(world, follower, put('k', 'v'.repeat(1_500)))).toBe('ok');
    const again = put('k', '', { ignoreValue: true });
    expect(ask(world, follower, again)).toBe('ok');
    const inner: Command = { type: 'txn', compares: [], success: [], failure: [again] };
    expect(ask(world, follower, { ...inner, failure: [], success: [inner] })).toBe('noSpace');
    expect(ask(world, follower, disarm(follower))).toBe('ok');
    expect(ask(world, follower, put('small', ''))).toBe('ok');
    expect(ask(world, follower, again)).toBe('noSpace');
  });

  test('passed by commands side by side raises the alarm at apply, of whoever sees it', () => {
    const world = calm(3, 2_000);
    const answers: Answer[] = [];
    for (let i = 0; i < 10; i++) {
      const [command, reply] = [put(`k${i}`, ''), (answer: Answer) => void answers.push(answer)];
      (world.leader as SimMember).enqueue({ type: 'propose', command, timeoutMs: 5_000, reply });
    }
    expect(world.runUntil(() => answers.length === 10, 6_000)).toBe(true);
    for (const answer of answers) expect(answer).toMatchObject({ outcome: { ok: true } });
    world.run(500);
    for (const member of world.members) expect(alarms(member).length).toBeGreaterThan(0);
  });

  test('leaves room to delete everything, to revoke and to expire: twice its bytes hold what then comes', () => {
    const quotaBytes = 20_000;
    const world = calm(1, quotaBytes);
    const member = world.members[0] as SimMember;
    expect(ask(world, member, { type: 'grant', id: 1n, ttlMs: 60_000 })).toBe('ok');
    expect(ask(world, member, { type: 'grant', id: 2n, ttlMs: 3_000 })).toBe('ok');
    let keys = 0;
    while (ask(world, member, put(`${keys}`, '', { lease: BigInt(keys % 3) })) === 'ok') keys++;
    expect(keys).toBeGreaterThan(60);
    expect(keepAlive(world, member, 1n)).toMatchObject({ type: 'alive' });
    expect(ask(world, member, { type: 'revoke', id: 1n })).toBe('ok');
    world.run(4_000);
    expect(member.node?.machine.leases()).toEqual([]);
    const all = Buffer.from('\0');
    expect(ask(world, member, { type: 'deleteRange', key: all, rangeEnd: all, prevKv: false })).toBe('ok');
    expect(member.node?.machine.keyCount).toBe(0);
    expect(member.node?.machine.sizeBytes).toBeGreaterThan(1.9 * quotaBytes);
    expect(member.node?.machine.sizeBytes).toBeLessThan(2 * quotaBytes);
    // Disarmed while it is still passed, it is raised by the next that would grow.
    expect(ask(world, member, disarm(member))).toBe('ok');
    world.run(500);
    expect(alarms(member)).toEqual([]);
    expect(ask(world, member, put('k', ''))).toBe('noSpace');
    expect(alarms(member)).toEqual([`${member.id}/noSpace`]);
  });
});

describe('a disk down to its reserve', () => {
  test('of a follower stops growth that enters anywhere, and none of it goes into the log', () => {
    const world = calm(3);
    const leader = world.leader as SimMember;
    const [follower, other] = followersOf(world) as [SimMember, SimMember];
    expect(ask(world, other, { type: 'grant', id: 1n, ttlMs: 60_000 })).toBe('ok');
    follower.enqueue(lower);
    expect(ask(world, follower, put('b', ''))).toBe('noSpace');
    world.run(500);
    const entries = leader.node?.raft.lastIndex;
    for (const member of world.members) {
      expect(alarms(member)).toEqual([`${follower.id}/noSpace`]);
      expect(ask(world, member, put('b', ''))).toBe('noSpace');
      expect(ask(world, member, { type: 'grant', id: 2n, ttlMs: 60_000 })).toBe('noSpace');
      expect(keepAlive(world, member, 1n)).toMatchObject({ type: 'alive' });
    }
    expect(leader.node?.raft.lastIndex).toBe(entries);
    expect(ask(world, other, { type: 'revoke', id: 1n })).toBe('ok');
  });

  test('raises again what is disarmed too early, and with room made nothing more', () => {
    const world = calm(3);
    const [follower] = followersOf(world) as [SimMember];
    follower.enqueue(lower);
    world.run(500);
    expect(ask(world, world.leader as SimMember, disarm(follower))).toBe('ok');
    expect(alarms(world.leader as SimMember)).toEqual([]);
    follower.enqueue(lower);
    world.run(500);
    expect(alarms(world.leader as SimMember)).toEqual([`${follower.id}/noSpace`]);
    follower.enqueue(roomy);
    world.run(500);
    expect(ask(world, follower, put('b', ''))).toBe('noSpace');
    expect(ask(world, follower, disarm(follower))).toBe('ok');
    for (const member of world.members) expect(ask(world, member, put('b', ''))).toBe('ok');
  });

  test('for less than a second makes no alarm, only refusals of this member', () => {
    const world = calm(3);
    const [follower, other] = followersOf(world) as [SimMember, SimMember];
    follower.enqueue(low);
    world.run(diskLowMsMax / 2);
    follower.enqueue(low);
    expect(ask(world, other, put('b', ''))).toBe('ok');
    follower.enqueue(roomy);
    expect(ask(world, follower, put('b', ''))).toBe('ok');
    world.run(diskLowMsMax);
    follower.enqueue(low);
    world.run(diskLowMsMax / 2);
    expect(alarms(other)).toEqual([]);
    world.run(diskLowMsMax);
    follower.enqueue(low);
    world.run(200);
    expect(alarms(other)).toEqual([`${follower.id}/noSpace`]);
    expect(ask(world, other, put('b', ''))).toBe('noSpace');
  });

  test('of the leader refuses what followers pass on to it, before the alarm is anywhere', () => {
    const world = calm(3);
    const [follower] = followersOf(world) as [SimMember];
    (world.leader as SimMember).enqueue(low);
    expect(ask(world, follower, put('b', ''))).toBe('noSpace');
  });
});

test('C50: while CORRUPT is raised nothing expires, and no entry is spent on trying; disarmed, what is due goes', () => {
  const world = calm(3);
  const leader = world.leader as SimMember;
  expect(ask(world, leader, { type: 'grant', id: 1n, ttlMs: 3_000 })).toBe('ok');
  expect(ask(world, leader, { type: 'grant', id: 2n, ttlMs: 60_000 })).toBe('ok');
  expect(ask(world, leader, { ...disarm(leader, 'corrupt'), action: 'activate' } as Command)).toBe('ok');
  const entries = leader.node?.raft.lastIndex;
  world.run(10_000);
  expect(leader.node?.machine.leases()).toEqual([1n, 2n]);
  expect((leader.node?.raft.lastIndex as number) - (entries as number)).toBeLessThan(5);
  expect(ask(world, leader, put('b', ''))).toBe('refused: corrupt');
  expect(ask(world, leader, { type: 'revoke', id: 2n })).toBe('refused: corrupt');
  expect(keepAlive(world, leader, 2n)).toMatchObject({ type: 'alive' });
  expect(ask(world, leader, disarm(leader, 'corrupt'))).toBe('ok');
  world.run(200);
  expect(leader.node?.machine.leases()).toEqual([2n]);
});
