/** Keys and values through the library, against a member. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Client, type Condition, json } from '../../../src/client/client.ts';
import { type ClientTarget, startTarget } from '../target.ts';

let target: ClientTarget;
let client: Client;
let bare: Client;
let spaces = 0;

beforeAll(async () => {
  target = await startTarget();
  bare = new Client({ endpoints: target.endpoints });
});
afterAll(async () => {
  await bare.close();
  await target.stop();
});
/** Each test has a namespace of its own. */
beforeEach(async () => {
  client = new Client({ endpoints: target.endpoints, namespace: `/kv${spaces++}/` });
  return () => client.close();
});

test('put, get, delete: views with text, bytes, revisions, lease; keys without the namespace', async () => {
  const { id } = await client.grant('60s');
  expect(await client.get('k')).toBeUndefined();
  const first = await client.put('k', 'one', { lease: { id } });
  expect(first.prev).toBeUndefined();
  const second = await client.put('k', Uint8Array.of(0xff, 0), { prevKv: true, ignoreLease: true });
  expect(second.revision).toBe(first.revision + 1n);
  expect(second.prev?.text).toBe('one');
  const kv = await client.get('k');
  expect(kv).toMatchObject({ keyText: 'k', createRevision: first.revision, modRevision: second.revision, version: 2n });
  expect(kv?.lease).toBe(id);
  expect([...(kv?.value ?? [])]).toEqual([0xff, 0]);
  expect((await client.get('k', { revision: first.revision }))?.text).toBe('one');
  expect((await bare.get(`/kv${spaces - 1}/k`))?.keyText).toBe(`/kv${spaces - 1}/k`);
  const gone = await client.delete({ all: true }, { prevKv: true });
  expect(gone).toMatchObject({ revision: second.revision + 1n, deleted: 1 });
  expect(gone.prev.map(({ keyText }) => keyText)).toEqual(['k']);
});

test('one key is one key, for reads, deletes and compares', async () => {
  for (const key of ['a', 'b', 'c']) await client.put(key, key);
  expect(await client.count('a')).toBe(1);
  expect(await client.delete('a')).toMatchObject({ deleted: 1 });
  expect(
    (
      await client
        .txn()
        .then((t) => t.delete('b'))
        .commit()
    ).responses[0],
  ).toMatchObject({ deleted: 1 });
  expect((await client.list({ all: true })).items.map(({ keyText }) => keyText)).toEqual(['c']);
});

test('codecs read and write; a value that one cannot read troubles only who reads it', async () => {
  const codec = json<{ at: number }>();
  await client.put('a', { at: 1 }, { codec });
  await client.put('b', 'no JSON');
  const replaced = await client.put('a', { at: 2 }, { codec, prevKv: true });
  expect(replaced.prev?.value.at).toBe(1);
  const { items } = await client.list({ all: true }, { codec });
  expect(items.map(({ keyText }) => keyText)).toEqual(['a', 'b']);
  expect(items[0]?.value.at).toBe(2);
  expect(() => items[1]?.value).toThrow(SyntaxError);
  expect((await client.get('a'))?.json<{ at: number }>().at).toBe(2);
});

test('listings: limits, order, keys alone, filters by revision, counts', async () => {
  for (const key of ['a', 'c', 'b', 'x']) await client.put(key, `v${key}`);
  const { modRevision = 0n } = (await client.get('c')) ?? {};
  const limited = await client.list({ from: 'a', to: 'd' }, { limit: 2, keysOnly: true });
  expect(limited).toMatchObject({ more: true, count: 3 });
  expect(limited.items.map(({ keyText, text }) => [keyText, text])).toEqual([
    ['a', ''],
    ['b', ''],
  ]);
  expect(limited.revision).toBe(modRevision + 2n);
  const sorted = await client.list({ prefix: '' }, { sort: { by: 'modRevision', order: 'descending' } });
  expect(sorted.items.map(({ keyText }) => keyText)).toEqual(['x', 'b', 'c', 'a']);
  const newer = await client.list({ all: true }, { minModRevision: modRevision });
  expect(newer.items.map(({ keyText }) => keyText)).toEqual(['b', 'c', 'x']);
  expect(await client.count({ from: 'b' }, { serializable: true })).toBe(3);
});

test('a scan is of one revision, whatever is written meanwhile, and says so honestly when that is compacted', async () => {
  for (let i = 0; i < 7; i++) await client.put(`k${i}`, 'old');
  const seen: string[] = [];
  for await (const { keyText, text } of client.scan({ prefix: 'k' }, { pageSize: 3 })) {
    seen.push(`${keyText}=${text}`);
    await client.put('k6', 'new');
    await client.put('k7', 'new');
  }
  expect(seen).toEqual(['k0=old', 'k1=old', 'k2=old', 'k3=old', 'k4=old', 'k5=old', 'k6=old']);
  const scan = client.scan({ prefix: 'k' }, { pageSize: 2 });
  await scan.next();
  const { revision } = await client.put('k0', 'x');
  await client.compact(revision, { physical: true });
  await scan.next();
  await expect(scan.next()).rejects.toMatchObject({ code: 'compacted', retryable: false });
  await expect(client.compact(revision)).rejects.toMatchObject({ code: 'compacted' });
  await expect(client.scan('k', { pageSize: 0 }).next()).rejects.toMatchObject({ code: 'invalid_argument' });
});

test('refusals have their codes', async () => {
  const refusals: [() => Promise<unknown>, string][] = [
    [() => client.put('k', 'v', { lease: 0x7777n }), 'lease_not_found'],
    [() => client.put('none', '', { ignoreValue: true }), 'key_not_found'],
    [() => client.get('k', { revision: 2n ** 50n }), 'future_revision'],
    [() => client.get(''), 'invalid_argument'],
    [() => client.list({ all: true }, { limit: -1 }), 'invalid_argument'],
  ];
  for (const [call, code] of refusals) await expect(call()).rejects.toMatchObject({ code, mayHaveApplied: false });
});

describe('txn', () => {
  test('one branch or the other, with the results of its operations', async () => {
    const codec = json<number[]>();
    const build = () =>
      client
        .txn()
        .if((c) => c.key('k').missing())
        .then((t) => [t.put('k', [1], { codec }), t.get('k', { codec }), t.count({ all: true })])
        .else((t) => t.delete({ all: true }, { prevKv: true }));
    const made = await build().commit();
    expect(made.succeeded).toBe(true);
    if (!made.succeeded) throw new Error('unreachable');
    expect(made.responses[0]).toMatchObject({ revision: made.revision });
    expect(made.responses[1]?.value).toEqual([1]);
    expect(made.responses[2]).toBe(1);
    const second = await build().commit();
    expect(second).toMatchObject({ succeeded: false, revision: made.revision + 1n });
    expect(second.responses[0]).toMatchObject({ deleted: 1, prev: [{ keyText: 'k' }] });
  });

  test('every target and every way to compare, alone and over ranges; guards and conditions are AND-ed', async () => {
    const { id } = await client.grant('60s');
    const { revision } = await client.put('a', 'm', { lease: id });
    await client.put('b', 'm', { lease: id });
    const holds = async (...conditions: Condition[]): Promise<boolean> =>
      (
        await client
          .txn()
          .if(...conditions)
          .commit()
      ).succeeded;
    expect(await holds((c) => c.key('a').version.eq(1n))).toBe(true);
    expect(await holds((c) => c.key('a').version.lt(1n))).toBe(false);
    expect(await holds((c) => c.key('a').createRevision.eq(revision))).toBe(true);
    expect(await holds((c) => c.key('a').modRevision.gt(revision))).toBe(false);
    expect(await holds((c) => c.key('a').modRevision.ne(revision + 1n))).toBe(true);
    expect(await holds((c) => c.key('a').value.eq('m'))).toBe(true);
    expect(await holds((c) => c.key('a').value.gt('a'))).toBe(true);
    expect(await holds((c) => c.key('a').lease.eq(id))).toBe(true);
    expect(await holds((c) => c.key('z').lease.eq(0n))).toBe(true);
    expect(await holds((c) => c.key('z').exists())).toBe(false);
    expect(await holds((c) => c.range({ prefix: '' }).value.eq('m'))).toBe(true);
    expect(await holds((c) => c.range({ from: 'a' }).modRevision.lt(revision + 1n))).toBe(false);
    const guard = {
      compare: [{ key: new TextEncoder().encode(`/kv${spaces - 1}/a`), target: 0, result: 0, version: 1n }],
    };
    expect(await holds(guard, (c) => [c.key('b').exists(), c.key('c').missing()])).toBe(true);
    expect(await holds(guard, (c) => [c.key('b').exists(), c.key('c').exists()])).toBe(false);
    expect(await holds()).toBe(true);
  });

  test('txns inside txns', async () => {
    const result = await client
      .txn()
      .then((t) => [
        t.put('a', '1'),
        t.txn((inner) =>
          inner
            .if((c) => c.key('a').missing())
            .then((n) => [n.list({ all: true }), n.put('b', '2')])
            .else((n) => n.get('nothing')),
        ),
      ])
      .commit();
    if (!result.succeeded) throw new Error('no conditions, so it must succeed');
    const [put, inner] = result.responses;
    expect(put.revision).toBe(result.revision);
    expect(inner.succeeded && inner.responses[0].items.map(({ text }) => text)).toEqual(['1']);
  });

  test('what makes no sense is refused before anything is sent', async () => {
    const txn = client.txn().then((t) => t.put('once', '1'));
    await txn.commit();
    await expect(txn.commit()).rejects.toMatchObject({ code: 'invalid_argument' });
    expect(() => txn.then((t) => t.get('k'))).toThrow(/then was said already/);
    expect(() => txn.else((t) => t.get('k')).else((t) => t.get('k'))).toThrow(/else was said already/);
    await expect((async () => await txn)()).rejects.toThrow(/await its commit\(\)/);
    expect(() => client.txn().if((c) => c.key('k').version.eq(0 as unknown as bigint))).toThrow(/write a bigint/);
    const twice = client.txn().then((t) => [t.put('k', '1'), t.put('k', '2')]);
    await expect(twice.commit()).rejects.toMatchObject({ code: 'duplicate_key', mayHaveApplied: false });
    expect((await client.get('once'))?.version).toBe(1n);
  });
});
