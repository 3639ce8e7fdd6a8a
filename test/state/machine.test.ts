/** What each command does, one sentence of etcd's semantics at a time (etcd-lease-semantics.md §2, §8; case numbers in names). */
import { beforeEach, describe, expect, it } from 'vitest';
import { leasesMax } from '../../src/base/limits.ts';
import type { Command } from '../../src/state/command.ts';
import { Machine } from '../../src/state/machine.ts';
import type { Outcome, RangeResult, Result, TxnResult } from '../../src/state/outcome.ts';
import { bytes, compare, del, Feeder, INT64_MIN, put, range, text, txn } from './commands.ts';
import { eventsOf } from './compare.ts';
import { modelValue } from './shapes.ts';

let machine: Machine;
let feeder: Feeder;
let seen: string[];

beforeEach(() => {
  machine = new Machine();
  seen = [];
  feeder = new Feeder(machine, {
    granted: (slot) => seen.push(`granted ${machine.lessor.idAt(slot)}`),
    ended: (slot) => seen.push(`ended ${machine.lessor.idAt(slot)}`),
    checkpointed: (slot) =>
      seen.push(`checkpointed ${machine.lessor.idAt(slot)} ${machine.lessor.remainingMsAt(slot)}`),
    cleared: (slot) => seen.push(`cleared ${machine.lessor.idAt(slot)} ${machine.lessor.remainingMsAt(slot)}`),
  });
});

const grant = (id: bigint, ttlMs = 60_000) => feeder.do({ type: 'grant', id, ttlMs });
const revoke = (id: bigint) => feeder.do({ type: 'revoke', id });
const stampOf = (id: bigint) => machine.lessor.stampAt(machine.lessor.slotOf(id));
const remainingOf = (id: bigint) => machine.lessor.remainingMsAt(machine.lessor.slotOf(id));
const life = (id: bigint) => ({ id, stamp: stampOf(id) });
const expire = (...ids: bigint[]) => feeder.do({ type: 'expire', term: feeder.term, leases: ids.map(life) });
const keysOf = (id: bigint) => machine.leaseKeys(id).map(text);

function result(outcome: Outcome): Result {
  if (!outcome.ok) throw new Error(`refused: ${outcome.refusal}`);
  return outcome.result;
}
function refusal(outcome: Outcome): string {
  return outcome.ok ? 'none' : outcome.refusal;
}
function get(key: string, more = {}): ReturnType<typeof modelValue> | undefined {
  const answer = machine.range(range(key, '', more)) as RangeResult;
  return answer.kvs[0] === undefined ? undefined : modelValue(answer.kvs[0]);
}
function txnOf(outcome: Outcome): TxnResult {
  const answer = result(outcome);
  if (answer.type !== 'txn') throw new Error('not a txn');
  return answer;
}

describe('grant', () => {
  it('answers id and TTL and leaves the revision alone (C2)', () => {
    expect(grant(7n, 2_000)).toEqual({ ok: true, revision: 1, result: { type: 'grant', id: 7n, ttlMs: 2_000 } });
    expect(machine.revision).toBe(1);
    expect(seen).toEqual(['granted 7']);
  });

  it('refuses an id in use and changes nothing of it (C3, L10)', () => {
    grant(7n, 40_000);
    feeder.do(put('k', 'v', { lease: 7n }));
    const before = machine.digest();
    expect(refusal(grant(7n, 100_000))).toBe('leaseExists');
    expect(machine.digest()).toBe(before);
    expect(keysOf(7n)).toEqual(['k']);
    expect(seen).toEqual(['granted 7']);
  });

  it('takes the largest TTL and refuses one more (C4)', () => {
    expect(result(grant(1n, 9e12))).toMatchObject({ ttlMs: 9e12 });
    expect(refusal(grant(2n, 9e12 + 1))).toBe('leaseTtlTooLarge');
    expect(refusal(grant(2n, 0))).toBe('leaseTtlTooLarge');
    expect(refusal(grant(2n, Number.MAX_SAFE_INTEGER))).toBe('leaseTtlTooLarge');
    expect(machine.leases()).toEqual([1n]);
  });

  it('knows no id 0', () => {
    expect(refusal(grant(0n))).toBe('leaseNotFound');
  });

  it('takes no more leases than an image may have slots, and another when one has ended', () => {
    let count = leasesMax;
    Object.defineProperty(machine.lessor, 'count', { get: () => count });
    expect(refusal(grant(1n))).toBe('noSpace');
    expect(seen).toEqual([]);
    count--;
    expect(refusal(grant(1n))).toBe('none');
  });

  it('takes negative ids as any other (C5)', () => {
    for (const id of [-1n, INT64_MIN, 5n]) {
      grant(id);
      feeder.do(put(`k${id}`, 'v', { lease: id }));
    }
    expect(machine.leases()).toEqual([INT64_MIN, -1n, 5n]);
    expect(keysOf(INT64_MIN)).toEqual([`k${INT64_MIN}`]);
    expect(result(revoke(-1n))).toEqual({ type: 'done', touched: 1 });
    expect(get('k-1')).toBeUndefined();
  });

  it('gives a re-granted id a new stamp (L8)', () => {
    grant(7n);
    const first = life(7n);
    revoke(7n);
    grant(7n);
    expect(stampOf(7n)).toBeGreaterThan(first.stamp);
    feeder.do({ type: 'expire', term: 1, leases: [first] });
    expect(machine.leases()).toEqual([7n]);
  });
});

describe('revoke', () => {
  it('does not know an unknown lease, nor 0 (C6)', () => {
    expect(revoke(9n)).toEqual({ ok: false, revision: 1, refusal: 'leaseNotFound' });
    expect(refusal(revoke(0n))).toBe('leaseNotFound');
  });

  it('of a lease without keys makes no revision and no event (C7)', () => {
    grant(1n);
    expect(revoke(1n)).toEqual({ ok: true, revision: 1, result: { type: 'done', touched: 1 } });
    expect(machine.history.eventsOf(2)).toEqual([]);
    expect(refusal(revoke(1n))).toBe('leaseNotFound');
    expect(seen).toEqual(['granted 1', 'ended 1']);
  });

  it.each(['revoke', 'expire'])('deletes its keys under one revision, in byte order, by %s (C8, C9, L5)', (by) => {
    grant(1n);
    for (const key of ['c', 'a', '\xff', 'b', '\x80']) feeder.do(put(key, `value of ${key}`, { lease: 1n }));
    feeder.do(put('d', 'stays'));
    const before = machine.revision;
    expect(by === 'revoke' ? revoke(1n) : expire(1n)).toMatchObject({ ok: true, revision: before + 1 });
    const events = eventsOf(machine, before + 1);
    expect(events.map((event) => event.key)).toEqual(['a', 'b', 'c', '\x80', '\xff']);
    expect(events.every((event) => event.type === 'delete' && event.before?.lease === 1n)).toBe(true);
    expect(machine.keyCount).toBe(1);
    expect(machine.lessor.attachedKeyCount).toBe(0);
    expect(machine.lessor.count).toBe(0);
  });
});

describe('expire', () => {
  it('ends each lease under a revision of its own, in the order given', () => {
    for (const id of [1n, 2n, 3n]) {
      grant(id);
      feeder.do(put(`k${id}`, 'v', { lease: id }));
    }
    grant(4n);
    const before = machine.revision;
    expect(expire(3n, 4n, 1n)).toEqual({ ok: true, revision: before + 2, result: { type: 'done', touched: 3 } });
    expect(eventsOf(machine, before + 1).map((event) => event.key)).toEqual(['k3']);
    expect(eventsOf(machine, before + 2).map((event) => event.key)).toEqual(['k1']);
    expect(machine.leases()).toEqual([2n]);
  });

  it('passes over another life of the lease, one named twice and one that is not there (L8)', () => {
    grant(1n);
    grant(2n);
    const leases = [{ id: 1n, stamp: stampOf(1n) + 1 }, life(2n), life(2n), { id: 9n, stamp: 1 }];
    expect(result(feeder.do({ type: 'expire', term: 1, leases }))).toEqual({ type: 'done', touched: 1 });
    expect(machine.leases()).toEqual([1n]);
  });

  it.each(['expire', 'checkpoint', 'clear'] as const)('is refused if another term decided it: %s (L13)', (type) => {
    grant(1n);
    feeder.do({ type: 'checkpoint', term: 1, leases: [{ ...life(1n), remainingMs: 5 }] });
    feeder.term = 3;
    const before = machine.digest();
    for (const term of [2, 4])
      expect(refusal(feeder.do({ type, term, leases: [{ ...life(1n), remainingMs: 7 }] } as Command))).toBe(
        'wrongTerm',
      );
    expect(machine.digest()).toBe(before);
  });

  it('deletes a key that was put on the lease when it was due already (C80)', () => {
    grant(1n, 1);
    expect(feeder.do(put('late', 'v', { lease: 1n }))).toMatchObject({ ok: true, revision: 2 });
    expect(expire(1n)).toMatchObject({ ok: true, revision: 3 });
    expect(get('late')).toBeUndefined();
  });
});

describe('checkpoint and clear', () => {
  it('record what is left within 1 … granted, and nothing else (L6)', () => {
    grant(1n, 10_000);
    const record = (remainingMs: number) =>
      result(feeder.do({ type: 'checkpoint', term: 1, leases: [{ ...life(1n), remainingMs }] }));
    expect(record(0)).toMatchObject({ touched: 0 });
    expect(record(10_001)).toMatchObject({ touched: 0 });
    expect(record(-1)).toMatchObject({ touched: 0 });
    expect(remainingOf(1n)).toBe(0);
    expect(record(10_000)).toMatchObject({ touched: 1 });
    expect(record(1)).toMatchObject({ touched: 1 });
    expect(remainingOf(1n)).toBe(1);
    expect(stampOf(1n)).toBe(1);
    expect(machine.revision).toBe(1);
  });

  it('clear sets a new stamp, once, so that what was decided before is void (L8)', () => {
    grant(1n);
    const old = life(1n);
    expect(result(feeder.do({ type: 'clear', term: 1, leases: [old] }))).toMatchObject({ touched: 0 });
    expect(stampOf(1n)).toBe(old.stamp);
    feeder.do({ type: 'checkpoint', term: 1, leases: [{ ...old, remainingMs: 5 }] });
    expect(result(feeder.do({ type: 'clear', term: 1, leases: [old, old] }))).toMatchObject({ touched: 1 });
    expect(remainingOf(1n)).toBe(0);
    expect(stampOf(1n)).toBeGreaterThan(old.stamp);
    feeder.do({ type: 'checkpoint', term: 1, leases: [{ ...old, remainingMs: 5 }] });
    feeder.do({ type: 'expire', term: 1, leases: [old] });
    expect(remainingOf(1n)).toBe(0);
    expect(machine.leases()).toEqual([1n]);
    expect(seen).toEqual(['granted 1', 'checkpointed 1 5', 'cleared 1 0']);
  });
});

describe('put and delete', () => {
  it('count revisions and versions', () => {
    expect(feeder.do(put('k', 'a'))).toMatchObject({ revision: 2 });
    expect(feeder.do(put('k', 'b'))).toMatchObject({ revision: 3 });
    expect(get('k')).toEqual({ key: 'k', value: 'b', create: 2, mod: 3, version: 2, lease: 0n });
    expect(feeder.do(del('k'))).toMatchObject({ revision: 4, result: { deleted: 1 } });
    expect(feeder.do(del('k'))).toMatchObject({ revision: 4, result: { deleted: 0 } });
    expect(feeder.do(put('k', 'c'))).toMatchObject({ revision: 5 });
    expect(get('k')).toMatchObject({ create: 5, version: 1 });
  });

  it('on an unknown lease changes nothing (C17)', () => {
    const before = machine.digest();
    expect(refusal(feeder.do(put('k', 'v', { lease: 9n })))).toBe('leaseNotFound');
    expect(refusal(feeder.do(put('k', 'v', { lease: 9n, ignoreValue: true })))).toBe('leaseNotFound');
    expect(machine.digest()).toBe(before);
    expect(get('k')).toBeUndefined();
  });

  it('the last put decides the lease (C18, L9)', () => {
    grant(1n);
    grant(2n);
    feeder.do(put('k', 'v', { lease: 1n }));
    feeder.do(put('k', 'v', { lease: 2n }));
    expect([keysOf(1n), keysOf(2n)]).toEqual([[], ['k']]);
    revoke(1n);
    expect(get('k')).toMatchObject({ lease: 2n });
    revoke(2n);
    expect(get('k')).toBeUndefined();
  });

  it('without a lease detaches (C19), and so does a delete (C25)', () => {
    grant(1n);
    feeder.do(put('a', 'v', { lease: 1n }));
    feeder.do(put('a', 'w'));
    feeder.do(put('b', 'v', { lease: 1n }));
    feeder.do(del('b'));
    feeder.do(put('b', 'w'));
    expect(keysOf(1n)).toEqual([]);
    revoke(1n);
    expect([get('a')?.lease, get('b')?.lease]).toEqual([0n, 0n]);
  });

  it('answers the lease wherever it answers a key (C20)', () => {
    grant(1n);
    feeder.do(put('k', 'v', { lease: 1n }));
    expect(get('k', { keysOnly: true })).toMatchObject({ lease: 1n, value: '' });
    revoke(1n);
    expect(get('k', { revision: 2 })).toMatchObject({ lease: 1n, value: 'v' });
    expect(machine.range(range('k', '', { revision: 2, countOnly: true }))).toMatchObject({ count: 1, kvs: [] });
  });

  it('keeps lease or value if told to, and needs the key for it (C21)', () => {
    grant(1n);
    grant(2n);
    expect(refusal(feeder.do(put('k', 'v', { ignoreLease: true })))).toBe('keyNotFound');
    expect(refusal(feeder.do(put('k', '', { ignoreValue: true })))).toBe('keyNotFound');
    feeder.do(put('k', 'v', { lease: 1n }));
    feeder.do(put('k', 'w', { ignoreLease: true }));
    expect(get('k')).toMatchObject({ value: 'w', lease: 1n, version: 2 });
    feeder.do(put('k', '', { ignoreValue: true, lease: 2n }));
    expect(get('k')).toMatchObject({ value: 'w', lease: 2n, version: 3, mod: 4 });
    expect([keysOf(1n), keysOf(2n)]).toEqual([[], ['k']]);
  });

  it('answers what was there before, if asked', () => {
    grant(1n);
    expect(result(feeder.do(put('k', 'v', { lease: 1n, prevKv: true })))).toEqual({ type: 'put', prevKv: undefined });
    const second = result(feeder.do(put('k', 'w', { prevKv: true })));
    expect(second.type === 'put' && second.prevKv && modelValue(second.prevKv)).toMatchObject({
      value: 'v',
      lease: 1n,
    });
    const gone = result(feeder.do(del('k', '', true)));
    expect(gone.type === 'deleteRange' && gone.prevKvs.map(modelValue)).toMatchObject([{ value: 'w' }]);
  });
});

describe('range', () => {
  beforeEach(() => {
    for (const key of ['a', 'b', 'b\0', 'c', 'd']) feeder.do(put(key, key.toUpperCase()));
    feeder.do(put('b', 'again'));
    feeder.do(del('c'));
  });
  const keys = (from: string, end: string, more = {}) => {
    const answer = machine.range(range(from, end, more));
    return answer.type === 'range' ? [answer.kvs.map((kv) => text(kv.key)), answer.count, answer.more] : answer.refusal;
  };

  it('covers one key, a half-open interval, or all from a key on', () => {
    expect(keys('b', '')).toEqual([['b'], 1, false]);
    expect(keys('a', 'd')).toEqual([['a', 'b', 'b\0'], 3, false]);
    expect(keys('b', '\0')).toEqual([['b', 'b\0', 'd'], 3, false]);
    expect(keys('\0', '\0')).toEqual([['a', 'b', 'b\0', 'd'], 4, false]);
    expect(keys('d', 'a')).toEqual([[], 0, false]);
  });

  it('counts what it leaves out', () => {
    expect(keys('\0', '\0', { limit: 2 })).toEqual([['a', 'b'], 4, true]);
    expect(keys('\0', '\0', { limit: 4 })).toEqual([['a', 'b', 'b\0', 'd'], 4, false]);
    expect(keys('\0', '\0', { limit: 1, sortOrder: 'descend' })).toEqual([['d'], 4, true]);
    expect(keys('\0', '\0', { countOnly: true })).toEqual([[], 4, false]);
  });

  it('filters, sorts, then limits; a target without an order ascends', () => {
    expect(keys('\0', '\0', { sortTarget: 'mod' })).toEqual([['a', 'b\0', 'd', 'b'], 4, false]);
    expect(keys('\0', '\0', { sortTarget: 'version', sortOrder: 'descend', limit: 1 })).toEqual([['b'], 4, true]);
    expect(keys('\0', '\0', { minModRevision: 4, limit: 2 })).toEqual([['b', 'b\0'], 4, true]);
    expect(keys('\0', '\0', { maxCreateRevision: 3 })).toEqual([['a', 'b'], 4, false]);
  });

  it('looks back, and neither forward nor behind what is compacted (K6)', () => {
    expect(keys('\0', '\0', { revision: 6 })).toEqual([['a', 'b', 'b\0', 'c', 'd'], 5, false]);
    expect(get('b', { revision: 6 })).toMatchObject({ value: 'B', version: 1 });
    expect(keys('\0', '\0', { revision: 1 })).toEqual([[], 0, false]);
    expect(keys('\0', '\0', { revision: 8 })).toEqual([['a', 'b', 'b\0', 'd'], 4, false]);
    expect(keys('\0', '\0', { revision: 9 })).toBe('futureRevision');
  });
});

describe('txn', () => {
  it('compares keys that are not there against 0, but no value (C27)', () => {
    const holds = (...args: Parameters<typeof compare>) => txnOf(feeder.do(txn([compare(...args)], []))).succeeded;
    expect(holds('no', 'create', 'equal', 0)).toBe(true);
    expect(holds('no', 'version', 'less', 1)).toBe(true);
    expect(holds('no', 'lease', 'equal', 0n)).toBe(true);
    expect(holds('no', 'lease', 'notEqual', 0n)).toBe(false);
    expect(holds('no', 'value', 'equal', '')).toBe(false);
    expect(holds('no', 'value', 'notEqual', 'x')).toBe(false);
    grant(-5n);
    feeder.do(put('k', 'v', { lease: -5n }));
    expect(holds('k', 'lease', 'equal', -5n)).toBe(true);
    expect(holds('k', 'lease', 'less', 0n)).toBe(true);
    expect(holds('k', 'lease', 'greater', -6n)).toBe(true);
    expect(holds('k', 'value', 'greater', 'u')).toBe(true);
    expect(holds('k', 'mod', 'equal', 2)).toBe(true);
  });

  it('compares every key of a range (C27)', () => {
    feeder.do(put('p/1', 'v'));
    feeder.do(put('p/2', 'v'));
    const all = (value: string, end: string) =>
      txnOf(feeder.do(txn([compare('p/', 'value', 'equal', value, end)], []))).succeeded;
    expect(all('v', 'p0')).toBe(true);
    feeder.do(put('p/2', 'w'));
    expect(all('v', 'p0')).toBe(false);
    expect(all('v', 'p/2')).toBe(true);
    expect(all('v', '\0')).toBe(false);
  });

  it('does all under one revision, reads see earlier writes', () => {
    feeder.do(put('x', '0'));
    const all = range('\0', '\0');
    const before = range('\0', '\0', { revision: 2 });
    const answer = txnOf(
      feeder.do(txn([], [put('a', '1'), all, before, del('x'), put('b', '2'), put('c', '3'), all, before])),
    );
    const counts = answer.responses.map((response) => (response.type === 'range' ? response.count : response.type));
    expect(counts).toEqual(['put', 2, 1, 'deleteRange', 'put', 'put', 3, 1]);
    expect(machine.revision).toBe(3);
    const events = eventsOf(machine, 3).map((event) => `${event.type} ${event.key}`);
    expect(events).toEqual(['put a', 'delete x', 'put b', 'put c']);
  });

  it('that only reads, or deletes nothing, makes no revision', () => {
    expect(feeder.do(txn([], [range('a'), del('a')]))).toMatchObject({ ok: true, revision: 1 });
  });

  it('checks the whole chosen branch first, and only that (C26)', () => {
    feeder.do(put('k', 'v'));
    const before = machine.digest();
    const unknown = put('z', 'v', { lease: 9n });
    expect(refusal(feeder.do(txn([], [put('a', '1'), del('k'), unknown])))).toBe('leaseNotFound');
    expect(refusal(feeder.do(txn([], [put('a', '1'), put('no', '', { ignoreValue: true })])))).toBe('keyNotFound');
    expect(refusal(feeder.do(txn([], [put('a', '1'), range('a', '', { revision: 99 })])))).toBe('futureRevision');
    expect(machine.digest()).toBe(before);
    expect(feeder.do(txn([], [put('a', '1')], [unknown]))).toMatchObject({ ok: true });
    expect(refusal(feeder.do(txn([compare('a', 'version', 'equal', 5)], [put('a', '1')], [unknown])))).toBe(
      'leaseNotFound',
    );
  });

  it('refuses to keep the value of a key it has just deleted, or just made', () => {
    feeder.do(put('k', 'v'));
    expect(refusal(feeder.do(txn([], [del('a', '\0'), put('k', '', { ignoreValue: true })])))).toBe('keyNotFound');
    expect(refusal(feeder.do(txn([], [put('n', 'v'), put('n', '', { ignoreValue: true })])))).toBe('keyNotFound');
    expect(get('k')?.version).toBe(1);
  });

  it('puts a key twice under growing sub-revisions', () => {
    feeder.do(txn([], [put('k', '1'), put('k', '2'), del('k'), put('k', '3')]));
    expect(get('k')).toEqual({ key: 'k', value: '3', create: 2, mod: 2, version: 1, lease: 0n });
    // What is shown before an event is what was before the revision, and nothing before a put that makes the key anew.
    expect(eventsOf(machine, 2).map((event) => event.before?.value)).toEqual(Array(4).fill(undefined));
    feeder.do(txn([], [put('k', '4'), put('k', '5'), del('k'), put('k', '6'), del('k')]));
    expect(eventsOf(machine, 3).map((event) => event.before?.value)).toEqual(['3', '3', '3', undefined, '3']);
  });
});

describe('an entry', () => {
  it('answers each of its commands with the revision after it', () => {
    const outcomes = feeder.entry(put('a', '1'), { type: 'grant', id: 1n, ttlMs: 5 }, put('b', '1', { lease: 1n }), {
      type: 'revoke',
      id: 1n,
    });
    expect(outcomes.map((outcome) => outcome.revision)).toEqual([2, 2, 3, 4]);
  });

  it('comes once and in order (D1)', () => {
    const empty = (index: number, term = 1) => machine.apply({ index, term, kind: 'empty', payload: bytes('') });
    expect(empty(1)).toEqual([]);
    expect(() => empty(1)).toThrow('D1');
    expect(() => empty(3)).toThrow('D1');
    empty(2, 5);
    expect(() => empty(3, 4)).toThrow('R2');
    expect([machine.appliedIndex, machine.appliedTerm]).toEqual([2, 5]);
  });

  it('of a configuration is kept as it came', () => {
    const payload = bytes('who is a member');
    machine.apply({ index: 1, term: 1, kind: 'configuration', payload });
    payload[0] = 0;
    expect(text(machine.configuration)).toBe('who is a member');
  });

  it('publishes attributes of members, the last ones count', () => {
    const publish = (member: bigint, name: string) =>
      feeder.do({ type: 'publish', member, name, clientUrls: [`http://${name}`] });
    publish(2n ** 64n - 1n, 'z');
    publish(1n, 'a');
    publish(1n, 'b');
    expect(machine.members()).toEqual([
      { id: 1n, name: 'b', clientUrls: ['http://b'] },
      { id: 2n ** 64n - 1n, name: 'z', clientUrls: ['http://z'] },
    ]);
    expect(machine.revision).toBe(1);
  });
});

describe('what is asked of the whole state', () => {
  it('a digest tells states apart and does not count no-ops', () => {
    const digests = [machine.digest()];
    const step = (change: () => unknown) => {
      change();
      digests.push(machine.digest());
    };
    step(() => grant(1n));
    step(() => feeder.do(put('k', 'v')));
    step(() => feeder.do({ type: 'checkpoint', term: 1, leases: [{ ...life(1n), remainingMs: 5 }] }));
    step(() => feeder.do({ type: 'clear', term: 1, leases: [life(1n)] }));
    step(() => feeder.do({ type: 'publish', member: 1n, name: 'n', clientUrls: [] }));
    step(() => machine.apply({ index: machine.appliedIndex + 1, term: 1, kind: 'configuration', payload: bytes('c') }));
    step(() => revoke(1n));
    expect(new Set(digests).size).toBe(digests.length);
    const { index, digest } = machine.digestAtIndex();
    revoke(1n);
    expect(machine.digestAtIndex()).toEqual({ index: index + 1, digest });
  });

  it('HashKV of a revision stays what it was', () => {
    const hashes: unknown[] = [];
    for (let i = 0; i < 20; i++) {
      feeder.do(i % 5 === 4 ? del('k', 'z') : txn([], [put(`k${i}`, 'v'), put(`l${i}`, 'w')]));
      hashes.push(machine.hashKv(0));
    }
    hashes.forEach((hash, i) => {
      expect(machine.hashKv(i + 2)).toEqual(hash);
    });
    expect(new Set(hashes.map((hash) => JSON.stringify(hash))).size).toBe(20);
    expect(machine.hashKv(22)).toEqual({ type: 'refused', refusal: 'futureRevision' });
    expect(machine.hashKv(21)).toMatchObject({ type: 'hash', revision: 21, compactRevision: -1 });
  });

  it('the quota counts keys, values, history and leases', () => {
    expect(machine.sizeBytes).toBe(0);
    grant(1n);
    expect(machine.sizeBytes).toBe(64);
    feeder.do(put('key', 'value', { lease: 1n }));
    expect(machine.sizeBytes).toBe(64 + 256 + 8);
    revoke(1n);
    expect(machine.sizeBytes).toBe(2 * 256 + 8 + 3);
  });
});
