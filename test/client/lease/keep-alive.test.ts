/** `keepAlive` and `keepAliveOnce`, on time and members that the test moves. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Client } from '../../../src/client/client.ts';
import { CallFailure, grpcCodes } from '../../../src/client/errors.ts';
import type { Renewed } from '../../../src/client/lease/kept.ts';
import type { CallSettings } from '../../../src/client/transport/calls.ts';
import { type FakeMember, FakeMembers } from './fake-members.ts';
import { FakeTime, settled } from './fake-time.ts';

let time: FakeTime;
let members: FakeMembers;
let member: FakeMember;
let client: Client;

beforeEach(() => {
  time = new FakeTime();
  members = new FakeMembers(time);
  member = members.members[0] as FakeMember;
  client = new Client({ endpoints: members.endpoints, clock: time, connect: members.connect });
  members.leases.set(1n, 9_000);
});
afterEach(async () => {
  await client.close();
  await settled();
  expect(time.timers).toBe(0);
  expect(members.streams).toBe(0);
});

/** A loop over the answers, and how it went. */
class Loop {
  readonly answers: Renewed[] = [];
  end: unknown = 'none yet';

  constructor(id: bigint, settings: CallSettings = {}) {
    void this.#run(id, settings);
  }

  async #run(id: bigint, settings: CallSettings): Promise<void> {
    try {
      for await (const answer of client.keepAlive(id, settings)) this.answers.push(answer);
      this.end = 'done';
    } catch (error) {
      this.end = error;
    }
  }
}

test('the first answer comes at once, the next every third of the TTL', async () => {
  const loop = new Loop(1n);
  await time.pass(1);
  expect(loop.answers).toEqual([{ id: 1n, ttlMs: 9_000 }]);
  await time.pass(9_000);
  expect(loop.answers.length).toBe(4);
});

test('several loops over one id share its renewals, and a later one begins with the answer there is', async () => {
  const loops = [new Loop(1n), new Loop(1n)];
  await time.pass(1);
  loops.push(new Loop(1n));
  await time.pass(0);
  expect(loops.map(({ answers }) => answers.length)).toEqual([1, 1, 1]);
  expect(members.asked.length).toBe(1);
  await time.pass(9_000);
  expect(new Set(loops.map(({ answers }) => answers.length))).toEqual(new Set([members.asked.length]));
});

test('a slow listener finds the newest answer, and renewals do not wait for it', async () => {
  const slow = client.keepAlive(1n)[Symbol.asyncIterator]();
  const first = slow.next();
  await time.pass(1);
  expect(await first).toEqual({ done: false, value: { id: 1n, ttlMs: 9_000 } });
  members.leases.set(1n, 12_000);
  await time.pass(5_000);
  members.leases.set(1n, 15_000);
  await time.pass(10_000);
  expect(members.asked.length).toBeGreaterThan(3);
  expect((await slow.next()).value).toEqual({ id: 1n, ttlMs: 15_000 });
  await slow.return?.();
  expect(await slow.next()).toEqual({ done: true, value: undefined });
});

test('it ends when the lease is gone, and fails if there never was one', async () => {
  const loop = new Loop(1n);
  const none = new Loop(2n);
  await time.pass(1);
  expect(none.end).toMatchObject({ code: 'lease_not_found' });
  members.leases.delete(1n);
  await time.pass(4_000);
  expect(loop.end).toBe('done');
  expect(loop.answers.length).toBe(1);
});

test('leaving the last loop ends the renewals, leaving another does not', async () => {
  const loop = new Loop(1n);
  const iterator = client.keepAlive(1n)[Symbol.asyncIterator]();
  const first = iterator.next();
  await time.pass(1);
  await first;
  await iterator.return?.();
  await time.pass(9_000);
  expect(loop.answers.length).toBe(4);
  expect(loop.end).toBe('none yet');
});

test('a signal ends it, before and after it has begun', async () => {
  const stop = new AbortController();
  const loop = new Loop(1n, { signal: stop.signal });
  await time.pass(4_000);
  stop.abort('enough');
  await settled();
  expect(loop.end).toMatchObject({ code: 'cancelled', cause: 'enough' });
  const late = new Loop(1n, { signal: stop.signal });
  await settled();
  expect(late.end).toMatchObject({ code: 'cancelled' });
  const asked = members.asked.length;
  await time.pass(10_000);
  expect(members.asked.length).toBe(asked);
});

test('no first answer: it gives up after 5 s, or what the caller says, with the cause', async () => {
  member.down = true;
  const loop = new Loop(1n);
  const hasty = new Loop(2n, { timeout: 500 });
  await time.pass(600);
  expect(hasty.end).toMatchObject({ code: 'timeout', retryable: true });
  await time.pass(4_300);
  expect(loop.end).toBe('none yet');
  await time.pass(200);
  expect(loop.end).toMatchObject({ code: 'timeout', cause: { code: 'unavailable' } });
});

test('no further answer: it fails when the safe deadline has passed', async () => {
  const loop = new Loop(1n);
  await time.pass(1);
  member.silent = true;
  await time.pass(8_800);
  expect(loop.end).toBe('none yet');
  await time.pass(200);
  expect(loop.end).toMatchObject({ code: 'lease_lost' });
});

test('who is not let in is told so at once', async () => {
  member.refusal = new CallFailure(grpcCodes.invalidArgument, 'etcdserver: authentication failed, invalid user', true);
  const loop = new Loop(1n);
  const once = client.keepAliveOnce(1n);
  once.catch(() => undefined);
  await time.pass(10);
  expect(loop.end).toMatchObject({ code: 'auth_failed' });
  await expect(once).rejects.toMatchObject({ code: 'auth_failed' });
});

test('a closed client halts it, and starts no more', async () => {
  const loop = new Loop(1n);
  await time.pass(1);
  await client.close();
  await settled();
  expect(loop.end).toMatchObject({ code: 'closed' });
  const late = new Loop(1n);
  await settled();
  expect(late.end).toMatchObject({ code: 'closed' });
  await expect(client.keepAliveOnce(1n)).rejects.toMatchObject({ code: 'closed' });
});

test('once: one renewal, sent after the call, in one message with others of the same turn', async () => {
  for (let id = 1n; id <= 500n; id++) members.leases.set(id, 9_000);
  const all = Promise.all(Array.from({ length: 500 }, (_, i) => client.keepAliveOnce(BigInt(i + 1))));
  await time.pass(1);
  expect(await all).toHaveLength(500);
  expect(members.asked.map(({ ids }) => ids.length)).toEqual([500]);
  await time.pass(900);
  await Promise.all([client.keepAliveOnce('1'), time.pass(0)]);
  await time.pass(5_000);
  expect(members.asked.length).toBe(2);
});

test('once: a lease that is gone, a caller who no longer waits, members that do not answer', async () => {
  const outcomes: unknown[] = [];
  const note = (promise: Promise<unknown>): void => {
    promise.catch((error) => outcomes.push(error));
  };
  note(client.keepAliveOnce(2n));
  await time.pass(1);
  expect(outcomes).toMatchObject([{ code: 'lease_not_found' }]);
  member.silent = true;
  const stop = new AbortController();
  note(client.keepAliveOnce(1n, { signal: stop.signal }));
  await time.pass(10);
  stop.abort();
  await settled();
  expect(outcomes[1]).toMatchObject({ code: 'cancelled', mayHaveApplied: true });
  note(client.keepAliveOnce(1n, { timeout: '400ms' }));
  await time.pass(400);
  expect(outcomes[2]).toMatchObject({ code: 'timeout', mayHaveApplied: true });
  note(client.keepAliveOnce('no id'));
  await settled();
  expect(outcomes[3]).toMatchObject({ code: 'invalid_argument' });
});

test('once: asked again on another stream when the first one breaks', async () => {
  member.silent = true;
  const once = client.keepAliveOnce(1n);
  await time.pass(10);
  member.silent = false;
  members.break(member);
  await time.pass(500);
  expect(await once).toEqual({ id: 1n, ttlMs: 9_000 });
});

test('once, of a lease that is kept: it is asked for now, and the lease stays as long as it did', async () => {
  const lease = await client.lease({ ttl: '9s' });
  await time.pass(500);
  const once = client.keepAliveOnce(lease.id);
  await time.pass(1);
  await once;
  expect(lease.remaining).toBeGreaterThan(8_900);
  expect(lease.held()).toBe(true);
});
