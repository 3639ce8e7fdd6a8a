/** The Lock service over the wire (F1–F4, C56–C58, C70; rules and texts compared with etcd 3.4.23 in queue-differential.test.ts). */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { queueLeaveAttemptsMax } from '../../src/base/limits.ts';
import { UnavailableError } from '../../src/rpc/errors.ts';
import { queueWire } from '../../src/rpc/queue-messages.ts';
import type { Command } from '../../src/state/command.ts';
import type { KeyValue, Outcome } from '../../src/state/outcome.ts';
import { leaveCommand } from '../../src/watch/queue.ts';
import { FakeMember } from './fake-member.ts';
import { plainCall } from './plain-call.ts';
import { bytes, Fixture, type Status, text, until, type WireClient } from './wire-client.ts';

/** A member whose barriers and proposals a test can hold up or spoil. */
class HeldMember extends FakeMember {
  /** Barriers wait here while this is a list. */
  heldBarriers: (() => void)[] | undefined;
  /** Called before a command is applied; may throw. */
  before: ((command: Command) => void) | undefined;

  override async barrier(): Promise<void> {
    await super.barrier();
    if (this.heldBarriers !== undefined) await new Promise<void>((go) => this.heldBarriers?.push(go));
    if (this.refuseWith !== undefined) throw new UnavailableError(this.refuseWith);
  }

  override async propose(command: Command): Promise<Outcome> {
    await undefined;
    this.before?.(command);
    return super.propose(command);
  }
}

let fixture: Fixture;
let member: HeldMember;
let client: WireClient;

const begin = async (watchersMax?: number, queueCalls?: number): Promise<void> => {
  member = new HeldMember({ electionTimeoutMs: 2 }, watchersMax);
  fixture = await Fixture.start({ member, ...(queueCalls === undefined ? {} : { queueCalls }) });
  client = fixture.client();
};

beforeEach(() => begin());
afterEach(async () => {
  await fixture.stop();
  expect(fixture.bugs).toEqual([]);
});

const expired: Status = { code: 2, text: 'mutex: session is expired' };
const session = (id: number): number => {
  member.apply({ type: 'grant', id: BigInt(id), ttlMs: 60_000 });
  return id;
};
const revoke = (id: number): Outcome => member.apply({ type: 'revoke', id: BigInt(id) });
const lock = (lease: number, timeoutMs?: number, name = 'm') =>
  plainCall(client, 'Lock/Lock', { name, lease }, timeoutMs);
const unlock = (key: string) => plainCall(client, 'Lock/Unlock', { key });
const live = (): readonly KeyValue[] => {
  const found = member.state.range({
    type: 'range',
    key: bytes('\0'),
    rangeEnd: bytes('\0'),
    limit: 0,
    revision: 0,
    sortOrder: 'none',
    sortTarget: 'key',
    keysOnly: true,
    countOnly: false,
    minModRevision: 0,
    maxModRevision: 0,
    minCreateRevision: 0,
    maxCreateRevision: 0,
  });
  return found.type === 'range' ? found.kvs : [];
};
const keys = (): string[] => live().map(({ key }) => text(key));
const createRevisionOf = (key: string): number => {
  for (const kv of live()) if (text(kv.key) === key) return kv.createRevision;
  throw new Error(`no such key: ${key}`);
};
/** Two watchers for everybody who waits. */
const waiting = (count: number): Promise<void> =>
  until(() => member.hub.count === 2 * count, `${count} calls wait in the queue`);

describe('C70', () => {
  test('the key is the lease in hexadecimal; a lease that holds the lock holds it again at once', async () => {
    session(0xabcdef);
    expect(await lock(0xabcdef)).toEqual({ header: { revision: 2 }, key: 'm/abcdef' });
    expect(await lock(0xabcdef)).toEqual({ header: { revision: 2 }, key: 'm/abcdef' });
    expect(member.hub.count).toBe(0);
  });

  test('F1: others wait in the order of their keys, and every owner has a greater token', async () => {
    const order: number[] = [];
    const tokens: number[] = [];
    const calls = [];
    session(9);
    await lock(9);
    for (let lease = 1; lease <= 5; lease++) {
      session(lease);
      calls.push(
        lock(lease).then((answer) => {
          order.push(lease);
          tokens.push((answer as { header: { revision: number } }).header.revision);
          return unlock(`m/${lease}`);
        }),
      );
      await waiting(lease);
    }
    await unlock('m/9');
    await Promise.all(calls);
    expect(order).toEqual([1, 2, 3, 4, 5]);
    expect(tokens).toEqual([...tokens].sort((a, b) => a - b));
    expect(keys()).toEqual([]);
    expect(member.hub.count).toBe(0);
  });

  test('a release wakes the next in line and nobody else', async () => {
    for (const lease of [1, 2, 3, 4]) session(lease);
    await lock(1);
    const second = lock(2);
    await waiting(1);
    const others = [lock(3), lock(4)];
    await waiting(3);
    const before = member.barriers;
    await unlock('m/1');
    expect(await second).toMatchObject({ key: 'm/2' });
    expect(member.barriers - before).toBe(1);
    expect(member.hub.count).toBe(4);
    await unlock('m/2');
    await unlock('m/3');
    await unlock('m/4');
    await Promise.all(others);
  });

  test('somebody in the middle leaves: the order of the others stays', async () => {
    for (const lease of [1, 2, 3]) session(lease);
    await lock(1);
    const second = lock(2);
    await waiting(1);
    const third = lock(3);
    await waiting(2);
    revoke(2);
    expect(await second).toEqual(expired);
    expect(member.hub.count).toBe(2);
    await unlock('m/1');
    expect(await third).toMatchObject({ key: 'm/3' });
  });

  test('lease 0: the server grants one of 60 seconds, and nobody renews it', async () => {
    expect(await lock(0)).toEqual({ header: { revision: 2 }, key: 'm/3e8' });
    expect(await member.timeToLive(1000n)).toEqual({ type: 'alive', grantedMs: 60_000, remainingMs: 60_000 });
    member.nowMs += 45_000;
    expect(await lock(1000)).toEqual({ header: { revision: 2 }, key: 'm/3e8' });
    expect(await member.timeToLive(1000n)).toMatchObject({ remainingMs: 15_000 });
  });

  test('every error has code Unknown, whatever its text has elsewhere', async () => {
    expect(await lock(7)).toEqual({ code: 2, text: 'etcdserver: requested lease not found' });
    expect(await unlock('')).toEqual({ code: 2, text: 'etcdserver: key is not provided' });
    member.refuseWith = 'noLeader';
    expect(await lock(7)).toEqual({ code: 2, text: 'etcdserver: no leader' });
    expect(await unlock('m/7')).toEqual({ code: 2, text: 'etcdserver: no leader' });
    member.refuseWith = 'noSpace';
    expect(await lock(7)).toEqual({ code: 2, text: 'etcdserver: mvcc: database space exceeded' });
  });

  test('more calls than the limit are refused, and change nothing', async () => {
    await fixture.stop();
    await begin(undefined, 2);
    for (const lease of [1, 2, 3, 4]) session(lease);
    await lock(1);
    const two = [lock(2), lock(3)];
    await waiting(2);
    expect(await lock(4)).toEqual({ code: 2, text: 'etcdserver: too many requests' });
    expect(keys()).toEqual(['m/1', 'm/2', 'm/3']);
    for (const lease of [1, 2, 3]) await unlock(`m/${lease}`);
    await Promise.all(two);
    expect(await lock(4)).toMatchObject({ key: 'm/4' });
  });
});

describe('C56: a waiter whose session dies', () => {
  test('hears of it at once, while the older holder stays', async () => {
    for (const lease of [1, 2]) session(lease);
    await lock(1);
    const second = lock(2);
    await waiting(1);
    revoke(2);
    expect(await second).toEqual(expired);
    expect(keys()).toEqual(['m/1']);
  });

  test('F3: is not given the lock that was released in the same breath', async () => {
    for (const lease of [1, 2]) session(lease);
    await lock(1);
    const second = lock(2);
    await waiting(1);
    revoke(1);
    revoke(2);
    expect(await second).toEqual(expired);
  });

  test('F3: is not given the lock while this member only believes that its key is there', async () => {
    for (const lease of [1, 2]) session(lease);
    await lock(1);
    const second = lock(2);
    await waiting(1);
    member.heldBarriers = [];
    revoke(1);
    await until(() => member.heldBarriers?.length === 1, 'the first in line asks the cluster');
    revoke(2);
    member.heldBarriers.pop()?.();
    expect(await second).toEqual(expired);
  });

  test('a key that came back under the same name is another one', async () => {
    for (const lease of [1, 2]) session(lease);
    await lock(1);
    const second = lock(2);
    await waiting(1);
    await unlock('m/2');
    expect(await second).toEqual(expired);
    const again = lock(2);
    await waiting(1);
    await unlock('m/1');
    expect(await again).toMatchObject({ key: 'm/2' });
  });

  test('nobody leads when its turn comes: it asks again until somebody does', async () => {
    for (const lease of [1, 2]) session(lease);
    await lock(1);
    const second = lock(2);
    await waiting(1);
    member.heldBarriers = [];
    revoke(1);
    await until(() => member.heldBarriers?.length === 1, 'the first in line asks the cluster');
    member.refuseWith = 'noLeader';
    member.heldBarriers.pop()?.();
    member.heldBarriers = undefined;
    const before = member.barriers;
    await until(() => member.barriers > before + 2, 'it asks again');
    member.refuseWith = undefined;
    expect(await second).toMatchObject({ key: 'm/2' });
  });
});

describe('C58: a call that ends without its turn leaves no key', () => {
  const late = { code: 4 };

  test('its deadline passes', async () => {
    for (const lease of [1, 2]) session(lease);
    await lock(1);
    expect(await lock(2, 60)).toMatchObject(late);
    await until(() => keys().length === 1, 'its key is gone');
    expect(keys()).toEqual(['m/1']);
    expect(member.hub.count).toBe(0);
  });

  test('its client goes away; who came after it moves up', async () => {
    for (const lease of [1, 2, 3]) session(lease);
    await lock(1);
    const second = client.serverStream(
      '/v3lockpb.Lock/Lock',
      queueWire.LockRequest.encode({ name: bytes('m'), lease: 2 }),
    );
    await waiting(1);
    const third = lock(3);
    await waiting(2);
    second.cancel();
    await until(() => keys().length === 2, 'its key is gone');
    expect(keys()).toEqual(['m/1', 'm/3']);
    await unlock('m/1');
    expect(await third).toMatchObject({ key: 'm/3' });
  });

  test('its session was the server’s: the lease goes too', async () => {
    session(1);
    await lock(1);
    expect(await lock(0, 60)).toMatchObject(late);
    await until(() => !member.state.leases().includes(1000n), 'the lease is gone');
    expect(keys()).toEqual(['m/1']);
  });

  test('no watcher is left for it', async () => {
    await fixture.stop();
    await begin(1);
    for (const lease of [1, 2]) session(lease);
    await lock(1);
    expect(await lock(2)).toEqual({ code: 2, text: 'etcdserver: too many watchers' });
    await until(() => keys().length === 1, 'its key is gone');
    expect(member.hub.count).toBe(0);
  });

  test('nobody knows whether its key was made: what was made is deleted, and an older key is not', async () => {
    session(1);
    let lost = 0;
    member.before = (command) => {
      if (command.type !== 'txn' || command.success[0]?.type !== 'put') return;
      lost++;
      member.apply(command);
      throw new UnavailableError('timedOut');
    };
    expect(await lock(1)).toEqual({ code: 2, text: 'etcdserver: request timed out' });
    await until(() => keys().length === 0 && lost === 1, 'its key is gone');
    member.before = undefined;
    await lock(1);
    member.before = () => {
      member.before = undefined;
      throw new UnavailableError('timedOut');
    };
    const before = member.proposed.length;
    expect(await lock(1)).toEqual({ code: 2, text: 'etcdserver: request timed out' });
    await until(() => member.proposed.length > before, 'it tried to take back what it may have made');
    expect(keys()).toEqual(['m/1']);
  });

  test('a few attempts are made, and then it is left to the lease', async () => {
    for (const lease of [1, 2]) session(lease);
    await lock(1);
    let attempts = 0;
    member.before = (command) => {
      if (command.type !== 'txn' || command.success[0]?.type !== 'deleteRange') return;
      attempts++;
      throw new UnavailableError('noLeader');
    };
    expect(await lock(2, 60)).toMatchObject(late);
    await until(() => attempts === queueLeaveAttemptsMax, 'all attempts are made');
    member.before = undefined;
    revoke(2);
    expect(keys()).toEqual(['m/1']);
    expect(attempts).toBe(queueLeaveAttemptsMax);
  });

  test('another call waits with the same key: it keeps its place', async () => {
    for (const lease of [1, 2]) session(lease);
    await lock(1);
    const stays = lock(2);
    await waiting(1);
    expect(await lock(2, 60)).toMatchObject(late);
    await waiting(1);
    expect(keys()).toEqual(['m/1', 'm/2']);
    await unlock('m/1');
    expect(await stays).toMatchObject({ key: 'm/2' });
  });
});

describe('fencing', () => {
  const guardedPut = (token: number, key: string, value: string) =>
    member.apply({
      type: 'txn',
      compares: [{ target: 'create', result: 'equal', key: bytes(key), rangeEnd: bytes(''), operand: token }],
      success: [
        {
          type: 'put',
          key: bytes('guarded'),
          value: bytes(value),
          lease: 0n,
          prevKv: false,
          ignoreValue: false,
          ignoreLease: false,
        },
      ],
      failure: [],
    });
  const succeeded = (outcome: Outcome): boolean =>
    outcome.ok && outcome.result.type === 'txn' && outcome.result.succeeded;
  const tokenOf = (answer: unknown): number => (answer as { header: { revision: number } }).header.revision;

  test('F2: a write guarded by the token passes while the key is there, and never after', async () => {
    for (const lease of [1, 2]) session(lease);
    const token = tokenOf(await lock(1));
    expect(succeeded(guardedPut(token, 'm/1', 'mine'))).toBe(true);
    revoke(1);
    expect(succeeded(guardedPut(token, 'm/1', 'late'))).toBe(false);
    session(1);
    const next = tokenOf(await lock(1));
    expect(next).toBeGreaterThan(token);
    expect(succeeded(guardedPut(token, 'm/1', 'late'))).toBe(false);
    expect(succeeded(guardedPut(next, 'm/1', 'mine again'))).toBe(true);
  });

  test('C57: an old release under the token leaves the newer lock; Unlock knows only the name, as in etcd', async () => {
    session(1);
    const token = tokenOf(await lock(1));
    await unlock('m/1');
    await lock(1);
    member.apply(leaveCommand(bytes('m/1'), token));
    expect(keys()).toEqual(['m/1']);
    await unlock('m/1');
    expect(keys()).toEqual([]);
  });

  test('F4: a resource that checks tokens is never taken back to an older owner', async () => {
    for (const lease of [1, 2]) session(lease);
    let highest = 0;
    const accepts = (token: number): boolean => {
      if (token < highest) return false;
      highest = token;
      return true;
    };
    const old = tokenOf(await lock(1));
    expect(accepts(old)).toBe(true);
    const second = lock(2);
    await waiting(1);
    revoke(1);
    await second;
    const now = createRevisionOf('m/2');
    expect(accepts(now)).toBe(true);
    expect(accepts(old)).toBe(false);
  });
});
