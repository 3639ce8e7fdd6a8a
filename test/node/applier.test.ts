import { expect, test } from 'vitest';
import { imageFlushMsMax } from '../../src/base/limits.ts';
import { Applier } from '../../src/node/applier.ts';
import type { Ports } from '../../src/node/ports.ts';
import type { Raft } from '../../src/raft/raft.ts';
import { Machine } from '../../src/state/machine.ts';
import type { Index } from '../../src/store/entry.ts';

/** An applier whose log has `tail` entries to spare; `machine` applies empty entries. */
function bench(tail = 0) {
  const written: Index[] = [];
  const dropped: Index[] = [];
  const machine = new Machine();
  const raft = {
    persistedIndex: 0,
    base: { index: 0, term: 0 },
    indexBeforeTail: (_entriesMax: number, bytesMax: number) => machine.appliedIndex - (bytesMax === 0 ? 0 : tail),
    compact: (index: Index) => (raft.base = { index, term: 1 }),
  };
  const ports = {
    wal: { write: () => {}, dropUpTo: (index: Index) => dropped.push(index) },
    image: { write: ({ appliedIndex }: { readonly appliedIndex: Index }) => written.push(appliedIndex) },
  };
  const applier = new Applier(raft as unknown as Raft, ports as unknown as Ports, 0);
  const apply = (count: number): void => {
    for (let i = 0; i < count; i++)
      machine.apply({ index: machine.appliedIndex + 1, term: 1, kind: 'empty', payload: new Uint8Array(0) });
  };
  return { applier, machine, raft, written, dropped, apply };
}

test('S1: the image is not written ahead of the log, one write at a time, and the log goes only below one that returned', () => {
  const { applier, machine, raft, written, dropped, apply } = bench(2);
  apply(5);
  raft.persistedIndex = 4;
  applier.flush(machine, imageFlushMsMax, false);
  expect(written).toEqual([]);
  raft.persistedIndex = 5;
  applier.flush(machine, imageFlushMsMax - 1, false);
  expect(written).toEqual([]);
  applier.flush(machine, imageFlushMsMax, false);
  expect(written).toEqual([5]);
  apply(3);
  raft.persistedIndex = 8;
  applier.flush(machine, 9 * imageFlushMsMax, false);
  expect(written).toEqual([5]);
  expect(dropped).toEqual([]);
  applier.imageWritten(5, false);
  expect(dropped).toEqual([5]);
  applier.flush(machine, 9 * imageFlushMsMax, false);
  applier.imageWritten(8, false);
  expect(written).toEqual([5, 8]);
  // Two are kept for members a little behind.
  expect(dropped).toEqual([5, 6]);
});

test('the log behind the image of a stream under way stays until the stream has ended', () => {
  const { applier, machine, raft, dropped, apply } = bench();
  const flushed = (round: number): void => {
    apply(10);
    raft.persistedIndex = machine.appliedIndex;
    applier.flush(machine, round * imageFlushMsMax, false);
    applier.imageWritten(machine.appliedIndex, false);
  };
  flushed(1);
  applier.pin(2n);
  flushed(2);
  applier.pin(3n);
  flushed(3);
  expect(dropped).toEqual([10]);
  applier.unpin(2n);
  flushed(4);
  expect(dropped).toEqual([10, 20]);
  applier.unpin(3n);
  flushed(5);
  expect(dropped).toEqual([10, 20, 50]);
});

test('S5: with the disk low the image is written at once, and no log is kept for members a little behind', () => {
  const { applier, machine, raft, written, dropped, apply } = bench(2);
  apply(5);
  raft.persistedIndex = 5;
  applier.flush(machine, 0, true);
  expect(written).toEqual([5]);
  applier.imageWritten(5, true);
  expect(dropped).toEqual([5]);
});

test('who wants the image on disk is answered when all that was applied is in it, and the write is not put off for that', () => {
  const { applier, machine, raft, written, apply } = bench();
  const answered: Index[] = [];
  const want = (): void => {
    const index = machine.appliedIndex;
    applier.want(index, () => answered.push(index));
  };
  want();
  expect(answered).toEqual([0]);
  apply(2);
  raft.persistedIndex = 2;
  applier.flush(machine, 1, false);
  expect(written).toEqual([]);
  want();
  applier.flush(machine, 2, false);
  expect(written).toEqual([2]);
  apply(1);
  raft.persistedIndex = 3;
  want();
  applier.imageWritten(2, false);
  expect(answered).toEqual([0, 2]);
  applier.flush(machine, 3, false);
  expect(written).toEqual([2, 3]);
  applier.imageWritten(3, false);
  expect(answered).toEqual([0, 2, 3]);
  apply(1);
  want();
  // An installed snapshot holds more than was asked for.
  applier.installed(9);
  expect(answered).toEqual([0, 2, 3, 4]);
  apply(1);
  raft.persistedIndex = 5;
  applier.flush(machine, 4, false);
  expect(written).toEqual([2, 3]);
});
