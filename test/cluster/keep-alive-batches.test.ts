/** Keep-alives in batches through real members: what etcd's stream says beside them, in every state of the cluster. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bigintOf, int64Of, numberOf } from '../../src/rpc/int64.ts';
import type { WireClient } from '../rpc/wire-client.ts';
import { type MemberProcess, ProcessCluster, pause } from './processes.ts';
import { Caller, insist, type Line, lineTo } from './wire.ts';

let cluster: ProcessCluster;
let lines: Line[] = [];

beforeAll(async () => {
  cluster = await ProcessCluster.start({ proxied: false });
  await cluster.ready(60_000);
  lines = cluster.members.map((member) => lineTo(member.endpoint));
}, 90_000);
afterAll(async () => {
  for (const line of lines) line.close();
  await cluster.stop();
});

const callers = (): Caller[] => lines.map((line) => new Caller(line.client));

/** TTLs in milliseconds, in the order of `ids`, which are different ones. */
async function renewed(client: WireClient, ids: readonly bigint[]): Promise<number[]> {
  const stream = client.keepAliveBatches();
  stream.send({ ids: ids.map(int64Of) });
  stream.raw.end();
  const found = new Map<bigint, number>();
  while (found.size < ids.length) {
    const { ids: answered, ttlMs } = await stream.next();
    for (const [at, id] of answered.entries()) found.set(bigintOf(id), numberOf(ttlMs[at] ?? -1));
  }
  expect(await stream.raw.status).toMatchObject({ code: 0 });
  return ids.map((id) => found.get(id) ?? -1);
}

test('every member renews, whoever leads: living, unknown and revoked ones', async () => {
  const [one] = callers() as [Caller];
  const living = await Promise.all(Array.from({ length: 500 }, () => one.grant(60)));
  const revoked = await one.grant(60);
  await one.revoke(revoked);
  for (const { client } of lines) {
    const ttls = await renewed(client, [...living, 99n, revoked]);
    expect(ttls).toEqual([...living.map(() => 60_000), 0, 0]);
  }
});

test('a lease that is renewed in batches through each member in turn outlives its TTL, and then ends', async () => {
  const [one] = callers() as [Caller];
  const id = await one.grant(3);
  const fromMs = performance.now();
  for (let at = 0; performance.now() - fromMs < 5_000; at++) {
    expect(await renewed((lines[at % 3] as Line).client, [id])).toEqual([3_000]);
    await pause(200);
  }
  await insist(async () => expect(await one.leases()).not.toContain(id), 10_000);
  for (const { client } of lines) expect(await renewed(client, [id])).toEqual([0]);
}, 60_000);

test('without a majority both streams end alike, and no renewal is told', async () => {
  const [survivor, ...others] = cluster.members as [MemberProcess, MemberProcess, MemberProcess];
  const [one] = callers() as [Caller];
  const { client } = lines[0] as Line;
  const id = await one.grant(600);
  const guard = { hasleader: 'true' };
  const guarded = [client.keepAlive(guard), client.keepAliveBatches(guard)] as const;
  guarded[0].send({ ID: int64Of(id) });
  guarded[1].send({ ids: [int64Of(id)] });
  await Promise.all(guarded.map((stream) => stream.next()));
  await Promise.all(others.map((member) => member.stop('SIGKILL')));
  const [single, batches] = [client.keepAlive(), client.keepAliveBatches()];
  single.send({ ID: int64Of(id) });
  batches.send({ ids: [int64Of(id)] });
  const noLeader = { code: 14, text: 'etcdserver: no leader' };
  const ends = await Promise.all([single, batches, ...guarded].map((stream) => stream.raw.status));
  expect(ends).toEqual([noLeader, noLeader, noLeader, noLeader]);
  expect([single, batches].map((stream) => stream.raw.messages.length)).toEqual([0, 0]);
  expect(survivor.running).toBe(true);
  for (const member of others) member.start();
  await cluster.ready(60_000);
  expect(await insist(() => renewed(client, [id]))).toEqual([600_000]);
}, 120_000);
