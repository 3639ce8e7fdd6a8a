/** Lease over the wire (conformance C1–C7, C10, C13, C30, C67). Texts compared with etcd 3.4.23 on 2026-11-22. */
import { once } from 'node:events';
import { connect } from 'node:http2';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bigintOf, int64Of, numberOf } from '../../src/rpc/int64.ts';
import { wire } from '../../src/rpc/messages.ts';
import { bytes, Fixture, text, until, type WireClient } from './wire-client.ts';

let fixture: Fixture;
let client: WireClient;

beforeEach(async () => {
  fixture = await Fixture.start();
  client = fixture.client();
});
afterEach(async () => {
  await fixture.stop();
  expect(fixture.bugs).toEqual([]);
});

const grant = async (ttl: bigint, id = 0n) => {
  const message = { TTL: int64Of(ttl), ID: int64Of(id) };
  const answer = await client.call(
    '/etcdserverpb.Lease/LeaseGrant',
    wire.LeaseGrantRequest,
    wire.LeaseGrantResponse,
    message,
  );
  return { id: bigintOf(answer.ID), ttl: numberOf(answer.TTL), revision: numberOf(answer.header?.revision ?? 0) };
};
const revoke = (id: bigint) =>
  client.call('/etcdserverpb.Lease/LeaseRevoke', wire.LeaseRevokeRequest, wire.LeaseRevokeResponse, {
    ID: int64Of(id),
  });
const timeToLive = async (id: bigint, keys = false) => {
  const message = { ID: int64Of(id), keys };
  const answer = await client.call(
    '/etcdserverpb.Lease/LeaseTimeToLive',
    wire.LeaseTimeToLiveRequest,
    wire.LeaseTimeToLiveResponse,
    message,
  );
  return { ttl: numberOf(answer.TTL), granted: numberOf(answer.grantedTTL), keys: answer.keys.map(text) };
};
const maxInt64 = 2n ** 63n - 1n;

describe('grant', () => {
  test('C1: short, zero and negative TTLs are raised to the smallest', async () => {
    for (const ttl of [0n, -5n, 1n, 2n, -(2n ** 63n)]) expect((await grant(ttl)).ttl).toBe(2);
    expect((await grant(60n)).ttl).toBe(60);
  });

  test('C2: id 0 gets a positive id of its own; no revision is used', async () => {
    const granted = await Promise.all([grant(10n), grant(10n), grant(10n)]);
    expect(new Set(granted.map((one) => one.id)).size).toBe(3);
    for (const one of granted) expect(one.id > 0n && one.revision === 1).toBe(true);
  });

  test('C3, C4, C5: taken ids, the largest TTL, ids of every sign', async () => {
    expect(await grant(30n, 7n)).toMatchObject({ id: 7n, ttl: 30 });
    await expect(grant(100n, 7n)).rejects.toEqual({ code: 9, text: 'etcdserver: lease already exists' });
    expect((await timeToLive(7n)).granted).toBe(30);
    expect((await grant(9_000_000_000n, 8n)).ttl).toBe(9_000_000_000);
    for (const ttl of [9_000_000_001n, maxInt64]) {
      await expect(grant(ttl, 9n)).rejects.toEqual({ code: 11, text: 'etcdserver: too large lease TTL' });
    }
    for (const id of [-1n, -(2n ** 63n), maxInt64]) expect((await grant(5n, id)).id).toBe(id);
    const leases = await client.call(
      '/etcdserverpb.Lease/LeaseLeases',
      wire.LeaseLeasesRequest,
      wire.LeaseLeasesResponse,
      {},
    );
    expect(new Set(leases.leases.map((one) => bigintOf(one.ID)))).toEqual(
      new Set([7n, 8n, -1n, -(2n ** 63n), maxInt64]),
    );
  });

  test('no space: refused with etcd’s text', async () => {
    fixture.member.refuseWith = 'noSpace';
    await expect(grant(10n)).rejects.toEqual({ code: 8, text: 'etcdserver: mvcc: database space exceeded' });
  });
});

describe('revoke and time to live', () => {
  test('C6, C7: unknown is NotFound, a lease without keys leaves no revision', async () => {
    for (const id of [12_345n, 0n]) {
      await expect(revoke(id)).rejects.toEqual({ code: 5, text: 'etcdserver: requested lease not found' });
    }
    await grant(10n, 7n);
    expect(numberOf((await revoke(7n)).header?.revision ?? 0)).toBe(1);
    await expect(revoke(7n)).rejects.toMatchObject({ code: 5 });
  });

  test('C10: of an unknown lease: OK, TTL -1, granted 0', async () => {
    for (const id of [0n, 5n]) expect(await timeToLive(id, true)).toEqual({ ttl: -1, granted: 0, keys: [] });
  });

  test('C13: whole seconds, cut towards zero; negative when overdue; keys in byte order, after a barrier', async () => {
    await grant(10n, 7n);
    for (const name of ['c', 'a\xff', 'a', 'b']) {
      fixture.member.apply({
        type: 'put',
        key: bytes(name),
        value: bytes(''),
        lease: 7n,
        prevKv: false,
        ignoreValue: false,
        ignoreLease: false,
      });
    }
    const { barriers } = fixture.member;
    expect(await timeToLive(7n)).toEqual({ ttl: 10, granted: 10, keys: [] });
    expect(fixture.member.barriers).toBe(barriers);
    fixture.member.nowMs = 1;
    expect(await timeToLive(7n, true)).toEqual({ ttl: 9, granted: 10, keys: ['a', 'a\xff', 'b', 'c'] });
    expect(fixture.member.barriers).toBe(barriers + 1);
    fixture.member.nowMs = 9_500;
    expect((await timeToLive(7n)).ttl).toBe(0);
    fixture.member.nowMs = 10_900;
    expect((await timeToLive(7n)).ttl).toBe(0);
    fixture.member.nowMs = 11_000;
    expect((await timeToLive(7n)).ttl).toBe(-1);
  });

  test('a member that cannot say is Unavailable, never -1', async () => {
    await grant(10n, 7n);
    fixture.member.refuseWith = 'noLeader';
    await expect(timeToLive(7n)).rejects.toEqual({ code: 14, text: 'etcdserver: no leader' });
  });
});

describe('keep-alive', () => {
  test('C30: unknown, 0 and live in order on one open stream; EOF ends it with OK', async () => {
    await grant(10n, 7n);
    const stream = client.keepAlive();
    for (const ID of [99, 0, 7, 7]) stream.send({ ID });
    stream.raw.end();
    const seen: [number, number][] = [];
    for (let answers = 0; answers < 4; answers++) {
      const answer = await stream.next();
      seen.push([numberOf(answer.ID), numberOf(answer.TTL)]);
    }
    expect(seen).toEqual([
      [99, 0],
      [0, 0],
      [7, 10],
      [7, 10],
    ]);
    expect(await stream.raw.status).toEqual({ code: 0, text: '' });
  });

  test('C67: a lease that must wait holds up no other, and keeps its own order', async () => {
    await grant(10n, 7n);
    await grant(20n, 8n);
    fixture.member.held.set(7n, []);
    const stream = client.keepAlive();
    for (const ID of [7, 8, 7, 8, 8]) stream.send({ ID });
    for (let answers = 0; answers < 3; answers++) expect(numberOf((await stream.next()).ID)).toBe(8);
    const held = fixture.member.held.get(7n) ?? [];
    expect(held).toHaveLength(2);
    stream.raw.end();
    // The later one is answered first; its answer must wait for the earlier one's.
    held[1]?.();
    await expect(Promise.race([stream.next(), settled()])).resolves.toBe('nothing');
    fixture.member.apply({
      type: 'put',
      key: bytes('k'),
      value: bytes(''),
      lease: 0n,
      prevKv: false,
      ignoreValue: false,
      ignoreLease: false,
    });
    held[0]?.();
    await until(() => stream.raw.messages.length > 0, 'the second answer is there');
    expect(await stream.raw.status).toMatchObject({ code: 0 });
  });

  test('the header is taken before the renewal', async () => {
    await grant(10n, 7n);
    fixture.member.held.set(7n, []);
    const stream = client.keepAlive();
    stream.send({ ID: 7 });
    await until(() => fixture.member.held.get(7n)?.length === 1, 'the renewal is asked');
    fixture.member.apply({
      type: 'put',
      key: bytes('k'),
      value: bytes(''),
      lease: 0n,
      prevKv: false,
      ignoreValue: false,
      ignoreLease: false,
    });
    fixture.member.held.get(7n)?.[0]?.();
    expect(numberOf((await stream.next()).header?.revision ?? 0)).toBe(1);
    stream.raw.cancel();
  });

  test('C16: a member that cannot renew ends the stream with a code that clients retry', async () => {
    await grant(10n, 7n);
    fixture.member.refuseWith = 'noLeader';
    const stream = client.keepAlive();
    stream.send({ ID: 7 });
    expect(await stream.raw.status).toEqual({ code: 14, text: 'etcdserver: no leader' });
  });

  test('a malformed request ends only its stream', async () => {
    const stream = client.keepAlive();
    stream.raw.write(bytes('\x0a\x09'));
    expect(await stream.raw.status).toEqual({ code: 13, text: 'grpc: error unmarshalling request' });
    expect((await grant(10n)).ttl).toBe(10);
  });

  test('a stream that ends at its deadline is counted as that', async () => {
    // Unlike grpc-js it does not give its call up itself.
    const late = connect(`http://127.0.0.1:${fixture.port}`);
    const fields = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers', 'grpc-timeout': '20m' };
    const stream = late.request({ ...fields, ':path': '/etcdserverpb.Lease/LeaseKeepAlive' });
    const [head] = await once(stream, 'response');
    late.destroy();
    expect(head['grpc-status']).toBe('4');
    const { text: page } = await fixture.metrics.page();
    expect(page).toMatch(/grpc_server_handled_total\{[^}]*"LeaseKeepAlive"[^}]*"DeadlineExceeded"\} 1/);
    expect(page).toMatch(/grpc_server_handled_total\{[^}]*"LeaseKeepAlive"[^}]*"Canceled"\} 0/);
  });

  test('a vanished client leaves nothing behind', async () => {
    await grant(10n, 7n);
    fixture.member.held.set(7n, []);
    const stream = client.keepAlive();
    stream.send({ ID: 7 });
    await until(() => fixture.member.held.get(7n)?.length === 1, 'the renewal is asked');
    stream.raw.cancel();
    expect((await stream.raw.status).code).toBe(1);
    fixture.member.held.get(7n)?.[0]?.();
    const labels = 'grpc_service="etcdserverpb.Lease",grpc_method="LeaseKeepAlive",grpc_type="bidi_stream"';
    const series = `grpc_server_handled_total{${labels},grpc_code="Canceled"} 1`;
    let page = '';
    for (let looks = 0; looks < 100 && !page.includes(series); looks++) {
      ({ text: page } = await fixture.metrics.page());
      await timeToLive(1n);
    }
    expect(
      page.split('\n').filter((line) => line.includes(labels) && line.startsWith('grpc_server_handled')),
    ).toContain(series);
  });
});

/** Long enough for an answer to come over loopback if it were sent: two round trips of another call. */
async function settled(): Promise<'nothing'> {
  await timeToLive(1n);
  await timeToLive(1n);
  return 'nothing';
}
