/** The Election service over the wire (F5, C56, C58, C71; rules and texts compared with etcd 3.4.23 in queue-differential.test.ts). */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Outcome } from '../../src/state/outcome.ts';
import { FakeMember } from './fake-member.ts';
import { type Fields, observe, plainCall } from './plain-call.ts';
import { bytes, Fixture, until, type WireClient } from './wire-client.ts';

let fixture: Fixture;
let member: FakeMember;
let client: WireClient;

const begin = async (watchersMax?: number): Promise<void> => {
  member = new FakeMember({ electionTimeoutMs: 2 }, watchersMax);
  fixture = await Fixture.start({ member, streamBufferBytes: 4_096 });
  client = fixture.client();
};
beforeEach(() => begin());
afterEach(async () => {
  await fixture.stop();
  expect(fixture.bugs).toEqual([]);
});

const session = (id: number): number => {
  member.apply({ type: 'grant', id: BigInt(id), ttlMs: 60_000 });
  return id;
};
const revoke = (id: number): Outcome => member.apply({ type: 'revoke', id: BigInt(id) });
const put = (key: string, value: string): number =>
  member.apply({
    type: 'put',
    key: bytes(key),
    value: bytes(value),
    lease: 0n,
    prevKv: false,
    ignoreValue: false,
    ignoreLease: false,
  }).revision;
const remove = (key: string): number =>
  member.apply({ type: 'deleteRange', key: bytes(key), rangeEnd: bytes(''), prevKv: false }).revision;
const campaign = (lease: number, value: string, timeoutMs?: number) =>
  plainCall(client, 'Election/Campaign', { name: 'e', lease, value }, timeoutMs);
const resign = (leader: Fields) => plainCall(client, 'Election/Resign', { leader });
const proclaim = (leader: Fields, value: string) => plainCall(client, 'Election/Proclaim', { leader, value });
const leaderKey = (lease: number, rev: number): Fields => ({ name: 'e', key: `e/${lease.toString(16)}`, rev, lease });
const leaderNow = async (): Promise<unknown> => {
  const answer = await plainCall(client, 'Election/Leader', { name: 'e' });
  return 'kv' in answer ? (answer['kv'] as { value: string }).value : answer;
};
const waiting = (count: number): Promise<void> =>
  until(() => member.hub.count === 2 * count, `${count} campaigns wait in the queue`);
const notLeader = { code: 2, text: 'election: not leader' };

describe('C71', () => {
  test('who campaigned first leads; the others follow in order, each with what it proclaims', async () => {
    for (const lease of [1, 2, 3]) session(lease);
    expect(await campaign(1, 'one')).toEqual({ header: { revision: 2 }, leader: leaderKey(1, 2) });
    const second = campaign(2, 'two');
    await waiting(1);
    const third = campaign(3, 'three');
    await waiting(2);
    expect(await leaderNow()).toBe('one');
    await resign(leaderKey(1, 2));
    // The header is that of entering the queue, as with etcd.
    expect(await second).toEqual({ header: { revision: 3 }, leader: leaderKey(2, 3) });
    expect(await leaderNow()).toBe('two');
    revoke(2);
    expect(await third).toEqual({ header: { revision: 4 }, leader: leaderKey(3, 4) });
    expect(await leaderNow()).toBe('three');
  });

  test('nobody leads', async () => {
    expect(await leaderNow()).toEqual({ code: 2, text: 'election: no leader' });
  });

  test('F5: a leader of the past proclaims nothing and resigns nobody', async () => {
    for (const lease of [1, 2]) session(lease);
    await campaign(1, 'one');
    const old = leaderKey(1, 2);
    await resign(old);
    await campaign(1, 'again');
    expect(await proclaim(old, 'late')).toEqual(notLeader);
    expect(await resign(old)).toEqual({ header: { revision: 4 } });
    expect(await leaderNow()).toBe('again');
  });

  test('a campaign of the lease that leads proclaims anew', async () => {
    session(1);
    await campaign(1, 'one');
    expect(await campaign(1, 'two')).toEqual({ header: { revision: 2 }, leader: leaderKey(1, 2) });
    expect(await leaderNow()).toBe('two');
  });

  test('lease 0: a session of the server’s own, 60 seconds long', async () => {
    expect(await campaign(0, 'v')).toMatchObject({ leader: { key: 'e/3e8', lease: 1000 } });
    expect(await member.timeToLive(1000n)).toMatchObject({ grantedMs: 60_000 });
  });

  test('without a leader, or without its key, nothing is done', async () => {
    const missing = { code: 2, text: '"leader" field must be provided' };
    expect(await plainCall(client, 'Election/Proclaim', { value: 'v' })).toEqual(missing);
    expect(await plainCall(client, 'Election/Resign', {})).toEqual(missing);
    const noKey = { code: 2, text: 'etcdserver: key is not provided' };
    expect(await proclaim({}, 'v')).toEqual(noKey);
    expect(await resign({})).toEqual(noKey);
    expect(member.proposed).toEqual([]);
  });
});

describe('C56: the candidate’s session dies while it waits', () => {
  test('it hears that its lease is gone', async () => {
    for (const lease of [1, 2]) session(lease);
    await campaign(1, 'one');
    const second = campaign(2, 'two');
    await waiting(1);
    revoke(2);
    expect(await second).toEqual({ code: 2, text: 'etcdserver: requested lease not found' });
  });

  test('its key is deleted and its lease lives: it is no candidate any more', async () => {
    for (const lease of [1, 2]) session(lease);
    await campaign(1, 'one');
    const second = campaign(2, 'two');
    await waiting(1);
    remove('e/2');
    expect(await second).toEqual(notLeader);
  });
});

describe('C58: a campaign that ends without its turn leaves no key', () => {
  test('its deadline passes', async () => {
    for (const lease of [1, 2]) session(lease);
    await campaign(1, 'one');
    expect(await campaign(2, 'two', 60)).toMatchObject({ code: 4 });
    await until(() => member.state.keyCount === 1, 'its key is gone');
  });

  test('its new value cannot be proclaimed: the old key does not stay behind with the old value', async () => {
    session(1);
    await campaign(1, 'one');
    const big = 'v'.repeat(1_572_864 - 20);
    await fixture.stop();
    fixture = await Fixture.start({ member });
    client = fixture.client();
    const proposals = member.propose.bind(member);
    member.propose = async (command) => {
      if (command.type === 'txn' && command.compares[0]?.operand !== 0 && command.success[0]?.type === 'put') {
        member.refuseWith = 'timedOut';
      }
      try {
        return await proposals(command);
      } finally {
        member.refuseWith = undefined;
      }
    };
    expect(await campaign(1, big)).toEqual({ code: 2, text: 'etcdserver: request timed out' });
    await until(() => member.state.keyCount === 0, 'its key is gone');
  });
});

describe('C71: Observe', () => {
  test('the leader as it is, then every change of it, then the next leader', async () => {
    put('e/a', 'a1');
    put('e/b', 'b1');
    const observer = observe(client, 'e');
    expect(await observer.next()).toBe('e/a=a1 c2 m2 at 3');
    put('e/a', 'a2');
    put('e/b', 'b2');
    put('e/a', 'a3');
    expect(await observer.next()).toBe('e/a=a2 c2 m4 at 4');
    expect(await observer.next()).toBe('e/a=a3 c2 m6 at 6');
    remove('e/a');
    expect(await observer.next()).toBe('e/b=b2 c3 m5 at 7');
    put('e/c', 'c1');
    remove('e/b');
    expect(await observer.next()).toBe('e/c=c1 c8 m8 at 9');
    observer.raw.cancel();
    await until(() => member.hub.count === 0, 'the stream leaves no watcher');
  });

  test('waits for the first leader, and after the last one for the next', async () => {
    const observer = observe(client, 'e');
    await until(() => member.hub.count === 1, 'the observer waits');
    put('f/a', 'another election');
    put('e/a', 'a1');
    expect(await observer.next()).toBe('e/a=a1 c3 m3 at 3');
    remove('e/a');
    put('e/b', 'b1');
    expect(await observer.next()).toBe('e/b=b1 c5 m5 at 5');
  });

  test('F5: no leader is left out, however fast they come and go', async () => {
    const observer = observe(client, 'e');
    await until(() => member.hub.count === 1, 'the observer waits');
    const expected: string[] = [];
    for (let round = 1; round <= 300; round++) {
      const at = put('e/a', `a${round}`);
      expected.push(`e/a=a${round} c${at} m${at} at ${at}`);
      remove('e/a');
    }
    const seen: string[] = [];
    while (seen.length < expected.length) seen.push(await observer.next());
    expect(seen).toEqual(expected);
  });

  test('W12: a reader that stops costs a bounded buffer, and loses nothing', async () => {
    const observer = observe(client, 'e');
    await until(() => member.hub.count === 1, 'the observer waits');
    observer.raw.stream.pause();
    const value = 'v'.repeat(10_000);
    for (let round = 0; round < 200; round++) put('e/a', `${round} ${value}`);
    observer.raw.stream.resume();
    for (let round = 0; round < 200; round++) expect(await observer.next()).toContain(`=${round} v`);
  });

  test('what it cannot be told it is told so, with code Unknown', async () => {
    member.refuseWith = 'noLeader';
    const early = observe(client, 'e');
    expect(await early.raw.status).toEqual({ code: 2, text: 'etcdserver: no leader' });
    member.refuseWith = undefined;
    await fixture.stop();
    await begin(0);
    const crowded = observe(client, 'e');
    expect(await crowded.raw.status).toEqual({ code: 2, text: 'etcdserver: too many watchers' });
  });
});
