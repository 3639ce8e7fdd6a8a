/** How leases are renewed and when they are lost, on time and members that the test moves. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Client } from '../../../src/client/client.ts';
import { CallFailure, grpcCodes } from '../../../src/client/errors.ts';
import type { Lease } from '../../../src/client/lease/lease.ts';
import { marginMs } from '../../../src/client/lease/timing.ts';
import { type FakeMember, FakeMembers } from './fake-members.ts';
import { FakeTime, settled } from './fake-time.ts';

let time: FakeTime;
let members: FakeMembers;
let client: Client;
let member: FakeMember;

function start(count = 1): void {
  time = new FakeTime();
  members = new FakeMembers(time, count);
  member = members.members[0] as FakeMember;
  client = new Client({ endpoints: members.endpoints, clock: time, connect: members.connect });
}

beforeEach(() => start());
afterEach(async () => {
  await client.close();
  await settled();
  expect(time.timers).toBe(0);
  expect(members.streams).toBe(0);
});

async function leases(count: number, ttl: string): Promise<Lease[]> {
  return await Promise.all(Array.from({ length: count }, (_, i) => client.lease({ ttl, id: BigInt(i + 1) })));
}

/** Calls `step` every `everyMs` for so long. */
async function during(ms: number, everyMs: number, step: () => void): Promise<void> {
  for (let gone = 0; gone < ms; gone += everyMs) {
    await time.pass(everyMs);
    step();
  }
}

test('renewed every third of its TTL, and held for as long as that works', async () => {
  const [lease] = await leases(1, '30s');
  await time.pass(300_000);
  expect(lease?.held()).toBe(true);
  const times = members.asked.map(({ atMs }) => atMs);
  expect(times[0]).toBeLessThanOrEqual(1_000 + 10_000);
  for (const [i, atMs] of times.slice(1).entries()) {
    // Give or take the slot in which it goes out with others.
    expect(Math.abs(atMs - (times[i] as number) - 10_000)).toBeLessThanOrEqual(128);
  }
});

test('those that fall due together leave together, at most 1,000 in a message', async () => {
  const held = await leases(2_500, '30s');
  await time.pass(30_000);
  expect(members.asked.length).toBeLessThanOrEqual(12);
  expect(members.asked.map(({ ids }) => ids.length)).toContain(1_000);
  expect(Math.max(...members.asked.map(({ ids }) => ids.length))).toBe(1_000);
  expect(held.every((lease) => lease.held())).toBe(true);
});

test('leases that were made together do not fall due together for ever', async () => {
  let draws = 0;
  time.random = () => (draws++ % 97) / 97;
  await leases(1_000, '30s');
  await time.pass(60_000);
  expect(Math.max(...members.asked.map(({ ids }) => ids.length))).toBeLessThan(100);
});

test('lost at the sending of the last renewal that was answered + TTL - margin, never later', async () => {
  const [lease] = await leases(1, '10s');
  await time.pass(20_000);
  const { signal } = lease as Lease;
  member.silent = true;
  const sentMs = Math.max(...members.asked.map(({ atMs }) => atMs));
  const deadlineMs = sentMs + 10_000 - marginMs(10_000);
  await time.pass(deadlineMs - time.monotonicMs() - 40);
  expect(signal.aborted).toBe(false);
  expect(lease?.remaining).toBe(40);
  await time.pass(40);
  expect(signal.aborted).toBe(true);
  expect(signal.reason).toMatchObject({ code: 'lease_lost' });
  expect(lease?.lost).toBe('unreachable');
  expect(lease?.remaining).toBe(0);
});

test('counted from the sending, not from the answer', async () => {
  member.delayMs = 1_500;
  const [lease] = await leases(1, '10s');
  await time.pass(6_000);
  const sentMs = members.asked[0]?.atMs as number;
  expect(lease?.remaining).toBe(sentMs + 10_000 - marginMs(10_000) - time.monotonicMs());
});

test('the TTL is the one of the newest answer', async () => {
  const [lease] = await leases(1, '10s');
  members.leases.set(1n, 60_000);
  await time.pass(4_000);
  expect(lease?.remaining).toBeGreaterThan(50_000);
});

test('a process that stood still for too long finds out at the first look, and sends nothing', async () => {
  const [lease] = await leases(1, '10s');
  await time.pass(5_000);
  const { signal } = lease as Lease;
  const before = members.calls.length;
  time.stall(9_000);
  expect(signal.aborted).toBe(false);
  await expect(lease?.put('a', 'b')).rejects.toMatchObject({ code: 'lease_lost', mayHaveApplied: false });
  await expect(lease?.delete('a')).rejects.toMatchObject({ code: 'lease_lost' });
  expect(() => lease?.guard('a')).toThrow(/is lost/);
  expect(signal.aborted).toBe(true);
  expect(members.calls.length).toBe(before);
  const asked = members.asked.length;
  await time.pass(20_000);
  expect(members.asked.length).toBe(asked);
});

test('each way to look compares the clocks', async () => {
  const looks: readonly ((lease: Lease) => unknown)[] = [
    (lease) => !lease.held(),
    (lease) => lease.signal.aborted,
    (lease) => lease.remaining === 0,
    (lease) => lease.lost === 'unreachable',
  ];
  for (const [i, look] of looks.entries()) {
    const lease = await client.lease({ ttl: '10s', id: BigInt(i + 1) });
    expect(look(lease)).toBe(false);
    time.stall(10_000);
    expect(look(lease)).toBe(true);
  }
});

test('a wall clock that jumps ahead counts: the machine may have slept', async () => {
  const [lease, other] = await leases(2, '10s');
  const { signal } = other as Lease;
  time.wallAheadMs -= 3_600_000;
  expect(lease?.held()).toBe(true);
  time.wallAheadMs += 3_600_000 + 10_000;
  expect(lease?.held()).toBe(false);
  expect(signal.aborted).toBe(false);
  await time.pass(1_000);
  expect(signal.aborted).toBe(true);
});

test('a wall clock that jumps ahead by less brings the deadline nearer', async () => {
  const [lease] = await leases(1, '10s');
  await time.pass(5_000);
  const { signal } = lease as Lease;
  member.silent = true;
  time.wallAheadMs += 3_000;
  await time.pass(1_000);
  const left = lease?.remaining as number;
  expect(left).toBeLessThan(6_000);
  await time.pass(left - 50);
  expect(signal.aborted).toBe(false);
  await time.pass(50);
  expect(signal.aborted).toBe(true);
});

test('a process whose timers are always late renews all the same', async () => {
  const [lease] = await leases(1, '10s');
  for (let i = 0; i < 100; i++) {
    time.stall(700);
    await time.pass(1);
  }
  expect(lease?.held()).toBe(true);
});

test('an id that is granted again: its former holder has lost it', async () => {
  const [first] = await leases(1, '10s');
  await time.pass(1_000);
  members.leases.delete(1n);
  const [second] = await leases(1, '10s');
  expect(first?.lost).toBe('revoked');
  await time.pass(20_000);
  expect(second?.held()).toBe(true);
});

test('an answer that lay in the socket while the process stood still counts from its sending', async () => {
  const [lease] = await leases(1, '10s');
  member.mute.add(1n);
  await time.pass(3_000);
  const sentMs = members.asked[0]?.atMs as number;
  time.stall(sentMs + 9_950 - time.monotonicMs() - 100);
  members.answer(1n, 10_000);
  expect(lease?.held()).toBe(true);
  expect(lease?.remaining).toBeLessThan(100);
});

test('gone before its safe deadline: revoked; found gone after it: expired', async () => {
  const [revoked, expired] = await leases(2, '10s');
  members.leases.delete(1n);
  await time.pass(4_000);
  expect(revoked?.lost).toBe('revoked');
  member.mute.add(2n);
  await time.pass(2_500);
  expect(members.asked.at(-1)?.ids).toEqual([2n]);
  time.stall(20_000);
  members.answer(2n, 0);
  expect(expired?.lost).toBe('expired');
});

test('an id has one unanswered renewal at most, so an answer belongs to one sending', async () => {
  member.delayMs = 400;
  members.leases.set(5n, 10_000);
  const first = client.keepAliveOnce(5n);
  await time.pass(100);
  const second = client.keepAliveOnce(5n);
  const third = client.keepAliveOnce(5n);
  await time.pass(200);
  expect(members.asked.length).toBe(1);
  await time.pass(100);
  expect(await first).toEqual({ id: 5n, ttlMs: 10_000 });
  expect(members.asked.length).toBe(2);
  await time.pass(400);
  expect(await Promise.all([second, third])).toHaveLength(2);
  expect(members.asked.length).toBe(2);
});

test('an answer that was meant for an earlier life of the id is not counted', async () => {
  const [first] = await leases(1, '10s');
  member.mute.add(1n);
  await time.pass(3_000);
  expect(members.asked.length).toBe(1);
  await first?.revoke();
  const [second] = await leases(1, '10s');
  const left = second?.remaining as number;
  members.answer(1n, 60_000);
  expect(second?.remaining).toBe(left);
  members.answer(1n, 0);
  expect(second?.held()).toBe(true);
});

test('a member that falls silent is left for another in time', async () => {
  start(2);
  const held = await leases(10, '10s');
  await time.pass(10_000);
  const used = members.members.find(({ streams }) => streams.size > 0) as FakeMember;
  used.silent = true;
  await during(20_000, 100, () => expect(held.every((lease) => lease.held())).toBe(true));
  expect(members.asked.at(-1)?.member).not.toBe(used.endpoint);
});

test('one renewal that is not answered while others are: the stream is given up before the lease is lost', async () => {
  start(2);
  const held = await leases(10, '10s');
  for (const each of members.members.slice(0, 1)) each.mute.add(3n);
  await during(40_000, 100, () => expect(held.every((lease) => lease.held())).toBe(true));
});

test('after an outage the renewals that were missed are spread, and phases stay as they were', async () => {
  let draws = 0;
  time.random = () => ((draws++ * 37) % 101) / 101;
  const held = await leases(3_000, '30s');
  await time.pass(60_000);
  const perSecond = (fromMs: number, toMs: number): number[] => {
    const counts = new Array<number>(Math.ceil((toMs - fromMs) / 1_000)).fill(0);
    for (const { atMs, ids } of members.asked)
      if (atMs >= fromMs && atMs < toMs) (counts[Math.floor((atMs - fromMs) / 1_000)] as number) += ids.length;
    return counts;
  };
  const usual = Math.max(...perSecond(time.monotonicMs() - 20_000, time.monotonicMs()));
  member.down = true;
  members.break(member);
  await time.pass(8_000);
  member.down = false;
  const backMs = time.monotonicMs();
  await during(20_000, 250, () => expect(held.every((lease) => lease.held())).toBe(true));
  const first = members.asked.findIndex(({ atMs }) => atMs >= backMs);
  expect(members.asked[first]?.ids.length).toBeLessThan(100);
  expect(Math.max(...perSecond(backMs, time.monotonicMs()))).toBeLessThan(2.5 * usual);
  await time.pass(40_000);
  expect(Math.max(...perSecond(time.monotonicMs() - 20_000, time.monotonicMs()))).toBeLessThan(1.2 * usual);
});

test('after a long outage the urgent go at once', async () => {
  const held = await leases(50, '30s');
  await time.pass(10_100);
  member.down = true;
  members.break(member);
  await time.pass(21_000);
  member.down = false;
  const backMs = time.monotonicMs();
  await time.pass(2_500);
  expect(new Set(members.idsSince(backMs)).size).toBe(50);
  expect(held.every((lease) => lease.held())).toBe(true);
});

test('a member without the batch dialect is asked in the other one, at once, and not tried again', async () => {
  member.batch = false;
  const [lease] = await leases(1, '10s');
  await time.pass(60_000);
  expect(lease?.held()).toBe(true);
  expect(new Set(members.asked.map(({ dialect }) => dialect))).toEqual(new Set(['etcd']));
  expect(member.opened).toBe(2);
  member.batch = true;
  members.break(member);
  await time.pass(10_000);
  expect(members.asked.at(-1)?.dialect).toBe('batch');
});

test('where the leader is preferred, the stream moves to it when it owes nothing, and again when another leads', async () => {
  start(3);
  await client.close();
  client = new Client({ endpoints: members.endpoints, clock: time, connect: members.connect, prefer: 'leader' });
  for (const each of members.members) each.delayMs = 400;
  const held = await leases(50, '6s');
  for (const leader of [members.members[2], members.members[1]]) {
    members.leader = leader as FakeMember;
    await time.pass(90_000);
    expect(members.members.filter(({ streams }) => streams.size > 0)).toEqual([leader]);
    const nowMs = time.monotonicMs();
    await time.pass(6_000);
    expect(new Set(members.asked.filter(({ atMs }) => atMs >= nowMs).map((asked) => asked.member))).toEqual(
      new Set([members.leader.endpoint]),
    );
  }
  expect(members.members.map(({ opened }) => opened)).toEqual([1, 1, 1]);
  expect(held.every((lease) => lease.held())).toBe(true);
});

test('a full buffer is waited for', async () => {
  members.narrow = true;
  const waits = Array.from({ length: 2_500 }, (_, i) => {
    members.leases.set(BigInt(i + 1), 10_000);
    return client.keepAliveOnce(BigInt(i + 1));
  });
  await time.pass(1);
  expect(members.asked.map(({ ids }) => ids.length)).toEqual([1_000]);
  members.drain();
  await time.pass(1);
  members.drain();
  await time.pass(1);
  expect(members.asked.map(({ ids }) => ids.length)).toEqual([1_000, 1_000, 500]);
  expect(await Promise.all(waits)).toHaveLength(2_500);
});

test('no more is unanswered than a member answers soon: 10,000 in batches, 500 one by one', async () => {
  for (const [batch, max] of [
    [true, 10_000],
    [false, 500],
  ] as const) {
    start();
    member.batch = batch;
    member.delayMs = 100;
    const waits = Array.from({ length: 2.5 * max }, (_, i) => {
      members.leases.set(BigInt(i + 1), 60_000);
      return client.keepAliveOnce(BigInt(i + 1));
    });
    const asked = (): number => members.asked.reduce((sum, { ids }) => sum + ids.length, 0);
    await time.pass(50);
    expect(asked()).toBe(max);
    await time.pass(100);
    expect(asked()).toBe(2 * max);
    await time.pass(500);
    expect(await Promise.all(waits)).toHaveLength(2.5 * max);
    expect(asked()).toBe(2.5 * max);
    await client.close();
  }
});

test('where answers come too slowly, who is nearest to its deadline is asked for first', async () => {
  member.batch = false;
  member.delayMs = 1_000;
  // They fall due together, and take 20 s of answers.
  const many = await leases(10_000, '60s');
  const short = await client.lease({ ttl: '6s', id: 20_000n });
  for (let second = 0; second < 80; second++) {
    await time.pass(1_000);
    expect(short.held()).toBe(true);
  }
  expect(many.every((lease) => lease.held())).toBe(true);
});

test('a grant that certainly was not made by earlier attempts counts from the one that made it', async () => {
  await leases(1, '60s');
  member.down = true;
  const granted = client.lease({ ttl: '3s', timeout: '10s' });
  await time.pass(2_900);
  member.down = false;
  await time.pass(500);
  expect((await granted).remaining).toBeGreaterThan(2_000);
});

test('a revoke of which no attempt but the last left says that there is no such lease', async () => {
  await leases(1, '60s');
  member.down = true;
  const revoked = expect(client.revoke(99n)).rejects.toMatchObject({ code: 'lease_not_found', mayHaveApplied: false });
  await time.pass(1_000);
  member.down = false;
  await time.pass(1_000);
  await revoked;
});

test('the stream is closed when nobody has needed it for a second', async () => {
  const [lease] = await leases(1, '10s');
  await time.pass(5_000);
  expect(members.streams).toBe(1);
  await lease?.detach();
  await time.pass(900);
  expect(members.streams).toBe(1);
  await time.pass(200);
  expect(members.streams).toBe(0);
  expect(time.timers).toBe(0);
  const [next] = await leases(1, '10s');
  await time.pass(20_000);
  expect(next?.held()).toBe(true);
});

test('10,000 leases made and let go leave nothing', async () => {
  for (let round = 0; round < 100; round++) {
    const held = await leases(100, '3600s');
    await Promise.all(held.map((lease) => lease.close()));
  }
  expect(members.leases.size).toBe(0);
  await time.pass(1_100);
  expect(time.timers).toBe(0);
});

test('closing the client: every lease is let go, and says so', async () => {
  const [lease] = await leases(1, '10s');
  const { signal } = lease as Lease;
  const reasons: string[] = [];
  lease?.addEventListener('lost', ({ reason }) => reasons.push(reason));
  await time.pass(5_000);
  await client.close();
  expect(signal.aborted).toBe(true);
  expect(reasons).toEqual(['closed']);
  expect(lease?.lost).toBe('closed');
  await lease?.close();
  expect(members.leases.has(1n)).toBe(true);
});

test('what ends it is the cause: refused renewals are tried until the deadline', async () => {
  const [lease] = await leases(1, '10s');
  member.refusal = new CallFailure(grpcCodes.permissionDenied, 'etcdserver: permission denied', true);
  members.break(member);
  await time.pass(8_000);
  expect(lease?.held()).toBe(true);
  await time.pass(2_500);
  expect(lease?.signal.reason).toMatchObject({ code: 'lease_lost', cause: { code: 'permission_denied' } });
  expect(member.opened).toBeLessThan(40);
});

test('detach leaves the lease, revoke and the end of its scope end it', async () => {
  const [one, two, three] = await leases(3, '10s');
  await one?.detach();
  await two?.revoke();
  {
    await using scoped = three as Lease;
    expect(scoped.held()).toBe(true);
  }
  expect([...members.leases.keys()]).toEqual([1n]);
  expect([one, two, three].map((lease) => lease?.lost)).toEqual(['closed', 'revoked', 'closed']);
  await two?.revoke();
  await two?.close();
});
