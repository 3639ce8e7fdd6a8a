/** Compaction over the wire, and what it does to reads, watches and hashes. Texts and codes are etcd 3.4.23's (C76). */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { numberOf } from '../../src/rpc/int64.ts';
import { type WatchResponse, wire } from '../../src/rpc/messages.ts';
import { FakeMember } from './fake-member.ts';
import { bytes, Fixture, type WireClient } from './wire-client.ts';

let fixture: Fixture;
let client: WireClient;
beforeEach(async () => {
  fixture = await Fixture.start({ member: new FakeMember() });
  client = fixture.client();
});
afterEach(() => fixture.stop());

const compacted = { code: 11, text: 'etcdserver: mvcc: required revision has been compacted' };
const future = { code: 11, text: 'etcdserver: mvcc: required revision is a future revision' };

const compact = (revision: number, physical = false) =>
  client.call('/etcdserverpb.KV/Compact', wire.CompactionRequest, wire.CompactionResponse, { revision, physical });
const put = (name: string, value: string) =>
  client.call('/etcdserverpb.KV/Put', wire.PutRequest, wire.PutResponse, { key: bytes(name), value: bytes(value) });
const del = (name: string) =>
  client.call('/etcdserverpb.KV/DeleteRange', wire.DeleteRangeRequest, wire.DeleteRangeResponse, { key: bytes(name) });
const range = (revision: number) =>
  client.call('/etcdserverpb.KV/Range', wire.RangeRequest, wire.RangeResponse, {
    key: bytes('\0'),
    rangeEnd: bytes('\0'),
    revision,
  });
const hashKv = (revision: number) =>
  client.call('/etcdserverpb.Maintenance/HashKV', wire.HashKVRequest, wire.HashKVResponse, { revision });

describe('Compact', () => {
  test('goes forward only, says at which revision the store is, and answers the physical one too', async () => {
    for (const revision of [-9, -1]) await expect(compact(revision)).rejects.toEqual(compacted);
    await expect(compact(2)).rejects.toEqual(future);
    expect(numberOf((await compact(0)).header?.revision ?? 0)).toBe(1);
    await expect(compact(0)).rejects.toEqual(compacted);
    for (const value of ['1', '2', '3']) await put('a', value);
    expect(numberOf((await compact(3)).header?.revision ?? 0)).toBe(4);
    expect(fixture.member.state.compaction.position).toEqual({ revision: 2, sub: 0 });
    expect(numberOf((await compact(4, true)).header?.revision ?? 0)).toBe(4);
    expect(fixture.member.state.compaction.position).toBeUndefined();
    await expect(compact(4, true)).rejects.toEqual(compacted);
  });

  test('a compaction without an outcome, or without its end, is said to be so', async () => {
    await put('a', '1');
    fixture.member.refuseWith = 'timedOut';
    const timedOut = { code: 14, text: 'etcdserver: request timed out' };
    await expect(compact(2, true)).rejects.toEqual(timedOut);
    fixture.member.refuseWith = undefined;
    fixture.member.sweptRefuses = 'timedOut';
    await expect(compact(2, true)).rejects.toEqual(timedOut);
    await expect(compact(2)).rejects.toEqual(compacted);
  });
});

describe('after it', () => {
  test('reads below are refused, those at the revision answered, hashes from the next one on', async () => {
    for (const value of ['1', '2', '3']) await put('a', value);
    const [hash, now] = [await hashKv(3), await hashKv(0)];
    await compact(3);
    for (const revision of [1, 2]) await expect(range(revision)).rejects.toEqual(compacted);
    expect((await range(3)).kvs.map(({ modRevision }) => numberOf(modRevision))).toEqual([3]);
    await expect(range(5)).rejects.toEqual(future);
    for (const revision of [2, 3]) await expect(hashKv(revision)).rejects.toEqual(compacted);
    expect(hash.hash).not.toBe(now.hash);
    const after = await hashKv(4);
    expect([after.hash, numberOf(after.compactRevision)]).toEqual([now.hash, 3]);
  });

  test('a watch from before is cancelled with the revision, one from there gets all; prev_kv only where it is left', async () => {
    const watch = client.watch();
    const told = async (): Promise<unknown> => {
      const { created, canceled, compactRevision, events, cancelReason }: WatchResponse = await watch.next();
      if (created) return 'created';
      if (canceled) return `canceled ${numberOf(compactRevision)}${cancelReason}`;
      return events.map(({ type, kv, prevKv }) => {
        const previous = prevKv === null ? '' : ` was @${numberOf(prevKv.modRevision)}`;
        return `${type === 1 ? 'delete' : 'put'} @${numberOf(kv?.modRevision ?? 0)}${previous}`;
      });
    };
    const create = (startRevision: number) =>
      watch.send({ createRequest: { key: bytes('\0'), rangeEnd: bytes('\0'), startRevision, prevKv: true } });
    await put('a', '1');
    await put('a', '2');
    await del('a');
    await put('b', '1');
    await put('b', '2');
    for (const revision of [3, 4]) {
      await compact(revision, revision === 4);
      create(revision - 1);
      expect(await told()).toBe('created');
      expect(await told()).toBe(`canceled ${revision}`);
    }
    create(4);
    expect(await told()).toBe('created');
    // etcd 3.4 forgets deletions at the compacted revision; newer ones keep them, as a watch may begin there.
    expect(await told()).toEqual(['delete @4', 'put @5', 'put @6 was @5']);
  });

  test('one that has seen everything goes on, one that lags is cancelled when it is overtaken', async () => {
    const [synced, lagging] = [client.watch(), client.watch()];
    synced.send({ createRequest: { key: bytes('a') } });
    expect((await synced.next()).created).toBe(true);
    await put('a', '1');
    expect((await synced.next()).events.length).toBe(1);
    lagging.send({ createRequest: { key: bytes('a'), startRevision: 3 } });
    expect((await lagging.next()).created).toBe(true);
    // In one step, so that the stream has no chance to read in between.
    for (const value of ['2', '3', '4']) fixture.member.put('a', value);
    fixture.member.apply({ type: 'compact', revision: 5 });
    for (const watch of [synced, lagging]) {
      const { canceled, compactRevision } = await watch.next();
      expect([canceled, numberOf(compactRevision)]).toEqual([true, 5]);
    }
  });
});
