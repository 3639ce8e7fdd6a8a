/**
 * Locks and elections over three real members: queues whose callers are everywhere, sessions that die, callers that go, members
 * that are killed and cut off (C56, C58, C70, C71; F1–F5).
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { queueWire } from '../../src/rpc/queue-messages.ts';
import { type Fields, observe, type Plain, plainCall } from '../rpc/plain-call.ts';
import { bytes, type Status, type WireClient } from '../rpc/wire-client.ts';
import { type MemberProcess, ProcessCluster } from './processes.ts';
import { insist, type Line, lineTo, settledDigests } from './wire.ts';

const waiters = Number(process.env['WAITERS'] ?? 50);

let cluster: ProcessCluster;
const lines: Line[] = [];

beforeAll(async () => {
  cluster = await ProcessCluster.start({ electionMs: 1_000 });
  await cluster.ready(60_000);
}, 90_000);
afterAll(async () => {
  await cluster.stop();
});
afterEach(() => {
  for (const line of lines.splice(0)) line.close();
});

function clientOf(member: MemberProcess | undefined): WireClient {
  if (member === undefined) throw new Error('no such member');
  const line = lineTo(member.endpoint);
  lines.push(line);
  return line.client;
}

/** The answer; throws the status if it is not OK. */
async function ok(client: WireClient, method: string, fields: Fields, timeoutMs = 30_000): Promise<Plain> {
  const answer = await plainCall(client, method, fields, timeoutMs);
  if ('code' in answer) throw answer;
  return answer;
}

let lastLease = 0x1000;
async function session(client: WireClient, ttlSeconds = 600): Promise<number> {
  const lease = ++lastLease;
  await insist(() => ok(client, 'Lease/LeaseGrant', { ID: lease, TTL: ttlSeconds }, 5_000));
  return lease;
}

const keyOf = (name: string, lease: number): string => `${name}/${lease.toString(16)}`;
const keysUnder = async (client: WireClient, name: string): Promise<readonly Plain[]> =>
  (await ok(client, 'KV/Range', { key: `${name}/`, rangeEnd: `${name}0` }))['kvs'] as readonly Plain[];
const countUnder = async (client: WireClient, name: string): Promise<number> => (await keysUnder(client, name)).length;
const revisionOf = (answer: Plain): number => (answer['header'] as { revision: number }).revision;

async function queued(client: WireClient, name: string, count: number): Promise<void> {
  await insist(async () => expect(await countUnder(client, name)).toBe(count));
}

describe('F1, F3, C70: a queue', () => {
  test(`${waiters} callers on three members: served in their order, one at a time`, async () => {
    const clients = cluster.members.map((member) => clientOf(member));
    const [first] = clients as [WireClient];
    const order: number[] = [];
    const tokens: number[] = [];
    let inside = 0;
    const work = async (client: WireClient, place: number, lease: number): Promise<void> => {
      await ok(client, 'Lock/Lock', { name: 'hall', lease }, 60_000);
      expect(++inside).toBe(1);
      order.push(place);
      const key = keyOf('hall', lease);
      const [own] = (await ok(client, 'KV/Range', { key }))['kvs'] as readonly Plain[];
      const token = Number(own?.['createRevision']);
      tokens.push(token);
      // F2, F4: what it guards takes the token of the owner, and only while it owns.
      const guarded = {
        compare: [{ key, target: 1, result: 0, createRevision: token }],
        success: [{ requestPut: { key: 'guarded', value: String(token) } }],
      };
      expect((await ok(client, 'KV/Txn', guarded))['succeeded']).toBe(true);
      inside--;
      await ok(client, 'Lock/Unlock', { key });
      expect((await ok(client, 'KV/Txn', guarded))['succeeded']).not.toBe(true);
    };
    const gate = await session(first);
    await ok(first, 'Lock/Lock', { name: 'hall', lease: gate });
    const works: Promise<void>[] = [];
    for (let place = 0; place < waiters; place++) {
      const client = clients[place % clients.length] as WireClient;
      works.push(work(client, place, await session(client)));
      await queued(first, 'hall', place + 2);
    }
    await ok(first, 'Lock/Unlock', { key: keyOf('hall', gate) });
    await Promise.all(works);
    expect(order).toEqual([...order.keys()]);
    expect(tokens).toEqual([...tokens].sort((a, b) => a - b));
    expect(new Set(tokens).size).toBe(waiters);
    expect(await countUnder(first, 'hall')).toBe(0);
  }, 120_000);

  test('nobody renews the holder: when its lease expires the lock goes on', async () => {
    const [one, two] = cluster.members.map((member) => clientOf(member)) as [WireClient, WireClient];
    const holder = await session(one, 2);
    const heir = await session(two);
    await ok(one, 'Lock/Lock', { name: 'room', lease: holder });
    const answer = await ok(two, 'Lock/Lock', { name: 'room', lease: heir });
    expect(answer['key']).toBe(keyOf('room', heir));
    expect(await countUnder(two, 'room')).toBe(1);
    await ok(two, 'Lock/Unlock', { key: keyOf('room', heir) });
  });
});

describe('C56, C58: on every member', () => {
  test('a waiter whose lease expires hears of it, while the holder stays', async () => {
    for (const member of cluster.members) {
      const client = clientOf(member);
      const [holder, waiter] = [await session(client), await session(client, 2)];
      await ok(client, 'Lock/Lock', { name: 'desk', lease: holder });
      const answer = await plainCall(client, 'Lock/Lock', { name: 'desk', lease: waiter }, 30_000);
      expect(answer).toEqual({ code: 2, text: 'mutex: session is expired' });
      expect(await countUnder(client, 'desk')).toBe(1);
      await ok(client, 'Lock/Unlock', { key: keyOf('desk', holder) });
    }
  });

  test('a caller that goes away, or is late, leaves no key', async () => {
    for (const member of cluster.members) {
      const client = clientOf(member);
      const [holder, waiter] = [await session(client), await session(client)];
      await ok(client, 'Lock/Lock', { name: 'seat', lease: holder });
      const late = await plainCall(client, 'Lock/Lock', { name: 'seat', lease: waiter }, 300);
      expect(late).toMatchObject({ code: 4 });
      await queued(client, 'seat', 1);
      const stream = client.serverStream(
        '/v3electionpb.Election/Campaign',
        queueWire.CampaignRequest.encode({ name: bytes('seat'), lease: waiter }),
      );
      await queued(client, 'seat', 2);
      stream.cancel();
      await queued(client, 'seat', 1);
      await ok(client, 'Lock/Unlock', { key: keyOf('seat', holder) });
    }
  });

  test('F3: a member that was cut off does not give the lock to a session that died meanwhile', async () => {
    const leader = await cluster.leader();
    const cut = cluster.members.find((member) => member !== leader) as MemberProcess;
    const [there, here] = [clientOf(leader), clientOf(cut)];
    const [holder, waiter] = [await session(there), await session(there)];
    await ok(there, 'Lock/Lock', { name: 'gate', lease: holder });
    const waiting = plainCall(here, 'Lock/Lock', { name: 'gate', lease: waiter }, 60_000);
    await queued(there, 'gate', 2);
    cluster.cutPeers(cut.name, true);
    try {
      await insist(() => ok(there, 'Lease/LeaseRevoke', { ID: holder }));
      await insist(() => ok(there, 'Lease/LeaseRevoke', { ID: waiter }));
    } finally {
      cluster.heal();
    }
    expect(await waiting).toEqual({ code: 2, text: 'mutex: session is expired' });
  }, 90_000);
});

test('a member goes down in good order: who waited there asks elsewhere and keeps its place', async () => {
  const leader = await cluster.leader();
  const leaving = cluster.members.find((member) => member !== leader) as MemberProcess;
  const [there, here] = [clientOf(leader), clientOf(leaving)];
  const [holder, first, second] = [await session(there), await session(there), await session(there)];
  await ok(there, 'Lock/Lock', { name: 'port', lease: holder });
  const cutShort = plainCall(here, 'Lock/Lock', { name: 'port', lease: first }, 60_000);
  await queued(there, 'port', 2);
  const behind = plainCall(there, 'Lock/Lock', { name: 'port', lease: second }, 60_000);
  await queued(there, 'port', 3);
  const watching = here.watch();
  watching.send({ createRequest: { key: bytes('port/') } });
  await watching.next();
  await leaving.stop('SIGTERM');
  // Not Canceled: etcd's clients would take that for their own wish, and go on nowhere.
  expect(await cutShort).toMatchObject({ code: 14 });
  expect(await watching.raw.status).toMatchObject({ code: 14 });
  const again = plainCall(there, 'Lock/Lock', { name: 'port', lease: first }, 60_000);
  await ok(there, 'Lock/Unlock', { key: keyOf('port', holder) });
  expect(await again).toMatchObject({ key: keyOf('port', first) });
  await ok(there, 'Lock/Unlock', { key: keyOf('port', first) });
  expect(await behind).toMatchObject({ key: keyOf('port', second) });
  leaving.start();
  await cluster.ready(60_000);
}, 90_000);

describe('F5, C71: a leader dies', () => {
  test('those who wait on the others go on, those it served ask again and keep their place; observers miss nothing', async () => {
    const killed = await cluster.leader();
    const others = cluster.members.filter((member) => member !== killed);
    const [one, two] = others.map((member) => clientOf(member)) as [WireClient, WireClient];
    const orphan = clientOf(killed);
    const campaign = (client: WireClient, lease: number, value: string): Promise<Plain | Status> =>
      plainCall(client, 'Election/Campaign', { name: 'chair', lease, value }, 60_000);
    const seen: string[] = [];
    const observer = observe(one, 'chair');
    const observing = (async () => {
      while (seen.length < 3) seen.push((await observer.next()).split(' ')[0] as string);
    })();
    const leases = [await session(one), await session(orphan), await session(two)] as const;
    const won = await campaign(one, leases[0], 'A');
    expect(won).toMatchObject({ leader: { key: keyOf('chair', leases[0]) } });
    const cutShort = campaign(orphan, leases[1], 'B');
    await queued(one, 'chair', 2);
    const waiting = campaign(two, leases[2], 'C');
    await queued(one, 'chair', 3);

    await killed.stop('SIGKILL');
    expect(await cutShort).toMatchObject({ code: 14 });
    // Its key is still where it was: asked again elsewhere, it does not go to the end.
    const again = campaign(two, leases[1], 'B');
    const { leader } = won as { leader: Fields };
    await insist(() => ok(one, 'Election/Resign', { leader }, 5_000));
    expect(await again).toMatchObject({ leader: { key: keyOf('chair', leases[1]) } });
    const stale = await plainCall(one, 'Election/Proclaim', { leader, value: 'late' });
    expect(stale).toEqual({ code: 2, text: 'election: not leader' });
    await insist(() => ok(two, 'Lease/LeaseRevoke', { ID: leases[1] }, 5_000));
    const last = (await waiting) as Plain;
    expect(last).toMatchObject({ leader: { key: keyOf('chair', leases[2]) } });
    expect(revisionOf(last)).toBeGreaterThan(0);
    await observing;
    expect(seen).toEqual([leases[0], leases[1], leases[2]].map((lease, i) => `${keyOf('chair', lease)}=${'ABC'[i]}`));

    killed.start();
    await cluster.ready(60_000);
    expect((await settledDigests(cluster)).size).toBe(1);
  }, 120_000);
});
