/** Watches and views against a member: what is written is told, filtered, decoded, listed anew after a compaction. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Client, json, type WatchEvent } from '../../../src/client/client.ts';
import { until } from '../../rpc/wire-client.ts';
import { type ClientTarget, startTarget } from '../target.ts';

let target: ClientTarget;
let client: Client;
let spaces = 0;

beforeAll(async () => {
  target = await startTarget();
});
afterAll(() => target.stop());
/** Each test has a namespace of its own. */
beforeEach(() => {
  client = new Client({ endpoints: target.endpoints, namespace: `/watch${spaces++}/` });
  return () => client.close();
});

async function take<T>(events: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = [];
  for await (const event of events) {
    taken.push(event);
    if (taken.length === count) break;
  }
  return taken;
}

test('puts and deletes, with what was before, from now on or from a revision on', async () => {
  const watch = client.watch({ prefix: 'k/' }, { prevKv: true, codec: json<number>() });
  const from = await watch.started();
  await client.put('other', '0');
  await client.put('k/a', '1');
  const { revision } = await client.put('k/a', '2');
  await client.delete({ prefix: 'k/' });
  const events = await take(watch, 3);
  expect(events).toMatchObject([
    { type: 'put', keyText: 'k/a', value: 1, created: true, prev: undefined, revision: revision - 1n },
    { type: 'put', keyText: 'k/a', value: 2, created: false, prev: { value: 1 }, revision },
    { type: 'delete', keyText: 'k/a', prev: { value: 2 }, revision: revision + 1n },
  ]);
  expect(from).toBeLessThan(revision);
  const past = await take(client.watch({ all: true }, { from: revision, only: 'delete' }), 1);
  expect(past).toMatchObject([{ type: 'delete', revision: revision + 1n }]);
});

test('many watches share what there is, each with its own; the txn that ends a lease is one revision', async () => {
  const watches = Array.from({ length: 50 }, (_, i) => client.watch(`k${i}`));
  await Promise.all(watches.map((watch) => watch.started()));
  const { id } = await client.grant('60s');
  for (let i = 0; i < 50; i++) await client.put(`k${i}`, `${i}`, { lease: id });
  await client.revoke(id);
  const revisions = new Set<bigint>();
  for (const [i, watch] of watches.entries()) {
    const [put, gone] = (await take(watch, 2)) as [WatchEvent, WatchEvent];
    expect(put).toMatchObject({ type: 'put', keyText: `k${i}`, kv: { text: `${i}`, lease: id } });
    expect(gone).toMatchObject({ type: 'delete', keyText: `k${i}` });
    revisions.add(gone.revision);
  }
  expect(revisions.size).toBe(1);
});

test('from a compacted revision: what there is, then what follows', async () => {
  const { revision: old } = await client.put('a', '1');
  await client.put('a', '2');
  await client.put('b', '3');
  const { revision } = await client.delete('b');
  await client.compact(revision, { physical: true });
  const events = client.watch({ all: true }, { from: old })[Symbol.asyncIterator]();
  const { value: resync } = await events.next();
  expect(resync).toMatchObject({ type: 'resync', items: [{ keyText: 'a', text: '2' }] });
  expect(resync?.revision).toBeGreaterThanOrEqual(revision);
  const put = await client.put('c', '4');
  expect((await events.next()).value).toMatchObject({ type: 'put', keyText: 'c', revision: put.revision });
  await events.return();
});

test('values of megabytes arrive, in fragments where they must', async () => {
  const watch = client.watch({ all: true }, { prevKv: true });
  await watch.started();
  const value = Buffer.alloc(400_000, 'x');
  const put = (round: number) =>
    client
      .txn()
      .then((t) => [0, 1, 2].map((i) => t.put(`big${i}`, Buffer.concat([value, Buffer.from(String(round))]))))
      .commit();
  for (let round = 0; round < 3; round++) await put(round);
  const events = await take(watch, 9);
  expect(events.map(({ revision }) => Number(revision - (events[0]?.revision ?? 0n)))).toEqual([
    0, 0, 0, 1, 1, 1, 2, 2, 2,
  ]);
  expect(events.map((event) => event.type === 'put' && event.kv.text.slice(-1))).toEqual([...'000111222']);
});

test('a range that is none is refused when it is read', async () => {
  const events = client.watch({ from: 'b', to: 'a' })[Symbol.asyncIterator]();
  await expect(events.next()).rejects.toMatchObject({ code: 'invalid_argument' });
});

test('a view mirrors its range, tells the newest of each change, and is over when it is closed', async () => {
  for (const key of ['c/b', 'c/a', 'd']) await client.put(key, JSON.stringify(key));
  const view = await client.view({ prefix: 'c/' }, json<string>());
  expect(view.entries().map(({ keyText, value }) => [keyText, value])).toEqual([
    ['c/a', 'c/a'],
    ['c/b', 'c/b'],
  ]);
  expect([view.size, view.has('c/a'), view.has('d'), view.ready]).toEqual([2, true, false, true]);
  const changes = view.changes();
  const first = changes.next();
  await client.delete('c/a');
  await client.put('c/new', '"1"');
  const { revision } = await client.put('c/new', '"2"');
  await until(() => view.revision >= revision, 'the view has it');
  expect(view.get('c/new')?.value).toBe('2');
  expect((await first).value).toMatchObject({ type: 'delete', keyText: 'c/a', prev: { value: 'c/a' } });
  expect((await changes.next()).value).toMatchObject({ type: 'put', keyText: 'c/new', kv: { version: 2n } });
  const last = changes.next();
  view.close();
  expect(await last).toMatchObject({ done: true });
  await until(() => !view.ready, 'it follows no longer');
  expect(view.failure).toBeUndefined();
});
