/** A view's map and its changes, message by message. */
import { getEventListeners } from 'node:events';
import { beforeEach, expect, test } from 'vitest';
import { type Change, Client, type View } from '../../../src/client/client.ts';
import { CallFailure, grpcCodes } from '../../../src/client/errors.ts';
import { FakeClock, FakeMembers, settled } from '../fake-members.ts';

let clock: FakeClock;
let members: FakeMembers;
let client: Client;

beforeEach(() => {
  clock = new FakeClock();
  members = new FakeMembers();
  client = new Client({ endpoints: ['a:1'], clock, connect: members.connect });
  return () => client.close();
});

/** What is there, as a member lists it. */
function listed(revision: bigint, there: Readonly<Record<string, bigint>>): void {
  const kvs = Object.entries(there).map(([key, modRevision]) => ({ key: Buffer.from(key), modRevision }));
  members.onRange = () => ({ header: { revision }, kvs });
}

/** A view of a and b at revision 10, whose watch has id 1. */
async function opened(): Promise<View> {
  listed(10n, { a: 5n, b: 6n });
  const view = await client.view({ all: true });
  await settled();
  members.stream.created(1n, 10n);
  return view;
}

function deletes(key: string, modRevision: bigint): void {
  members.stream.tell({ watchId: 1n, events: [{ type: 1, kv: { key: Buffer.from(key), modRevision } }] });
}

const shown = ({ type, keyText, kv, prev }: Change): string =>
  `${type} ${keyText} ${prev?.modRevision ?? '-'}>${kv?.modRevision ?? '-'}`;

test('who lags is told the newest of each key, and nothing of what came and went meanwhile', async () => {
  const view = await opened();
  const changes = view.changes();
  const first = changes.next();
  members.stream.puts(1n, [['a', 11n]]);
  expect(shown((await first).value as Change)).toBe('put a 5>11');
  members.stream.puts(1n, [
    ['a', 12n],
    ['c', 13n],
    ['a', 14n],
    ['d', 15n],
  ]);
  deletes('c', 16n);
  deletes('b', 17n);
  await settled();
  expect(view.revision).toBe(17n);
  view.close();
  const told: string[] = [];
  for await (const change of changes) told.push(shown(change));
  expect(told).toEqual(['put a 11>14', 'put d ->15', 'delete b 6>-']);
  expect(view.entries().map(({ keyText }) => keyText)).toEqual(['a', 'd']);
});

test('a resync is told as what differs', async () => {
  const view = await opened();
  const changes = view.changes();
  const first = changes.next();
  listed(20n, { b: 6n, c: 19n });
  members.stream.tell({ watchId: 1n, canceled: true, compactRevision: 15n });
  await settled();
  expect([shown((await first).value as Change), shown((await changes.next()).value as Change)].sort()).toEqual([
    'delete a 5>-',
    'put c ->19',
  ]);
  expect([view.revision, view.size]).toEqual([20n, 2]);
});

test('keys that are no text are told apart, and sorted by their bytes', async () => {
  const keys = [[0xff], [0x80], [0xc3, 0xa4], [0x61]].map((bytes) => Uint8Array.from(bytes));
  members.onRange = () => ({ header: { revision: 10n }, kvs: keys.map((key) => ({ key })) });
  const view = await client.view({ all: true });
  expect(view.size).toBe(4);
  expect(view.entries().map(({ key }) => key[0])).toEqual([0x61, 0x80, 0xc3, 0xff]);
  expect(view.has('ä')).toBe(true);
  expect(view.get(Uint8Array.of(0x80))?.key).toHaveLength(1);
});

test('one that fails keeps what it has and says why; its changes throw, those of another signal end', async () => {
  const view = await opened();
  const stop = new AbortController();
  const quiet = view.changes({ signal: stop.signal }).next();
  const loud = view.changes().next();
  stop.abort();
  expect(await quiet).toMatchObject({ done: true });
  members.stream.break(grpcCodes.permissionDenied, 'etcdserver: permission denied');
  await expect(loud).rejects.toMatchObject({ code: 'permission_denied' });
  expect(view).toMatchObject({ ready: false, size: 2, failure: { code: 'permission_denied' } });
  await expect(view.changes().next()).rejects.toMatchObject({ code: 'permission_denied' });
});

test('what cannot be listed is no view; a listing that a compaction overtakes is begun again, a few times', async () => {
  let tries = 0;
  members.onRange = () => {
    tries++;
    throw new CallFailure(grpcCodes.outOfRange, 'etcdserver: mvcc: required revision has been compacted', true);
  };
  await expect(client.view({ all: true })).rejects.toMatchObject({ code: 'compacted' });
  expect(tries).toBe(5);
});

test('changes count from the call: what happens before they are read is among them', async () => {
  const view = await opened();
  const changes = view.changes();
  expect(view.entries().map(({ keyText }) => keyText)).toEqual(['a', 'b']);
  members.stream.puts(1n, [['a', 11n]]);
  await settled();
  expect(shown((await changes.next()).value as Change)).toBe('put a 5>11');
  // Who waits is let go, and nothing is kept for it any more.
  const waiting = changes.next();
  await changes.return();
  expect(await waiting).toEqual({ done: true, value: undefined });
  view.close();
});

test('changes of a view that failed take their listener from the signal again', async () => {
  const view = await opened();
  const { signal } = new AbortController();
  const changes = view.changes({ signal });
  const waiting = changes.next();
  members.stream.break(grpcCodes.unimplemented, 'no such method');
  await expect(waiting).rejects.toMatchObject({ code: 'unimplemented' });
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});
