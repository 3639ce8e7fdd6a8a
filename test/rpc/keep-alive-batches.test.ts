/** Keep-alives in batches over the wire: the cases of etcd's stream (`lease.test.ts`), many leases a message. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { leasesPerKeepAliveMax } from '../../src/base/limits.ts';
import { bigintOf, int64Of, numberOf } from '../../src/rpc/int64.ts';
import { batchWire, type KeepAliveRequest, type KeepAliveResponse } from '../../src/rpc/keep-alive-batches.ts';
import { wire } from '../../src/rpc/messages.ts';
import { FakeMember } from './fake-member.ts';
import { bytes, Fixture, type TypedStream, until, type WireClient } from './wire-client.ts';

type Stream = TypedStream<KeepAliveRequest, KeepAliveResponse>;

let fixture: Fixture;
let client: WireClient;
const start = async (options: Parameters<typeof Fixture.start>[0] = {}): Promise<void> => {
  await fixture?.stop();
  fixture = await Fixture.start(options);
  client = fixture.client();
};
beforeEach(() => start());
afterEach(async () => {
  await fixture.stop();
  expect(fixture.bugs).toEqual([]);
});

const grant = (id: bigint, ttlMs: number): unknown => fixture.member.apply({ type: 'grant', id, ttlMs });
const pairsOf = ({ ids, ttlMs }: KeepAliveResponse): [bigint, number][] =>
  ids.map((id, at) => [bigintOf(id), numberOf(ttlMs[at] ?? -1)]);

/** The next so many answers, and in how many messages they came. */
async function answers(stream: Stream, count: number): Promise<{ pairs: [bigint, number][]; messages: number }> {
  const pairs: [bigint, number][] = [];
  let messages = 0;
  for (; pairs.length < count; messages++) pairs.push(...pairsOf(await stream.next()));
  expect(pairs).toHaveLength(count);
  return { pairs, messages };
}

/** Two round trips of another call: long enough for an answer to come over loopback if it were sent. */
async function settled(): Promise<void> {
  const message = { ID: 1 };
  const { LeaseTimeToLiveRequest, LeaseTimeToLiveResponse } = wire;
  for (let trips = 0; trips < 2; trips++)
    await client.call('/etcdserverpb.Lease/LeaseTimeToLive', LeaseTimeToLiveRequest, LeaseTimeToLiveResponse, message);
}

describe('answers', () => {
  test('unknown, 0, negative and live ones, in exact milliseconds, on one open stream; EOF ends it with OK', async () => {
    const largest = 2n ** 63n - 1n;
    grant(7n, 10_000);
    grant(-3n, 1_234);
    grant(largest, 9_000_000_000_000);
    const stream = client.keepAliveBatches();
    stream.send({ ids: [99, 0, 7, int64Of(-3n), int64Of(largest), 7] });
    stream.send({ ids: [] });
    stream.send({ ids: [7] });
    stream.raw.end();
    const { pairs } = await answers(stream, 7);
    expect(pairs).toEqual([
      [99n, 0],
      [0n, 0],
      [7n, 10_000],
      [-3n, 1_234],
      [largest, 9_000_000_000_000],
      [7n, 10_000],
      [7n, 10_000],
    ]);
    expect(await stream.raw.status).toMatchObject({ code: 0 });
  });

  test('a revoked lease is 0, others of the batch live on', async () => {
    grant(7n, 10_000);
    grant(8n, 20_000);
    fixture.member.apply({ type: 'revoke', id: 7n });
    const stream = client.keepAliveBatches();
    stream.send({ ids: [7, 8] });
    expect((await answers(stream, 2)).pairs).toEqual([
      [7n, 0],
      [8n, 20_000],
    ]);
    stream.raw.cancel();
  });

  test('a renewal is a renewal: the lease lives for its TTL from now on', async () => {
    grant(7n, 10_000);
    fixture.member.nowMs = 9_000;
    const stream = client.keepAliveBatches();
    stream.send({ ids: [7] });
    await stream.next();
    expect(await fixture.member.timeToLive(7n)).toMatchObject({ remainingMs: 10_000 });
    stream.raw.cancel();
  });

  test('what is answered in one turn leaves in as few messages as the limit allows', async () => {
    const ids = Array.from({ length: leasesPerKeepAliveMax }, (_, at) => at + 1);
    for (const id of ids) grant(BigInt(id), 60_000);
    const stream = client.keepAliveBatches();
    for (let sent = 0; sent < 3; sent++) stream.send({ ids });
    const { pairs, messages } = await answers(stream, 3 * ids.length);
    expect(pairs.map(([id]) => Number(id))).toEqual([...ids, ...ids, ...ids]);
    expect(messages).toBe(3);
    stream.raw.cancel();
  });

  test('more answers in one turn than a message holds: several messages', async () => {
    fixture.member.held.set(7n, []);
    grant(7n, 60_000);
    const stream = client.keepAliveBatches();
    const ids = Array.from({ length: leasesPerKeepAliveMax }, () => 7);
    stream.send({ ids });
    stream.send({ ids: ids.slice(0, 500) });
    const held = fixture.member.held.get(7n) ?? [];
    await until(() => held.length === 1_500, 'all are asked');
    fixture.member.held.delete(7n);
    for (const release of held) release();
    expect((await stream.next()).ids).toHaveLength(leasesPerKeepAliveMax);
    expect((await stream.next()).ids).toHaveLength(500);
    stream.raw.cancel();
  });

  test('a lease that must wait holds up no other, and keeps its own order', async () => {
    grant(7n, 10_000);
    grant(8n, 20_000);
    fixture.member.held.set(7n, []);
    const stream = client.keepAliveBatches();
    stream.send({ ids: [7, 8, 7, 8] });
    expect((await answers(stream, 2)).pairs).toEqual([
      [8n, 20_000],
      [8n, 20_000],
    ]);
    const held = fixture.member.held.get(7n) ?? [];
    stream.raw.end();
    // The later one is answered first; its answer must wait for the earlier one's.
    held[1]?.();
    await settled();
    expect(stream.raw.messages).toHaveLength(0);
    held[0]?.();
    expect((await answers(stream, 2)).pairs).toEqual([
      [7n, 10_000],
      [7n, 10_000],
    ]);
    expect(await stream.raw.status).toMatchObject({ code: 0 });
  });

  test('the header is of before the renewal: the earliest of those in the message', async () => {
    grant(7n, 10_000);
    grant(8n, 10_000);
    fixture.member.held.set(7n, []);
    fixture.member.held.set(8n, []);
    const stream = client.keepAliveBatches();
    stream.send({ ids: [7] });
    await until(() => fixture.member.held.get(7n)?.length === 1, 'the first is asked');
    fixture.member.put('k', '');
    stream.send({ ids: [8] });
    await until(() => fixture.member.held.get(8n)?.length === 1, 'the second is asked');
    fixture.member.put('k', '');
    fixture.member.held.get(8n)?.[0]?.();
    fixture.member.held.get(7n)?.[0]?.();
    const answer = await stream.next();
    expect(pairsOf(answer).map(([id]) => id)).toEqual([7n, 8n]);
    expect(numberOf(answer.header?.revision ?? 0)).toBe(1);
    stream.raw.cancel();
  });
});

describe('ends', () => {
  test('a member that cannot renew ends the stream with a code that clients retry', async () => {
    grant(7n, 10_000);
    fixture.member.refuseWith = 'noLeader';
    const stream = client.keepAliveBatches();
    stream.send({ ids: [7, 8] });
    expect(await stream.raw.status).toEqual({ code: 14, text: 'etcdserver: no leader' });
  });

  test('what was answered before that leaves first', async () => {
    grant(7n, 10_000);
    grant(8n, 10_000);
    fixture.member.held.set(7n, []);
    fixture.member.held.set(8n, []);
    const stream = client.keepAliveBatches();
    stream.send({ ids: [7, 8] });
    await until(() => fixture.member.held.get(8n)?.length === 1, 'both are asked');
    fixture.member.held.get(7n)?.[0]?.();
    await until(() => stream.raw.messages.length === 1, 'one is answered');
    fixture.member.refuseWith = 'timedOut';
    fixture.member.held.get(8n)?.[0]?.();
    expect(await stream.raw.status).toEqual({ code: 14, text: 'etcdserver: request timed out' });
    expect(pairsOf(await stream.next())).toEqual([[7n, 10_000]]);
  });

  test('hasleader: refused while the member knows no leader', async () => {
    fixture.member.leader = 0n;
    const stream = client.keepAliveBatches({ hasleader: 'true' });
    stream.send({ ids: [7] });
    expect(await stream.raw.status).toEqual({ code: 14, text: 'etcdserver: no leader' });
  });

  test('more leases in a message than the limit end the stream, and renew nothing', async () => {
    const ids = Array.from({ length: leasesPerKeepAliveMax + 1 }, () => 7);
    grant(7n, 10_000);
    fixture.member.nowMs = 9_000;
    const stream = client.keepAliveBatches();
    stream.send({ ids });
    expect(await stream.raw.status).toEqual({
      code: 3,
      text: 'leasehold: too many leases in one keep-alive request',
    });
    expect(await fixture.member.timeToLive(7n)).toMatchObject({ remainingMs: 1_000 });
  });

  test('a malformed request ends only its stream', async () => {
    const stream = client.keepAliveBatches();
    stream.raw.write(bytes('\x0a\x09'));
    expect(await stream.raw.status).toEqual({ code: 13, text: 'grpc: error unmarshalling request' });
    await settled();
  });

  test('a vanished client leaves nothing behind, and its stream is counted', async () => {
    grant(7n, 10_000);
    fixture.member.held.set(7n, []);
    const stream = client.keepAliveBatches();
    stream.send({ ids: [7, 7] });
    await until(() => fixture.member.held.get(7n)?.length === 2, 'the renewals are asked');
    stream.raw.cancel();
    expect((await stream.raw.status).code).toBe(1);
    for (const release of fixture.member.held.get(7n) ?? []) release();
    const labels = 'grpc_service="leasehold.v1.Lease",grpc_method="KeepAlive",grpc_type="bidi_stream"';
    const series = `grpc_server_handled_total{${labels},grpc_code="Canceled"} 1`;
    let page = '';
    for (let looks = 0; looks < 100 && !page.includes(series); looks++) {
      ({ text: page } = await fixture.metrics.page());
      await settled();
    }
    expect(page.split('\n')).toContain(series);
  });
});

test('renewals are counted by the lease, not by the message', async () => {
  grant(7n, 10_000);
  const renewals = async (): Promise<number> =>
    Number(/^etcd_debugging_lease_renewed_total (\d+)/m.exec((await fixture.metrics.page()).text)?.[1] ?? 0);
  const before = await renewals();
  const stream = client.keepAliveBatches();
  stream.send({ ids: [7, 7, 9] });
  await answers(stream, 3);
  expect((await renewals()) - before).toBe(2);
  stream.raw.cancel();
});

test('read no further than the cap of unanswered leases, and on when they are answered', async () => {
  await start({ keepAlivesPerStream: 1_000, member: new FakeMember() });
  const { member } = fixture;
  grant(7n, 60_000);
  member.held.set(7n, []);
  const stream = client.keepAliveBatches();
  const ids = Array.from({ length: 100 }, () => 7);
  for (let sent = 0; sent < 300; sent++) stream.send({ ids });
  const held = member.held.get(7n) ?? [];
  await until(() => held.length >= 1_000, 'the cap is reached');
  await settled();
  await settled();
  // And what grpc-js had taken from the socket before it was paused.
  expect(held.length).toBeLessThan(15_000);
  member.held.delete(7n);
  for (const release of held) release();
  await answers(stream, 30_000);
  stream.raw.cancel();
});

test('a reader that takes nothing is asked for no more', async () => {
  grant(7n, 60_000);
  const stream = client.keepAliveBatches();
  stream.raw.stream.pause();
  const request = batchWire.KeepAliveRequest.encode({ ids: Array.from({ length: 1_000 }, () => 7) });
  const sent = 10_000;
  for (let at = 0; at < sent; at++) stream.raw.write(request);
  const received = async (): Promise<number> => {
    const line = (await fixture.metrics.page()).text
      .split('\n')
      .find((each) => each.startsWith('grpc_server_msg_received_total{grpc_service="leasehold.v1.Lease"'));
    return Number(line?.split(' ').at(-1) ?? 0);
  };
  let before = -1;
  let now = await received();
  // It has stopped once two looks, a good many turns apart, see the same.
  while (now === 0 || now !== before) {
    before = now;
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
    now = await received();
  }
  expect(now).toBeLessThan(sent / 2);
  stream.raw.cancel();
});
