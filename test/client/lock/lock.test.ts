/** Locks: waiting in order, trying, holding, giving back, giving up. */
import { getEventListeners } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Held } from '../../../src/client/client.ts';
import { systemClock } from '../../../src/client/clock.ts';
import { CallFailure, grpcCodes } from '../../../src/client/errors.ts';
import { int64Of } from '../../../src/rpc/int64.ts';
import type { Fields } from '../../rpc/plain-call.ts';
import { Hall, latch, lost, meddled, silence, txnPath } from './hall.ts';

let hall: Hall;
beforeAll(async () => {
  hall = await Hall.start();
});
afterEach(() => hall.closeClients());
afterAll(() => hall.stop());

/** Whether the compares hold, as the cluster sees it. */
async function passes(held: Held, compare = held.guard.compare): Promise<boolean> {
  const sent: Fields[] = compare.map(({ result = 0, target = 0, key, createRevision, lease }) => ({
    result,
    target,
    key: key ?? '',
    ...(createRevision === undefined || createRevision === null ? {} : { createRevision: int64Of(createRevision) }),
    ...(lease === undefined || lease === null ? {} : { lease: int64Of(lease) }),
  }));
  return (await hall.call('KV/Txn', { compare: sent }))['succeeded'] === true;
}

describe('a lock', () => {
  test('is held by one, under a key of etcd’s layout, while the body runs', async () => {
    const before = await hall.leases();
    const client = hall.client();
    const result = await client.lock('body', { ttl: '10s' }, async (held) => {
      const [key, ...more] = await hall.keys('body');
      expect(more).toEqual([]);
      expect(key?.key).toMatch(/^body\/[0-9a-f]+-1$/);
      expect(held.token).toBe(BigInt(key?.createRevision ?? 0));
      expect(new TextDecoder().decode(held.key)).toBe(key?.key);
      expect(held.held()).toBe(true);
      expect(held.signal.aborted).toBe(false);
      expect(await passes(held)).toBe(true);
      return 'done';
    });
    expect(result).toBe('done');
    expect(await hall.keys('body')).toEqual([]);
    await hall.noLeaseSince(before);
  });

  test('comes to those who wait in their order, with tokens that grow; the next older key alone is waited for', async () => {
    const clients = [hall.client(), hall.client(), hall.client()];
    const gate = await hall.client().lock('order');
    const order: number[] = [];
    const tokens: bigint[] = [];
    const work: Promise<unknown>[] = [];
    for (let place = 0; place < 12; place++) {
      const client = clients[place % 3];
      work.push(
        (client as (typeof clients)[0]).lock('order', async ({ token }) => {
          order.push(place);
          tokens.push(token);
          expect((await hall.keys('order'))[0]?.createRevision).toBe(Number(token));
        }),
      );
      await hall.queued('order', place + 2);
    }
    await gate.release();
    await Promise.all(work);
    expect(order).toEqual([...order.keys()]);
    expect(tokens).toEqual([...tokens].sort((a, b) => Number(a - b)));
    expect(new Set(tokens).size).toBe(12);
    await hall.queued('order', 0);
  });

  test('ends with its block, and with the body whatever that throws', async () => {
    const client = hall.client();
    {
      await using held = await client.lock('block');
      expect(held.held()).toBe(true);
    }
    expect(await hall.keys('block')).toEqual([]);
    const mistake = new Error('mine');
    const failed = client.lock('block', async (held) => {
      await hall.call('KV/DeleteRange', { key: held.key });
      throw mistake;
    });
    await expect(failed).rejects.toBe(mistake);
  });

  test('under a namespace', async () => {
    const client = hall.client({ namespace: 'app/' });
    await client.lock('spaced', async (held) => {
      expect((await hall.keys('app/spaced'))[0]?.key).toBe(`app/${new TextDecoder().decode(held.key)}`);
      expect(await passes(held)).toBe(true);
      expect(await client.tryLock('spaced')).toBeUndefined();
    });
    expect(await hall.keys('app/spaced')).toEqual([]);
  });

  test('names and options that are none are refused before anything is asked', async () => {
    const client = hall.client({ connect: meddled(() => Promise.reject(new Error('asked'))) });
    await expect(client.lock('')).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(client.lock('x', { ttl: 'soon' })).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(client.tryLock('x', { timeout: 'soon' })).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(client.lock('x', { signal: AbortSignal.abort('why') })).rejects.toMatchObject({
      code: 'cancelled',
      cause: 'why',
    });
  });
});

describe('trying', () => {
  test('gets a free lock, and of a taken one nothing, without a trace', async () => {
    const [one, two] = [hall.client(), hall.client()];
    const held = await one.tryLock('try');
    expect(held?.held()).toBe(true);
    expect(await two.tryLock('try')).toBeUndefined();
    expect(await hall.keys('try')).toHaveLength(1);
    await held?.release();
    await using second = await two.tryLock('try');
    expect(second?.token).toBeGreaterThan(held?.token ?? 0n);
  });

  test('of many at once one gets it', async () => {
    const before = await hall.leases();
    const clients = [hall.client(), hall.client(), hall.client()];
    const tries = await Promise.all(clients.flatMap((client) => [1, 2, 3].map(() => client.tryLock('race'))));
    const won = tries.filter((held) => held !== undefined);
    expect(won).toHaveLength(1);
    await won[0]?.release();
    await hall.noLeaseSince(before);
  });

  test('whose first answer is lost gets it all the same', async () => {
    let txns = 0;
    const client = hall.client({
      connect: meddled((path, pass) => {
        if (path !== txnPath || ++txns !== 1) return undefined;
        return pass().then(() => Promise.reject(lost()));
      }),
    });
    const held = await client.tryLock('again');
    expect(held?.held()).toBe(true);
    expect(txns).toBe(2);
    await held?.release();
    expect(await hall.keys('again')).toEqual([]);
  });
});

test('a try that is told no, after an attempt that nobody answered: when that arrives, its key goes', async () => {
  const late = latch();
  let txns = 0;
  let arrived: Promise<unknown> = Promise.resolve();
  const client = hall.client({
    connect: meddled((path, pass, options) => {
      if (path !== txnPath || ++txns !== 1) return undefined;
      arrived = late.opened.then(() => pass({ ...options, timeoutMs: 10_000 }));
      return Promise.reject(lost());
    }),
  });
  await using session = await client.session();
  const gate = await hall.client().lock('no');
  expect(await client.tryLock('no', { session })).toBeUndefined();
  await expect.poll(() => txns).toBe(3);
  await gate.release();
  late.open();
  await arrived;
  expect(await hall.keys('no')).toHaveLength(1);
  await hall.queued('no', 0);
  expect(session.held()).toBe(true);
});

describe('a session', () => {
  test('holds many locks, and one lock once', async () => {
    const before = await hall.leases();
    const client = hall.client();
    await using session = await client.session({ ttl: '10s' });
    const [a, b] = [await client.lock('a', { session }), await client.lock('b', { session })];
    expect(await hall.leasesSince(before)).toEqual([session.id]);
    expect(await client.tryLock('a', { session })).toBeUndefined();
    const again = client.lock('a', { session });
    await hall.queued('a', 2);
    await a.release();
    const second = await again;
    expect(second.token).toBeGreaterThan(a.token);
    expect(await hall.keys('a')).toHaveLength(1);
    await session.close();
    for (const held of [second, b]) {
      expect(held.held()).toBe(false);
      expect(held.signal.reason).toMatchObject({ code: 'lease_lost' });
    }
    expect(await hall.keys('a')).toEqual([]);
    await expect(client.lock('a', { session })).rejects.toMatchObject({ code: 'lease_lost' });
  });

  test('of the client’s own is one for all of a ttl, and ends with its last use', async () => {
    const before = await hall.leases();
    const client = hall.client();
    const held = await Promise.all(['a', 'b', 'c'].map((name) => client.lock(name, { ttl: '20s' })));
    const other = await client.lock('d', { ttl: '30s' });
    expect(await hall.leasesSince(before)).toHaveLength(2);
    await other.release();
    for (const [i, each] of held.entries()) {
      expect(await hall.leasesSince(before)).toHaveLength(1);
      await each.release();
      expect(await hall.keys(['a', 'b', 'c'][i] as string)).toEqual([]);
    }
    expect(await hall.leasesSince(before)).toEqual([]);
  });

  test('that ends while its lock is waited for: the wait ends at once, and leaves nothing', async () => {
    const client = hall.client();
    const gate = await hall.client().lock('death');
    const session = await client.session();
    const waiting = client.lock('death', { session });
    waiting.catch(() => {});
    await hall.queued('death', 2);
    await session.revoke();
    await expect(waiting).rejects.toMatchObject({ code: 'lease_lost' });
    await hall.queued('death', 1);
    await gate.release();
  });

  test('unknown to the cluster: its lock is lost, and the next one has another session', async () => {
    const before = await hall.leases();
    const client = hall.client();
    const held = await client.lock('unknown');
    for (const id of await hall.leasesSince(before)) await hall.client().revoke(id);
    await expect.poll(() => held.signal.aborted).toBe(true);
    expect(held.held()).toBe(false);
    await expect(held.release()).rejects.toMatchObject({ code: expect.stringMatching(/not_held|lease_lost/) });
    const next = await client.lock('unknown').catch(() => client.lock('unknown'));
    expect(next.token).toBeGreaterThan(held.token);
    await next.release();
  });
});

describe('who gives up', () => {
  test('in the queue: by signal or in time, leaves no key, and the others move up', async () => {
    const before = await hall.leases();
    const client = hall.client();
    const gate = await hall.client().lock('leave');
    const stop = new AbortController();
    const cancelled = client.lock('leave', { signal: stop.signal });
    await hall.queued('leave', 2);
    const behind = client.lock('leave');
    await hall.queued('leave', 3);
    const late = client.lock('leave', { timeout: 50 });
    await expect(late).rejects.toMatchObject({ code: 'timeout', mayHaveApplied: false });
    stop.abort('enough');
    await expect(cancelled).rejects.toMatchObject({ code: 'cancelled', cause: 'enough' });
    await hall.queued('leave', 2);
    await gate.release();
    await (await behind).release();
    await hall.queued('leave', 0);
    await hall.noLeaseSince(before);
  });

  test('before its session is there: the lease goes too', async () => {
    const before = await hall.leases();
    const asked = latch();
    const answer = latch();
    const client = hall.client({
      connect: meddled((path, pass) => {
        if (!path.endsWith('LeaseGrant')) return undefined;
        asked.open();
        return pass().then(async (bytes) => {
          await answer.opened;
          return bytes;
        });
      }),
    });
    const stop = new AbortController();
    const waiting = client.lock('early', { signal: stop.signal });
    await asked.opened;
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
    answer.open();
    await hall.noLeaseSince(before);
    expect(await hall.keys('early')).toEqual([]);
  });

  test('when no member can be asked any more, is told so at once', async () => {
    let isDown = false;
    const asked = latch();
    const client = hall.client({
      connect: (endpoint) => {
        const channel = meddled((path, pass) => {
          if (isDown) return Promise.reject(new CallFailure(grpcCodes.unavailable, 'down', false));
          if (!path.endsWith('LeaseGrant')) return undefined;
          return pass().then(async (bytes) => {
            isDown = true;
            await client.get('x', { timeout: 100 }).catch(() => {});
            asked.open();
            return bytes;
          });
        })(endpoint);
        const ready = (...patience: Parameters<typeof channel.ready>): Promise<void> =>
          isDown ? Promise.reject(new CallFailure(grpcCodes.unavailable, 'down', false)) : channel.ready(...patience);
        return { ...channel, ready };
      },
    });
    const stop = new AbortController();
    const waiting = client.lock('nobody', { ttl: '20s', signal: stop.signal });
    await asked.opened;
    await new Promise((resolve) => setImmediate(resolve));
    const startMs = performance.now();
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
    expect(performance.now() - startMs).toBeLessThan(2_000);
  });

  test.each(['applied', 'not applied', 'applied later'] as const)(
    'while its key is put, which is %s: no key stays',
    async (fate) => {
      const asked = latch();
      const late = latch();
      let txns = 0;
      let applied: Promise<unknown> = Promise.resolve();
      const client = hall.client({
        connect: meddled((path, pass, options) => {
          if (path !== txnPath || ++txns !== 1) return undefined;
          if (fate === 'applied') applied = pass().finally(asked.open);
          else asked.open();
          if (fate === 'applied later') applied = late.opened.then(() => pass());
          applied.catch(() => {});
          return silence(options);
        }),
      });
      await using session = await client.session();
      const stop = new AbortController();
      const waiting = client.lock('unsure', { session, signal: stop.signal });
      await asked.opened;
      stop.abort();
      await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
      await expect.poll(() => txns).toBe(2);
      late.open();
      await applied.catch(() => {});
      await hall.queued('unsure', 0);
      expect(session.held()).toBe(true);
    },
  );

  test('while the lock is just coming: it is held or free, never stuck', async () => {
    const client = hall.client();
    for (let round = 0; round < 20; round++) {
      const gate = await client.lock('edge');
      const stop = new AbortController();
      const waiting = client.lock('edge', { signal: stop.signal }).catch(() => undefined);
      await hall.queued('edge', 2);
      const freed = gate.release();
      if (round % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
      stop.abort();
      await freed;
      await (await waiting)?.release();
      await hall.queued('edge', 0);
    }
  });

  test('or does not: nothing is left on a signal that lives long', async () => {
    const { signal } = new AbortController();
    const client = hall.client();
    const gate = await client.lock('long', { signal });
    await expect(client.lock('long', { signal, timeout: 20 })).rejects.toMatchObject({ code: 'timeout' });
    expect(await client.tryLock('long', { signal })).toBeUndefined();
    await gate.release();
    for await (const term of client.election('long').campaign('me', { signal })) {
      expect(term.held()).toBe(true);
      break;
    }
    await client.election('long').observe({ signal }).close();
    await expect(client.lock('long', { signal, timeout: 'soon' })).rejects.toMatchObject({ code: 'invalid_argument' });
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  test('as its process was paused too long in the queue: the lock is not taken, though its turn has come', async () => {
    let aheadMs = 0;
    const answer = latch();
    let looks = 0;
    const client = hall.client({
      clock: { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs },
      connect: meddled((path, pass) => {
        if (path !== txnPath || ++looks !== 3) return undefined;
        return pass().then(async (bytes) => {
          answer.open();
          aheadMs = 60_000;
          return bytes;
        });
      }),
    });
    const gate = await hall.client().lock('slept');
    const waiting = client.lock('slept');
    waiting.catch(() => {});
    await hall.queued('slept', 2);
    await expect.poll(() => looks).toBe(2);
    await gate.release();
    await answer.opened;
    await expect(waiting).rejects.toMatchObject({ code: 'lease_lost' });
    await hall.queued('slept', 0);
  });

  test('by closing the client', async () => {
    const gate = await hall.client().lock('shut');
    const client = hall.client();
    const waiting = client.lock('shut');
    waiting.catch(() => {});
    await hall.queued('shut', 2);
    await client.close();
    await expect(waiting).rejects.toMatchObject({ code: 'closed' });
    await expect(client.lock('shut')).rejects.toMatchObject({ code: 'closed' });
    await gate.release();
  });
});

describe('who has lost it', () => {
  /** A client whose clock the test moves on. */
  function paused(): { readonly client: ReturnType<Hall['client']>; pause(ms: number): void; calls: string[] } {
    let aheadMs = 0;
    const calls: string[] = [];
    const client = hall.client({
      clock: { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs },
      connect: meddled((path) => {
        calls.push(path);
        return undefined;
      }),
    });
    const pause = (ms: number): void => {
      aheadMs += ms;
    };
    return { client, pause, calls };
  }

  test.each(['held', 'signal', 'guard', 'compare', 'release'] as const)(
    'in a pause of its process is told by the first look, which is %s, before any call leaves',
    async (look) => {
      const { client, pause, calls } = paused();
      const held = await client.lock(`paused-${look}`, { ttl: '10s' });
      const { guard } = held;
      calls.length = 0;
      pause(10_000);
      if (look === 'held') expect(held.held()).toBe(false);
      if (look === 'signal') expect(held.signal.reason).toMatchObject({ code: 'lease_lost' });
      if (look === 'guard') expect(() => held.guard).toThrow(expect.objectContaining({ code: 'lease_lost' }));
      if (look === 'compare') expect(() => guard.compare).toThrow(expect.objectContaining({ code: 'lease_lost' }));
      expect(calls).toEqual([]);
      await expect(held.release()).rejects.toMatchObject({ code: 'lease_lost' });
      await hall.queued(`paused-${look}`, 0);
    },
  );

  test('with its session: `signal` says so even to those who hear of the session first', async () => {
    const client = hall.client();
    const session = await client.session();
    const said: unknown[] = [];
    session.signal.addEventListener('abort', () => said.push(held.held(), held.signal.aborted, held.signal.reason));
    const held = await client.lock('first to hear', { session });
    await session.close();
    expect(said).toEqual([false, true, session.signal.reason]);
  });

  test('before it gives it back by a call of which no attempt but the last left: is told', async () => {
    let isMeddled = false;
    const client = hall.client({
      connect: meddled((path) => {
        if (path !== txnPath || !isMeddled) return undefined;
        isMeddled = false;
        return hall
          .call('KV/DeleteRange', { key: held.key })
          .then(() => Promise.reject(new CallFailure(grpcCodes.unavailable, 'it did not leave', false)));
      }),
    });
    const held = await client.lock('gone before');
    isMeddled = true;
    await expect(held.release()).rejects.toMatchObject({ code: 'not_held' });
  });

  test('cannot take it from the next holder: giving back is refused and deletes nothing', async () => {
    const client = hall.client();
    const old = await client.lock('taken');
    const { guard } = old;
    const next = hall.client().lock('taken');
    await hall.queued('taken', 2);
    await hall.call('KV/DeleteRange', { key: old.key });
    const held = await next;
    await expect(old.release()).rejects.toMatchObject({ code: 'not_held' });
    await expect(old.release()).rejects.toMatchObject({ code: 'not_held' });
    expect(old.held()).toBe(false);
    expect(() => guard.compare).toThrow();
    expect((await hall.keys('taken')).map(({ createRevision }) => BigInt(createRevision))).toEqual([held.token]);
    expect(await passes(held)).toBe(true);
    await held.release();
  });

  test('as its key was deleted, hears of it; the body that ran on is told', async () => {
    const client = hall.client();
    const body = client.lock('deleted', async (held) => {
      await hall.call('KV/DeleteRange', { key: held.key });
      await expect.poll(() => held.signal.aborted).toBe(true);
      expect(held.signal.reason).toMatchObject({ code: 'not_held' });
      expect(() => held.guard).toThrow(/deleted/);
    });
    await expect(body).rejects.toMatchObject({ code: 'not_held' });
  });

  test('a key put again under its name by another lease is not it', async () => {
    const held = await hall.client().lock('again');
    const { compare } = held.guard;
    await hall.call('KV/Put', { key: held.key, value: 'x' });
    expect(await passes(held, compare)).toBe(false);
    await held.release();
  });
});

describe('giving back', () => {
  test('that fails is told, and goes on behind: the lock is free when the cluster answers again', async () => {
    let away = false;
    let txns = 0;
    const client = hall.client({
      connect: meddled((path) => {
        if (!away || path !== txnPath) return undefined;
        txns++;
        return Promise.reject(lost());
      }),
    });
    await using session = await client.session();
    const held = await client.lock('later', { session });
    away = true;
    await expect(held.release({ timeout: 50 })).rejects.toMatchObject({ code: 'unavailable', mayHaveApplied: true });
    expect(held.held()).toBe(false);
    expect(held.signal.aborted).toBe(true);
    expect(await hall.keys('later')).toHaveLength(1);
    const failed = txns;
    await expect.poll(() => txns).toBeGreaterThan(failed);
    away = false;
    await hall.queued('later', 0);
    expect(session.held()).toBe(true);
  });

  test('that is refused for good is left to the session: the client’s own ends', async () => {
    const client = hall.client({
      connect: meddled((path) => {
        if (path !== txnPath || !refusing) return undefined;
        return Promise.reject(new CallFailure(grpcCodes.permissionDenied, 'etcdserver: permission denied', true));
      }),
    });
    let refusing = false;
    const before = await hall.leases();
    const held = await client.lock('refused');
    expect(await hall.leasesSince(before)).toHaveLength(1);
    refusing = true;
    await expect(held.release()).rejects.toMatchObject({ code: 'permission_denied' });
    await hall.noLeaseSince(before);
    expect(await hall.keys('refused')).toEqual([]);
  });

  test('that fails in a way that nobody knows is tried again: the lock does not stay', async () => {
    let isMeddled = false;
    const client = hall.client({
      connect: meddled((path) => {
        if (path !== txnPath || !isMeddled) return undefined;
        isMeddled = false;
        return Promise.reject(new CallFailure(grpcCodes.unknown, 'what a proxy says', true));
      }),
    });
    await using session = await client.session();
    const held = await client.lock('strange', { session });
    isMeddled = true;
    await expect(held.release()).rejects.toMatchObject({ code: 'unknown', mayHaveApplied: true });
    await hall.queued('strange', 0);
    expect(session.held()).toBe(true);
  });

  test('twice is giving back once', async () => {
    const held = await hall.client().lock('twice');
    await Promise.all([held.release(), held.release()]);
    await held.release();
    expect(await hall.keys('twice')).toEqual([]);
  });

  test('whose first answer is lost is done', async () => {
    let deletes = 0;
    const client = hall.client({
      connect: meddled((path, pass) => {
        if (path !== txnPath || ++deletes !== 2) return undefined;
        return pass().then(() => Promise.reject(lost()));
      }),
    });
    const held = await client.lock('done');
    await held.release();
    expect(deletes).toBe(3);
    expect(await hall.keys('done')).toEqual([]);
  });
});
