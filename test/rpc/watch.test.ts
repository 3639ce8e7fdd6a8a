/** Watch over the wire (W1–W10, C8, C76; rules and texts compared with etcd 3.4.23 on 2026-11-22). */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { numberOf } from '../../src/rpc/int64.ts';
import type { WatchResponse } from '../../src/rpc/messages.ts';
import { FakeMember } from './fake-member.ts';
import { bytes, type Fixture, Fixture as Server, text, until, type WireClient } from './wire-client.ts';

let fixture: Fixture;
let client: WireClient;

beforeEach(async () => {
  fixture = await Server.start();
  client = fixture.client();
});
afterEach(async () => {
  await fixture.stop();
  expect(fixture.bugs).toEqual([]);
});

const put = (name: string, value = 'v', lease = 0n): number =>
  fixture.member.apply({
    type: 'put',
    key: bytes(name),
    value: bytes(value),
    lease,
    prevKv: false,
    ignoreValue: false,
    ignoreLease: false,
  }).revision;
const del = (name: string, end = ''): number =>
  fixture.member.apply({ type: 'deleteRange', key: bytes(name), rangeEnd: bytes(end), prevKv: false }).revision;

/** A response in short: revision and id, flags, events as `+key@mod` and `-key@mod`. */
function brief(response: WatchResponse): string {
  const words = [`r${numberOf(response.header?.revision ?? 0)}`, `#${numberOf(response.watchId)}`];
  if (response.created) words.push('created');
  if (response.canceled) words.push('canceled');
  if (numberOf(response.compactRevision) !== 0) words.push(`compacted ${numberOf(response.compactRevision)}`);
  if (response.fragment) words.push('fragment');
  if (response.cancelReason !== '') words.push(response.cancelReason);
  for (const event of response.events) {
    const version = event.kv;
    words.push(
      `${event.type === 1 ? '-' : '+'}${text(version?.key ?? bytes(''))}@${numberOf(version?.modRevision ?? 0)}`,
    );
  }
  return words.join(' ');
}

describe('creating and cancelling', () => {
  test('ids: given ones count up from 0, wanted ones are kept, doubles are refused', async () => {
    const watch = client.watch();
    const create = async (watchId: number, more: object = {}) => {
      watch.send({ createRequest: { key: bytes('w'), watchId, ...more } });
      return brief(await watch.next());
    };
    expect(await create(0)).toBe('r1 #0 created');
    expect(await create(0)).toBe('r1 #1 created');
    expect(await create(2)).toBe('r1 #2 created');
    expect(await create(0)).toBe('r1 #3 created');
    expect(await create(-7)).toBe('r1 #-7 created');
    const refused = 'r1 #-1 created canceled mvcc: duplicate watch ID provided on the WatchStream';
    expect(await create(2)).toBe(refused);
    expect(await create(0, { rangeEnd: bytes('a') })).toBe('r1 #-1 created canceled mvcc: watcher range is empty');
    expect(await create(0, { rangeEnd: bytes('w') })).toBe('r1 #-1 created canceled mvcc: watcher range is empty');
    expect(await create(9, { startRevision: -3 })).toBe(
      'r1 #-1 created canceled etcdserver: mvcc: required revision has been compacted',
    );
    expect(await create(4)).toBe('r1 #4 created');
    expect(fixture.member.hub.count).toBe(6);
  });

  test('a cancelled watcher says so and falls silent; unknown ids are passed over', async () => {
    const watch = client.watch();
    watch.send({ createRequest: { key: bytes('w') } });
    watch.send({ createRequest: { key: bytes('w') } });
    await watch.next();
    await watch.next();
    watch.send({ cancelRequest: { watchId: 99 } });
    watch.send({ cancelRequest: { watchId: 0 } });
    watch.send({ cancelRequest: { watchId: 0 } });
    expect(brief(await watch.next())).toBe('r1 #0 canceled');
    put('w');
    expect(brief(await watch.next())).toBe('r2 #1 +w@2');
    expect(fixture.member.hub.count).toBe(1);
  });

  test('W9: the id of a watcher that compaction ended is taken until its caller cancels it; a bad range is looked at first', async () => {
    for (let revision = 2; revision < 7; revision++) put('w');
    fixture.member.apply({ type: 'compact', revision: 5 });
    const watch = client.watch();
    const say = async (request: Parameters<typeof watch.send>[0]) => {
      watch.send(request);
      return brief(await watch.next());
    };
    const create = (more: object = {}) => say({ createRequest: { key: bytes('w'), watchId: 3, ...more } });
    expect(await create({ startRevision: 3 })).toBe('r2 #3 created');
    expect(brief(await watch.next())).toBe('r0 #3 canceled compacted 5');
    expect(await create()).toBe('r6 #-1 created canceled mvcc: duplicate watch ID provided on the WatchStream');
    expect(await create({ rangeEnd: bytes('a') })).toBe('r6 #-1 created canceled mvcc: watcher range is empty');
    expect(await say({ cancelRequest: { watchId: 3 } })).toBe('r6 #3 canceled');
    expect(await create({ startRevision: 5 })).toBe('r4 #3 created');
    expect(brief(await watch.next())).toBe('r6 #3 +w@5 +w@6');
  });

  test('half-close keeps the stream, cancel forgets its watchers', async () => {
    const watch = client.watch();
    watch.send({ createRequest: { key: bytes('w') } });
    await watch.next();
    watch.raw.end();
    put('w');
    expect(brief(await watch.next())).toBe('r2 #0 +w@2');
    watch.raw.cancel();
    await until(() => fixture.member.hub.count === 0, 'the watchers are gone');
  });

  test('a malformed request ends the stream and its watchers', async () => {
    const watch = client.watch();
    watch.send({ createRequest: { key: bytes('w') } });
    await watch.next();
    watch.raw.write(bytes('\x0a\x7f'));
    expect((await watch.raw.status).code).toBe(13);
    await until(() => fixture.member.hub.count === 0, 'the watchers are gone');
  });

  test('an empty request is passed over', async () => {
    const watch = client.watch();
    watch.send({});
    watch.send({ createRequest: { key: bytes('w') } });
    expect(brief(await watch.next())).toBe('r1 #0 created');
  });
});

describe('events', () => {
  test('one response per revision, ranges, filters, prev_kv', async () => {
    const watch = client.watch();
    watch.send({ createRequest: { rangeEnd: bytes('\0'), watchId: 10, prevKv: true } });
    watch.send({ createRequest: { key: bytes('w'), rangeEnd: bytes('x'), watchId: 11, filters: [0] } });
    watch.send({ createRequest: { key: bytes('w'), watchId: 12, filters: [1] } });
    for (let created = 0; created < 3; created++) await watch.next();
    put('a', 'old');
    expect(brief(await watch.next())).toBe('r2 #10 +a@2');
    put('w');
    expect([brief(await watch.next()), brief(await watch.next())].sort()).toEqual(['r3 #10 +w@3', 'r3 #12 +w@3']);
    del('a', 'x');
    const both = [await watch.next(), await watch.next()].sort((x, y) => numberOf(x.watchId) - numberOf(y.watchId));
    expect(both.map(brief)).toEqual(['r4 #10 -a@4 -w@4', 'r4 #11 -w@4']);
    const [first] = both[0]?.events ?? [];
    expect(text(first?.prevKv?.value ?? bytes(''))).toBe('old');
    expect(numberOf(first?.kv?.version ?? 1)).toBe(0);
    expect(both[1]?.events[0]?.prevKv).toBeNull();
  });

  test('C8, C9: a lease’s end is one revision and one response, keys in byte order, prev_kv with the lease', async () => {
    fixture.member.apply({ type: 'grant', id: 70n, ttlMs: 60_000 });
    for (const name of ['c', 'a', 'b']) put(name, 'q', 70n);
    const watch = client.watch();
    watch.send({ createRequest: { key: bytes('a'), rangeEnd: bytes('z'), prevKv: true } });
    await watch.next();
    fixture.member.apply({ type: 'revoke', id: 70n });
    const response = await watch.next();
    expect(brief(response)).toBe('r5 #0 -a@5 -b@5 -c@5');
    expect(response.events.map((event) => numberOf(event.prevKv?.lease ?? 0))).toEqual([70, 70, 70]);
    expect(response.events.map((event) => numberOf(event.kv?.lease ?? 0))).toEqual([0, 0, 0]);
  });

  test('from a revision in the past: everything since, in order; no header ahead of it', async () => {
    for (let revision = 2; revision < 7; revision++) put('w', `${revision}`);
    const watch = client.watch();
    watch.send({ createRequest: { key: bytes('w'), startRevision: 4 } });
    expect(brief(await watch.next())).toBe('r3 #0 created');
    const seen: string[] = [];
    while (seen.length < 3) {
      const response = await watch.next();
      for (const event of response.events) seen.push(text(event.kv?.value ?? bytes('')));
      const last = response.events.at(-1)?.kv?.modRevision ?? 0;
      expect(numberOf(response.header?.revision ?? 0)).toBeGreaterThanOrEqual(numberOf(last));
    }
    expect(seen).toEqual(['4', '5', '6']);
  });

  test('from a revision still to come: nothing earlier', async () => {
    const watch = client.watch();
    watch.send({ createRequest: { key: bytes('w'), startRevision: 4 } });
    expect(brief(await watch.next())).toBe('r1 #0 created');
    for (let revision = 2; revision < 6; revision++) put('w');
    // Revisions of one turn come together.
    expect(brief(await watch.next())).toBe('r5 #0 +w@4 +w@5');
  });
});

describe('progress', () => {
  test('asked for: -1, after all events, for all watchers', async () => {
    const watch = client.watch();
    watch.send({ progressRequest: {} });
    expect(brief(await watch.next())).toBe('r1 #-1');
    watch.send({ createRequest: { key: bytes('w') } });
    await watch.next();
    put('w');
    put('elsewhere');
    watch.send({ progressRequest: {} });
    expect(brief(await watch.next())).toBe('r3 #0 +w@2');
    expect(brief(await watch.next())).toBe('r3 #-1');
  });

  test('unasked: only to who wants it and has heard nothing', async () => {
    const quick = await Server.start({ progressIntervalMs: 20 });
    try {
      const watch = quick.client().watch();
      watch.send({ createRequest: { key: bytes('w'), watchId: 1 } });
      watch.send({ createRequest: { key: bytes('w'), watchId: 2, progressNotify: true } });
      await watch.next();
      await watch.next();
      for (let notes = 0; notes < 3; notes++) expect(brief(await watch.next())).toBe('r1 #2');
    } finally {
      await quick.stop();
    }
  });
});

describe('bounds', () => {
  test('a revision larger than a request comes in fragments to who allows it, whole to others', async () => {
    const server = await Server.start({ member: new FakeMember({ maxRequestBytes: 10_000 }) });
    // etcd's limit: that of a request and 512 KiB.
    const value = new Uint8Array(60_000);
    try {
      const watch = server.client().watch();
      watch.send({ createRequest: { key: bytes('a'), rangeEnd: bytes('b'), watchId: 1, fragment: true } });
      watch.send({ createRequest: { key: bytes('a'), rangeEnd: bytes('b'), watchId: 2 } });
      await watch.next();
      await watch.next();
      const success = Array.from({ length: 20 }, (_, at) => ({
        type: 'put' as const,
        key: bytes(`a${at}`),
        value,
        lease: 0n,
        prevKv: false,
        ignoreValue: false,
        ignoreLease: false,
      }));
      server.member.apply({ type: 'txn', compares: [], success, failure: [] });
      const parts: Record<number, boolean[]> = { 1: [], 2: [] };
      let events = 0;
      while (events < 40) {
        const response = await watch.next();
        parts[numberOf(response.watchId)]?.push(response.fragment);
        events += response.events.length;
      }
      expect(parts[2]).toEqual([false]);
      expect(parts[1]?.length).toBeGreaterThan(2);
      expect(parts[1]).toEqual(parts[1]?.map((_, at, all) => at < all.length - 1));
    } finally {
      await server.stop();
    }
  });

  test('a reader that stops costs one bounded buffer, holds up nobody, and gets everything when it reads on', async () => {
    const server = await Server.start({ streamBufferBytes: 64 * 1024 });
    try {
      const slow = server.client().watch();
      const quick = server.client().watch();
      for (const watch of [slow, quick]) {
        watch.send({ createRequest: { key: bytes('w') } });
        await watch.next();
      }
      slow.raw.stream.pause();
      const value = 'x'.repeat(100_000);
      let seen = 0;
      for (let round = 0; round < 100; round++) {
        server.member.apply({
          type: 'put',
          key: bytes('w'),
          value: bytes(value),
          lease: 0n,
          prevKv: false,
          ignoreValue: false,
          ignoreLease: false,
        });
        seen += (await quick.next()).events.length;
      }
      expect(seen).toBe(100);
      // 10 MB of events, far less of them on their way.
      const sent = slow.raw.messages.length;
      expect(sent).toBeLessThan(50);
      slow.raw.stream.resume();
      const revisions: number[] = [];
      while (revisions.length < 100) {
        for (const event of (await slow.next()).events) revisions.push(numberOf(event.kv?.modRevision ?? 0));
      }
      expect(revisions).toEqual(Array.from({ length: 100 }, (_, at) => at + 2));
    } finally {
      await server.stop();
    }
  });

  test('10,000 watchers on a stream, and not one more', async () => {
    const watch = client.watch();
    for (let at = 0; at < 10_001; at++) watch.send({ createRequest: { key: bytes(`k${at}`) } });
    for (let at = 0; at < 10_000; at++) await watch.next();
    expect(brief(await watch.next())).toBe('r1 #-1 created canceled etcdserver: too many watchers');
    put('k9999');
    expect(brief(await watch.next())).toBe('r2 #9999 +k9999@2');
  });
});
