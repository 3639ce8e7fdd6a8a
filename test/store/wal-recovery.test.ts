import { describe, expect, it } from 'vitest';
import type { WriteGroup } from '../../src/store/entry.ts';
import { MemoryWal } from '../../src/store/memory-wal.ts';
import { encodeSegmentHead, SECTOR_BYTES, segmentKey, segmentName } from '../../src/store/wal-format.ts';
import { encodeGroup } from '../../src/store/wal-group.ts';
import { MemoryFiles } from '../../src/store/wal-memory-files.ts';
import { recoverWal } from '../../src/store/wal-recovery.ts';
import { freshTail, WalTail } from '../../src/store/wal-tail.ts';
import { entries, entry, hardState, LogModel } from './wal-model.ts';

const identity = { clusterId: 1n, memberId: 2n, generation: 1 };
const base = { index: 0, term: 0 };
const segmentBytes = 4096;
const first: WriteGroup = { hardState: hardState(1, 0n, 1), entries: [entry(1, 1)] };

/** A log of these groups in memory, each synced. */
function logOf(groups: readonly WriteGroup[]): MemoryWal {
  const wal = MemoryWal.create(new MemoryFiles(), { identity, base, initial: first, segmentBytes });
  for (const group of groups) {
    wal.write(group, () => undefined);
    wal.completeSync();
  }
  return wal;
}

function append(from: number, to: number): WriteGroup[] {
  return Array.from({ length: to - from + 1 }, (_, i) => ({
    hardState: hardState(1, 0n, from + i - 1),
    entries: [entry(from + i, 1, 900)],
  }));
}

describe('recovery after a drop that was cut short', () => {
  // Segment 2 opens after index 3 and overwrites it at once: alone it makes no sense, as its base is a lie.
  const groups: WriteGroup[] = [
    { hardState: hardState(1, 0n, 1), entries: entries(2, 3, 1, 1000) },
    { hardState: hardState(2, 0n, 2), entries: entries(3, 4, 2, 900) },
    { hardState: hardState(2, 0n, 4), entries: entries(5, 6, 2, 900) },
    { hardState: hardState(2, 0n, 6), entries: entries(7, 8, 2, 900) },
  ];
  const model = groups.reduce<LogModel>((log, group) => log.after(group), LogModel.created(base, first));

  it('ignores the segments that were to go, and has them deleted', () => {
    const wal = logOf(groups);
    wal.dropUpTo(4);
    const last: WriteGroup = { hardState: undefined, entries: [entry(9, 2, 20)] };
    wal.write(last, () => undefined);
    wal.completeSync();
    expect(wal.files.names()[0]).toBe(segmentName(2));
    const opened = wal.reopen({ baseAtMost: 4 });
    if (opened.type === 'damage') throw new Error(opened.what);
    expect(opened.loaded.base).toEqual({ index: 4, term: 2 });
    expect(LogModel.of(opened.loaded).text()).toBe(model.after(last).from(opened.loaded.base).text());
    expect(opened.wal.files.names()[0]).toBe(segmentName(3));
  });

  it('refuses when the segments that went were not to go', () => {
    const wal = logOf(groups);
    wal.files.erase(segmentName(1));
    expect(wal.reopen()).toMatchObject({
      type: 'damage',
      file: segmentName(1),
      what: expect.stringMatching(/missing/),
    });
  });
});

describe('recovery of what stands behind the end', () => {
  it('finds nothing torn in a log that ended well', () => {
    const wal = logOf(append(2, 5));
    const recovered = recoverWal(wal.files.all(), { identity, segmentBytes });
    expect(recovered).toMatchObject({ type: 'log', droppedTornGroup: false });
  });

  it('takes no bytes of an earlier life of the place for a group: same numbers, other log', () => {
    // Two logs of one identity differ in salt only; the tail of one stands behind the end of the other.
    const other = MemoryWal.create(new MemoryFiles(), { identity, base, initial: first, segmentBytes, salt: 2n });
    for (const group of append(2, 4)) {
      other.write(group, () => undefined);
      other.completeSync();
    }
    const wal = logOf(append(2, 2));
    const mine = wal.files.bytes(segmentName(1));
    const end = recoveredEnd(wal);
    other.files.bytes(segmentName(1)).copy(mine, end, end);
    const opened = wal.reopen();
    if (opened.type === 'damage') throw new Error(opened.what);
    expect(opened.loaded.entries.length).toBe(2);
    expect(opened.droppedTornGroup).toBe(true);
    // The bytes are gone for good now.
    expect(
      wal.files
        .bytes(segmentName(1))
        .subarray(end)
        .every((byte) => byte === 0),
    ).toBe(true);
  });

  it('refuses a segment of a copy of this log that went on differently, though all its numbers fit', () => {
    const wal = logOf(append(2, 7));
    const copy = new MemoryFiles();
    for (const { name, bytes } of wal.files.all()) copy.put(name, bytes);
    const opened = MemoryWal.open(copy, { identity, segmentBytes });
    if (opened.type === 'damage') throw new Error(opened.what);
    const goOn = (log: MemoryWal, payload: string): void => {
      for (let index = 8; index < 14; index++) {
        const odd = { ...entry(index, 1), payload: Buffer.alloc(900, payload) };
        log.write({ hardState: hardState(1, 0n, index - 1), entries: [odd] }, () => undefined);
        log.completeSync();
      }
    };
    goOn(wal, 'ours');
    goOn(opened.wal, 'theirs');
    expect(wal.files.names()).toEqual(copy.names());
    const foreign = segmentName(4);
    wal.files.put(foreign, copy.bytes(foreign));
    const found = wal.reopen();
    expect(found).toMatchObject({ type: 'damage', file: foreign, what: expect.stringMatching(/does not follow/) });
  });

  it('refuses a good group behind a gap of zeros', () => {
    const wal = logOf(append(2, 4));
    const file = wal.files.bytes(segmentName(1));
    file.fill(0, SECTOR_BYTES * 3, SECTOR_BYTES * 4);
    const damage = wal.reopen();
    expect(damage).toMatchObject({ type: 'damage', file: segmentName(1), offset: 3 * SECTOR_BYTES });
  });

  it('makes a spare again that has stray bytes, and refuses one that was used', () => {
    const wal = logOf(append(2, 2));
    const stray = wal.files.bytes(segmentName(2));
    stray[3000] = 1;
    const opened = wal.reopen();
    expect(opened.type).toBe('opened');
    expect(wal.files.bytes(segmentName(2))[3000]).toBe(0);
    wal.files.bytes(segmentName(2))[SECTOR_BYTES + 5] = 1;
    const again = opened.type === 'opened' ? opened.wal.reopen() : opened;
    expect(again).toMatchObject({
      type: 'damage',
      file: segmentName(1),
      what: expect.stringMatching(/000002.wal is in use/),
    });
  });

  it('keeps a vote through a crash at any point of the repairs that save it', () => {
    for (const payloadBytes of [0, 100, 900, 1_400]) {
      const wal = logOf([]);
      const end = recoveredEnd(wal);
      const group = { hardState: hardState(7, 3n, 1), entries: payloadBytes === 0 ? [] : [entry(2, 7, payloadBytes)] };
      wal.write(group, () => undefined);
      wal.completeSync();
      // Torn: the head did not make it, the vote copy did.
      wal.files.bytes(segmentName(1)).fill(0, end, end + SECTOR_BYTES);
      const torn = [...wal.files.all()].map(({ name, bytes }) => ({ name, bytes: Buffer.from(bytes) }));
      const recovered = recoverWal(torn, { identity, segmentBytes });
      if (recovered.type === 'damage') throw new Error(recovered.what);
      for (let done = 0; done <= recovered.repairs.length; done++) {
        const files = torn.map(({ name, bytes }) => ({ name, bytes: Buffer.from(bytes) }));
        for (const step of recovered.repairs.slice(0, done)) {
          if (step.type === 'write') {
            const file = files.find(({ name }) => name === segmentName(step.segment));
            step.bytes.copy(file?.bytes as Buffer, step.offset);
          }
        }
        expect(recoverWal(files, { identity, segmentBytes }), `${done} repairs done`).toMatchObject({
          type: 'log',
          loaded: { hardState: hardState(7, 3n, 1) },
        });
      }
    }
  });

  it('refuses a log whose synced commit is beyond its end', () => {
    const tail = new WalTail(freshTail(identity, 1n, base, segmentBytes));
    expect(() => tail.plan({ hardState: hardState(1, 0n, 2), entries: [entry(1, 1)] })).toThrow(/S1/);
    // No log of ours can say so, then: this one is put together by hand.
    const head = encodeSegmentHead({ ...identity, salt: 1n, number: 1, sizeBytes: segmentBytes });
    const group = encodeGroup(
      {
        key: segmentKey(head),
        segment: 1,
        offset: SECTOR_BYTES,
        firstSegment: 1,
        number: 1,
        chainBefore: 0,
        base,
        hardState: hardState(1, 0n, 2),
        seal: false,
        voteCopy: false,
      },
      [entry(1, 1)],
    );
    const bytes = Buffer.concat([head, group.bytes], segmentBytes);
    expect(recoverWal([{ name: segmentName(1), bytes }], { identity, segmentBytes })).toMatchObject({
      type: 'damage',
      what: 'commit 2 was synced, yet the log ends at index 1',
    });
  });

  it('takes a log without any file for damage', () => {
    expect(recoverWal([], { identity, segmentBytes })).toMatchObject({
      type: 'damage',
      what: 'the log has no segment',
    });
    const head = encodeSegmentHead({ ...identity, salt: 1n, number: 1, sizeBytes: segmentBytes });
    const blank = Buffer.concat([head], segmentBytes);
    expect(recoverWal([{ name: segmentName(1), bytes: blank }], { identity, segmentBytes })).toMatchObject({
      type: 'damage',
      what: 'the first group of the log is damaged',
    });
  });
});

/** Where the next group of a one-segment log goes. */
function recoveredEnd(wal: MemoryWal): number {
  const recovered = recoverWal(wal.files.all(), { identity, segmentBytes });
  if (recovered.type === 'damage') throw new Error(recovered.what);
  return segmentBytes - SECTOR_BYTES - recovered.tail.roomBytes;
}
