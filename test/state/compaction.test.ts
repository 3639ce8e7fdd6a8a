/**
 * Compaction and its sweeps. The answers are those of etcd 3.4.23 where it has them (docs/decisions/0013); random logs are in
 * machine-model.test.ts.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { sweepBytesMax, sweepChangesMax } from '../../src/base/limits.ts';
import { Prng } from '../../src/base/prng.ts';
import { type ImageMeta, metaRecord, sealed } from '../../src/state/image-records.ts';
import { ImageDamage, ImageVerifier } from '../../src/state/image-verifier.ts';
import { Machine } from '../../src/state/machine.ts';
import { loadMachine } from '../../src/state/machine-loader.ts';
import type { DoneResult, Outcome } from '../../src/state/outcome.ts';
import { stateDigest } from '../../src/state/state-digest.ts';
import { Hub } from '../../src/watch/hub.ts';
import { bytes, del, Feeder, put, randomLog, range, text, txn } from './commands.ts';
import { eventsOf } from './compare.ts';
import { ImageDouble } from './image-double.ts';
import { resultOf } from './shapes.ts';

let machine: Machine;
let feeder: Feeder;
beforeEach(() => {
  machine = new Machine();
  feeder = new Feeder(machine);
});

const compact = (revision: number): string => {
  const outcome = feeder.do({ type: 'compact', revision });
  return outcome.ok ? 'ok' : outcome.refusal;
};
const touched = (outcome: Outcome): number => (outcome.ok ? (outcome.result as DoneResult).touched : -1);
const sweepAll = (): number => touched(feeder.do({ type: 'sweep', revision: machine.revision + 1, sub: 0 }));
const keysAt = (revision: number): unknown => {
  const result = machine.range(range('\0', '\0', { revision }));
  return result.type === 'range' ? result.kvs.map((kv) => `${text(kv.key)}@${kv.modRevision}`) : result.refusal;
};
const events = (revision: number): string[] =>
  machine.history.eventsOf(revision).map((event) => {
    const before = event.prevKv();
    return `${event.type} ${event.key}${before === undefined ? '' : ` was ${text(before.value)}`}`;
  });
function written(): { puts: string[]; gone: string[] } {
  const ops = [...(machine.takeImageBatch()?.ops ?? [])];
  const place = (key: Uint8Array): string => `${Buffer.from(key).readUInt32BE(5)}.${Buffer.from(key).readUInt32BE(9)}`;
  const versions = ops.filter(({ key }) => key[0] === 2);
  return {
    puts: versions.filter(({ value }) => value !== undefined).map(({ key }) => place(key)),
    gone: versions.filter(({ value }) => value === undefined).map(({ key }) => place(key)),
  };
}

describe('the command', () => {
  it('goes forward only, and not into the future, as in etcd', () => {
    expect(machine.compactRevision).toBe(-1);
    expect([-5, -1, 2, 0, 0, 1, 1, 0].map(compact)).toEqual([
      'compacted',
      'compacted',
      'futureRevision',
      'ok',
      'compacted',
      'ok',
      'compacted',
      'compacted',
    ]);
    expect([machine.compactRevision, machine.revision, machine.compaction.position]).toEqual([1, 1, undefined]);
    feeder.do(put('a', '1'));
    expect([3, 2, 2].map(compact)).toEqual(['futureRevision', 'ok', 'compacted']);
    expect(machine.revision).toBe(2);
  });

  it('refuses reads below, at once, and answers those at the compacted revision (K6, C76)', () => {
    for (const command of [put('a', '1'), put('a', '2'), del('a'), put('b', '1'), put('a', '3')]) feeder.do(command);
    for (const revision of [3, 4, 5]) {
      expect(compact(revision)).toBe('ok');
      for (const _swept of [false, true]) {
        expect([keysAt(1), keysAt(revision - 1)]).toEqual(['compacted', 'compacted']);
        const inside = feeder.do(txn([], [put('x', ''), range('a', '', { revision: revision - 1 })]));
        expect(inside).toMatchObject({ ok: false, refusal: 'compacted' });
        expect(keysAt(revision)).toEqual([['a@3'], [], ['b@5']][revision - 3]);
        expect(keysAt(6)).toEqual(['a@6', 'b@5']);
        sweepAll();
      }
    }
  });

  it('takes no time and changes no version: what is useless goes with the sweeps', () => {
    for (let i = 0; i < 10; i++) feeder.do(put('a', `${i}`));
    written();
    const { sizeBytes } = machine;
    compact(machine.revision);
    expect([machine.sizeBytes, written()]).toEqual([sizeBytes, { puts: [], gone: [] }]);
    expect(sweepAll()).toBe(9);
    expect(machine.sizeBytes).toBe(sizeBytes / 10);
    expect(written().gone).toEqual(['2.0', '3.0', '4.0', '5.0', '6.0', '7.0', '8.0', '9.0', '10.0']);
    expect(sweepAll()).toBe(0);
  });
});

describe('what is kept', () => {
  it('the newest of each key, but no deletion before the compacted revision', () => {
    const log = [put('a', '1'), put('b', '1'), put('a', '2'), del('b'), put('c', '1'), del('c'), put('a', '3')];
    for (const command of log) feeder.do(command);
    written();
    compact(6);
    expect(sweepAll()).toBe(3);
    expect(written().gone.sort()).toEqual(['2.0', '3.0', '5.0']);
    compact(7);
    // The deletion of c is the compacted revision's own: a watch from there sees it.
    expect([sweepAll(), written().gone]).toEqual([1, ['6.0']]);
    expect(events(7)).toEqual(['delete c']);
    compact(8);
    expect([sweepAll(), written().gone.sort()]).toEqual([2, ['4.0', '7.0']]);
    expect(machine.sizeBytes).toBe(256 + 2);
    // A key that is known no more begins again.
    feeder.do(put('c', '2'));
    expect(resultOf(machine.range(range('c')))).toMatchObject({ kvs: [{ create: 9, version: 1 }] });
  });

  it('all of the compacted revision, so that a watch from there misses nothing (W3, W8)', () => {
    for (const key of ['a', 'b', 'c']) feeder.do(put(key, '1'));
    feeder.do(txn([], [del('a'), put('b', '2'), put('d', '1')]));
    feeder.do(put('b', '3'));
    expect(events(5)).toEqual(['delete a was 1', 'put b was 1', 'put d']);
    compact(5);
    for (const _swept of [false, true]) {
      // What was before the compacted revision is compacted, as in etcd.
      expect([events(4), events(5), events(6)]).toEqual([[], ['delete a', 'put b', 'put d'], ['put b was 2']]);
      const hub = new Hub(machine.history);
      const spec = { key: bytes('\0'), rangeEnd: bytes('\0'), noPut: false, noDelete: false, prevKv: true };
      const watch = (startRevision: number) => hub.watch({ ...spec, startRevision }, () => {});
      expect(watch(4)).toEqual({ type: 'compacted', compacted: 5 });
      const watcher = watch(5);
      if ('type' in watcher) throw new Error('a watch from the compacted revision is refused');
      const pulled = hub.pull(watcher, 1_000_000);
      expect(pulled.type === 'events' ? pulled.events.length : pulled).toBe(4);
      sweepAll();
    }
  });

  it('a lease keeps its keys, and ends with them', () => {
    feeder.do({ type: 'grant', id: 7n, ttlMs: 1_000 });
    for (const value of ['1', '2', '3']) feeder.do(put('a', value, { lease: 7n }));
    compact(4);
    sweepAll();
    expect(machine.leaseKeys(7n).map(text)).toEqual(['a']);
    feeder.do({ type: 'revoke', id: 7n });
    compact(5);
    expect([keysAt(5), events(5), sweepAll()]).toEqual([[], ['delete a'], 1]);
  });
});

describe('sweeps', () => {
  it('look at so many changes, or so many bytes, in one command', () => {
    const prng = new Prng(1, 'sweeps');
    const big = 'v'.repeat(sweepBytesMax / 8);
    for (let i = 0; i < 3 * sweepChangesMax; i++) feeder.do(put(`k${prng.below(40)}`, i % 50 === 0 ? big : 'v'));
    // A revision of more changes than a sweep looks at is swept in parts.
    feeder.do(
      txn(
        [],
        Array.from({ length: 2 * sweepChangesMax + 10 }, (_, i) => put(`many${i}`, 'v')),
      ),
    );
    feeder.do(del('many', 'manz'));
    feeder.do(put('k1', 'v'));
    compact(machine.revision);
    machine.takeImageBatch();
    const [changes, last] = [3 * sweepChangesMax + 2 * (2 * sweepChangesMax + 10), machine.revision];
    let [sweeps, full, visited] = [0, 0, 0];
    for (let from = machine.compaction.position; from !== undefined; from = machine.compaction.position) {
      const to = machine.compaction.next(sweepChangesMax, sweepBytesMax);
      if (to === undefined) break;
      let looked = 0;
      for (let revision = from.revision; revision <= Math.min(to.revision, last); revision++) {
        const [first, end] = [revision === from.revision ? from.sub : 0, revision === to.revision ? to.sub : Infinity];
        looked += machine.history.changesOf(revision).filter(({ sub }) => sub >= first && sub < end).length;
      }
      const before = machine.sizeBytes;
      const gone = touched(feeder.do({ type: 'sweep', ...to }));
      expect(looked).toBeLessThanOrEqual(sweepChangesMax);
      // A deletion goes with the version before it.
      expect(gone).toBeLessThanOrEqual(2 * looked);
      expect(before - machine.sizeBytes).toBeLessThan(sweepBytesMax + big.length + 256 * gone + 8 * gone);
      expect((machine.takeImageBatch()?.ops.length ?? 0) - 1).toBe(gone);
      visited += looked;
      full += Number(looked === sweepChangesMax);
      sweeps += 1;
    }
    expect(visited).toBe(changes + 1);
    expect(full).toBeGreaterThan(3);
    expect(sweeps).toBeLessThan(30);
    expect(machine.keyCount).toBe(40);
  });

  it('do nothing twice, go no further than the compacted revision, and go on after the next compaction', () => {
    for (let i = 0; i < 6; i++) feeder.do(put('a', `${i}`));
    compact(5);
    const sweep = (revision: number, sub = 0) => touched(feeder.do({ type: 'sweep', revision, sub }));
    expect([sweep(4), sweep(4), sweep(3, 9), sweep(-4)]).toEqual([1, 0, 0, 0]);
    expect(machine.compaction.position).toEqual({ revision: 4, sub: 0 });
    compact(6);
    expect(machine.compaction.position).toEqual({ revision: 4, sub: 0 });
    expect([machine.compaction.isSwept(3), machine.compaction.isSwept(4)]).toEqual([true, false]);
    expect([sweep(Number.MAX_SAFE_INTEGER, 3), sweep(9)]).toEqual([3, 0]);
    expect(machine.compaction.position).toBeUndefined();
  });

  it('go on in the middle of a revision after a restart', () => {
    feeder.do(txn([], [put('a', '1'), put('b', '1'), put('c', '1'), put('d', '1')]));
    feeder.do(del('a', 'z'));
    feeder.do(put('e', '1'));
    compact(4);
    feeder.do({ type: 'sweep', revision: 3, sub: 2 });
    const image = new ImageDouble();
    const batch = machine.takeImageBatch();
    if (batch !== undefined) image.write(batch);
    const loaded = image.load();
    expect(loaded.compaction.position).toEqual({ revision: 3, sub: 2 });
    expect(loaded.history.changesOf(3).map(({ sub }) => sub)).toEqual([2, 3]);
    const other = new Feeder(loaded);
    for (const command of [
      { type: 'sweep', revision: 3, sub: 3 },
      { type: 'sweep', revision: 5, sub: 0 },
    ] as const) {
      expect(other.do(command)).toEqual(feeder.do(command));
      expect(loaded.digestAtIndex()).toEqual(machine.digestAtIndex());
    }
    expect([loaded.sizeBytes, machine.sizeBytes]).toEqual([256 + 2, 256 + 2]);
  });
});

describe('the state', () => {
  it('a digest tells how far compaction and sweeps are', () => {
    const digests: string[] = [];
    for (let i = 0; i < 4; i++) feeder.do(put('a', `${i}`));
    for (const revision of [2, 4, 5]) {
      compact(revision);
      digests.push(machine.digest());
      sweepAll();
      digests.push(machine.digest());
    }
    expect(new Set(digests).size).toBe(digests.length);
  });

  it('HashKV is that of all versions up to a revision, compacted or not, and is refused where etcd refuses it', () => {
    for (let i = 0; i < 6; i++) feeder.do(put('a', `${i}`));
    const [at5, at7] = [machine.hashKv(5), machine.hashKv(0)];
    compact(4);
    for (const _swept of [false, true]) {
      expect(machine.hashKv(5)).toEqual({ ...at5, compactRevision: 4 });
      expect(machine.hashKv(0)).toEqual({ ...at7, compactRevision: 4 });
      for (const revision of [1, 3, 4]) expect(machine.hashKv(revision)).toMatchObject({ refusal: 'compacted' });
      sweepAll();
    }
    compact(7);
    expect([machine.hashKv(7).type, machine.hashKv(0).type]).toEqual(['refused', 'hash']);
  });

  it('an image with a sweep where nothing is, or a version that does not fit what is compacted, is damaged', () => {
    for (const command of [put('a', '1'), put('b', '1'), del('a'), put('b', '2'), put('b', '3')]) feeder.do(command);
    compact(4);
    sweepAll();
    const image = new ImageDouble();
    const batch = machine.takeImageBatch();
    if (batch !== undefined) image.write(batch);
    /** What a load says when the meta record says something else, with a digest that fits. */
    const loaded = (change: Partial<ImageMeta>): string => {
      const verifier = new ImageVerifier();
      for (const record of image.records()) verifier.read(record);
      const meta = verifier.finish();
      if (meta instanceof ImageDamage) return meta.what;
      const other = { ...meta, ...change };
      const { lease, version, member } = verifier.sums;
      const record = sealed(metaRecord({ ...other, digest: stateDigest([lease, version, member], other) }));
      const machine = loadMachine([record, ...image.records().slice(1)]);
      return machine instanceof ImageDamage ? machine.what : 'good';
    };
    expect(loaded({})).toBe('good');
    expect(loaded({ sweep: { revision: 4, sub: 0 } })).toBe('good');
    expect(loaded({ sweep: { revision: 5, sub: 0 } })).toContain('a sweep stands where nothing is');
    expect(loaded({ sweep: { revision: 1, sub: 0 } })).toContain('a sweep stands where nothing is');
    expect(loaded({ sweep: { revision: 4, sub: 1 } })).toContain('do not fit');
    // The deletion of a would stay for ever; and without compaction b would begin with its second version.
    expect(loaded({ compactRevision: 5 })).toContain('do not fit');
    expect(loaded({ compactRevision: -1 })).toContain('do not fit');
  });

  it('swept versions leave nothing behind: as many records as a fresh state has', () => {
    const random = new Machine();
    for (const _ of randomLog(new Prng(5, 'leave'), random, 400));
    const other = new Feeder(random);
    other.term = random.appliedTerm;
    other.do(put('last', ''));
    other.do(del('\0', '\0'));
    other.do(put('last', ''));
    const image = new ImageDouble();
    other.do({ type: 'compact', revision: random.revision });
    other.do({ type: 'sweep', revision: random.revision + 1, sub: 0 });
    const batch = random.takeImageBatch();
    if (batch !== undefined) image.write(batch);
    expect(image.records().filter(({ key }) => key[0] === 2).length).toBe(1);
    expect(random.sizeBytes).toBe(256 + 4 + 64 * random.lessor.count);
    expect(image.load().digest()).toBe(random.digest());
    expect(eventsOf(image.load(), random.revision).length).toBe(1);
  });
});
