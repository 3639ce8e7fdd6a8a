/**
 * The same scripted calls of locks and elections to a real etcd and to us: codes, texts, keys, revisions, leases must be equal
 * (C70, C71). Ids that a server chose are masked. Runs where `etcd` is installed.
 */
import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { etcdInstalled, RealEtcd } from '../support/real-etcd.ts';
import { FakeMember } from './fake-member.ts';
import { type Fields, observe, plainCall, plainStream } from './plain-call.ts';
import { Fixture, WireClient } from './wire-client.ts';

let fixture: Fixture;
let etcd: { client: WireClient; channel: grpc.Client; server: RealEtcd };

beforeAll(async () => {
  let lastId = 2n ** 61n;
  fixture = await Fixture.start({ member: new FakeMember({ newLeaseId: () => ++lastId }) });
  if (!etcdInstalled) return;
  const server = await RealEtcd.start();
  const channel = new grpc.Client(server.address, grpc.credentials.createInsecure());
  etcd = { client: new WireClient(channel), channel, server };
});
afterAll(async () => {
  await fixture.stop();
  if (!etcdInstalled) return;
  etcd.channel.close();
  etcd.server.stop();
});

/** Ids of 13 and more digits, and hexadecimal ones as they stand in keys. */
function masked(value: unknown): unknown {
  const json = JSON.stringify(value, (_name, field) => (typeof field === 'number' && field > 1e12 ? 'id' : field));
  return JSON.parse(json.replaceAll(/"\d{13,}"/g, '"id"').replaceAll(/\/[0-9a-f]{9,16}"/g, '/id"'));
}

/** 'leaves': it waits for somebody, and its caller goes away. */
const calls: readonly (readonly [string, Fields, 'leaves'?])[] = [
  ['Lease/LeaseGrant', { ID: 0x1f, TTL: 60 }],
  ['Lease/LeaseGrant', { ID: 0x20, TTL: 60 }],
  ['Lease/LeaseGrant', { ID: -5, TTL: 60 }],
  ['Lock/Lock', { name: 'm', lease: 99 }],
  ['Lock/Lock', { name: 'm', lease: 0x1f }],
  ['Lock/Lock', { name: 'm', lease: 0x1f }],
  ['Lock/Lock', { name: 'n', lease: -5 }],
  ['Lock/Lock', { name: '', lease: 0x1f }],
  ['KV/Range', { key: '\0', rangeEnd: '\0' }],
  ['Lock/Lock', { name: 'auto' }],
  ['KV/Range', { key: 'auto/', rangeEnd: 'auto0' }],
  ['Lock/Unlock', { key: 'nobody' }],
  ['Lock/Unlock', { key: '' }],
  ['Lock/Unlock', {}],
  // Waits for 0x1f: one revision in, one out.
  ['Lock/Lock', { name: 'm', lease: 0x20 }, 'leaves'],
  ['KV/Range', { key: 'm/', rangeEnd: 'm0' }],
  ['Lock/Unlock', { key: 'm/1f' }],
  ['Lock/Lock', { name: 'm', lease: 0x20 }],
  // Whatever lies under the name is in the queue.
  ['KV/Put', { key: 'q/other/thing', value: 'x' }],
  ['Lock/Lock', { name: 'q', lease: 0x20 }, 'leaves'],
  ['Lock/Lock', { name: 'q/other', lease: 0x20 }, 'leaves'],

  ['Election/Leader', { name: 'e' }],
  ['Election/Leader', {}],
  ['Election/Proclaim', {}],
  ['Election/Resign', {}],
  ['Election/Proclaim', { leader: {}, value: 'v' }],
  ['Election/Resign', { leader: {} }],
  ['Election/Campaign', { name: 'e', lease: 99, value: 'v' }],
  ['Election/Campaign', { name: 'e', lease: 0x1f, value: 'v' }],
  ['Election/Campaign', { name: 'e', lease: 0x1f, value: 'v' }],
  ['Election/Campaign', { name: 'e', lease: 0x1f, value: 'w' }],
  ['Election/Leader', { name: 'e' }],
  ['Election/Campaign', { name: 'e', lease: 0x20, value: 'x' }, 'leaves'],
  ['KV/Range', { key: 'e/', rangeEnd: 'e0' }],
  ['Election/Proclaim', { leader: { name: 'e', key: 'e/1f', rev: 2, lease: 0x1f }, value: 'y' }],
  ['Election/Proclaim', { leader: { name: 'e', key: 'e/1f', rev: 0, lease: 0x1f }, value: 'y' }],
  ['Election/Proclaim', { leader: { name: 'e', key: 'f/1f', rev: 0, lease: 0x1f }, value: 'y' }],
  ['Election/Leader', { name: 'f' }],
  ['Election/Resign', { leader: { name: 'e', key: 'e/1f', rev: 2, lease: 0x1f } }],
  ['Election/Resign', { leader: { name: 'e', key: 'e/7', rev: 2, lease: 7 } }],
  ['Election/Leader', { name: 'e' }],
  ['Election/Campaign', { name: 'big', lease: 0x1f, value: new Uint8Array(1_600_000) }],
  ['KV/Range', { key: 'big/', rangeEnd: 'big0' }],
  ['Election/Campaign', { name: 'auto', value: 'v' }, 'leaves'],
  ['Lease/LeaseRevoke', { ID: 0x1f }],
  ['Election/Leader', { name: 'e' }],
  ['KV/Range', { key: '\0', rangeEnd: '\0' }],
];

/** The call enters a queue behind somebody, is cancelled there, and its key goes. */
async function waitAndLeave(client: WireClient, method: string, fields: Fields): Promise<void> {
  const queue = `${String(fields['name'])}/`;
  const count = async (): Promise<unknown> => {
    const answer = await plainCall(client, 'KV/Range', { key: queue, rangeEnd: `${queue.slice(0, -1)}0` });
    return 'count' in answer ? answer['count'] : answer;
  };
  const before = Number(await count());
  const call = plainStream(client, method, fields);
  await expect.poll(count, { timeout: 10_000, message: `${method} ${queue} waits` }).toBe(before + 1);
  call.cancel();
  await expect.poll(count, { timeout: 10_000, message: `${method} ${queue} has left` }).toBe(before);
}

test.skipIf(!etcdInstalled)(
  'C70, C71: every call of a script is answered as by etcd',
  { timeout: 60_000 },
  async () => {
    const ours = fixture.client();
    const both = async (method: string, fields: Fields, timeoutMs?: number): Promise<void> => {
      const theirs = await plainCall(etcd.client, method, fields, timeoutMs);
      const mine = await plainCall(ours, method, fields, timeoutMs);
      expect(masked(mine), `${method} ${JSON.stringify(fields).slice(0, 200)}`).toEqual(masked(theirs));
    };
    for (const [method, fields, leaves] of calls) {
      if (leaves === undefined) await both(method, fields);
      else for (const client of [etcd.client, ours]) await waitAndLeave(client, method, fields);
    }

    // A leader's own key, by what Campaign said of it.
    const keys: Fields[] = [];
    for (const client of [etcd.client, ours]) {
      await plainCall(client, 'Lease/LeaseGrant', { ID: 0x30, TTL: 60 });
      const won = await plainCall(client, 'Election/Campaign', { name: 'g', lease: 0x30, value: 'a' });
      keys.push((won as { leader: Fields }).leader);
    }
    const [leader = {}] = keys;
    expect(keys[1]).toEqual(leader);
    await both('Election/Proclaim', { leader, value: 'b' });
    await both('Election/Proclaim', { leader: { ...leader, lease: 99 }, value: 'c' });
    await both('Election/Proclaim', { leader: { ...leader, lease: 0 }, value: 'd' });
    await both('Election/Leader', { name: 'g' });
    await both('Election/Resign', { leader });
    await both('Election/Resign', { leader });
    await both('Election/Proclaim', { leader, value: 'e' });
  },
);

test.skipIf(!etcdInstalled)('C71: an observer is told the same', { timeout: 60_000 }, async () => {
  const streams = [etcd.client, fixture.client()].map((client) => ({ client, observer: observe(client, 'o') }));
  // Each change waits until it was seen: etcd leaves out what happens while it looks for the next leader.
  const changes: readonly (readonly [string, Fields, boolean])[] = [
    ['KV/Put', { key: 'o/a', value: 'A1' }, true],
    ['KV/Put', { key: 'o/b', value: 'B1' }, false],
    ['KV/Put', { key: 'o/a', value: 'A2' }, true],
    ['KV/Put', { key: 'o/b', value: 'B2' }, false],
    ['KV/DeleteRange', { key: 'o/a' }, true],
    ['KV/Put', { key: 'o/b', value: 'B3' }, true],
    ['KV/DeleteRange', { key: 'o/b' }, false],
    ['KV/Put', { key: 'o/c', value: 'C1' }, true],
    ['KV/Put', { key: 'o/c', value: 'C1' }, true],
  ];
  const relative = (seen: string, base: number): string =>
    seen.replaceAll(/(c|m|at )(\d+)/g, (_all, word: string, at: string) => `${word}${Number(at) - base}`);
  const told: string[][] = [];
  for (const { client, observer } of streams) {
    const start = await plainCall(client, 'KV/Put', { key: 'start' });
    const base = (start as { header: { revision: number } }).header.revision;
    const heard: string[] = [];
    for (const [method, fields, shows] of changes) {
      await plainCall(client, method, fields);
      if (shows) heard.push(relative(await observer.next(), base));
    }
    observer.raw.cancel();
    told.push(heard);
  }
  expect(told[1]).toEqual(told[0]);
  expect(told[1]?.[2]).toBe('o/b=B2 c2 m4 at 5');
});
