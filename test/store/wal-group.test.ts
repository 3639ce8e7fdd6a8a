import { describe, expect, it } from 'vitest';
import { AssertionFailure } from '../../src/base/assert.ts';
import { decodeSegmentHead, encodeSegmentHead, parseSegmentName, segmentName } from '../../src/store/wal-format.ts';
import {
  decodeEntries,
  decodeGroupHead,
  decodeVoteCopy,
  encodeGroup,
  type GroupPlace,
  groupSizeBytes,
} from '../../src/store/wal-group.ts';
import { entries, entry, hardState } from './wal-model.ts';

const place: GroupPlace = {
  key: 0xdeadbeef,
  segment: 7,
  offset: 1024,
  firstSegment: 3,
  number: 2 ** 40 + 1,
  chainBefore: 0x12345678,
  base: { index: 2 ** 45, term: 2 ** 33 },
  hardState: hardState(2 ** 33 + 1, 0xffff_ffff_ffff_ffffn, 2 ** 45 - 1),
  seal: false,
  voteCopy: true,
};

describe('a write group as bytes', () => {
  it('comes back as it went, head, entries and vote', () => {
    const held = [
      entry(2 ** 45 + 1, 2 ** 33, 0, 'empty'),
      entry(2 ** 45 + 2, 2 ** 33, 700, 'configuration'),
      entry(2 ** 45 + 3, 9, 3),
    ];
    const { bytes, chainAfter } = encodeGroup(place, held);
    expect(bytes.length).toBe(groupSizeBytes(held, true));
    expect(bytes.length % 512).toBe(0);
    const head = decodeGroupHead(bytes, 0, place.key);
    expect(head).toEqual({ ...place, chainAfter, entryCount: 3, recordBytes: 3 * 28 + 703, sizeBytes: bytes.length });
    expect(decodeEntries(bytes, 0, head!)).toEqual(held);
    expect(decodeVoteCopy(bytes, bytes.length - 512, place.key)).toEqual({
      number: place.number,
      chainBefore: place.chainBefore,
      term: place.hardState.term,
      vote: place.hardState.vote,
    });
  });

  it('is not found with the key of another segment', () => {
    const { bytes } = encodeGroup(place, entries(1, 2, 1));
    expect(decodeGroupHead(bytes, 0, place.key + 1)).toBeUndefined();
    expect(decodeVoteCopy(bytes, bytes.length - 512, place.key + 1)).toBeUndefined();
  });

  it('is not found where it does not fit into the file', () => {
    const { bytes } = encodeGroup({ ...place, voteCopy: false }, entries(1, 4, 1, 300));
    expect(decodeGroupHead(bytes.subarray(0, bytes.length - 512), 0, place.key)).toBeUndefined();
    expect(decodeGroupHead(bytes, bytes.length - 100, place.key)).toBeUndefined();
  });

  it('has a chain that depends on every byte of it and on all before', () => {
    const { chainAfter } = encodeGroup(place, entries(1, 2, 1));
    const others = [
      encodeGroup({ ...place, chainBefore: 1 }, entries(1, 2, 1)),
      encodeGroup({ ...place, hardState: hardState(1, 0n, 0) }, entries(1, 2, 1)),
      encodeGroup(place, entries(1, 2, 2)),
      encodeGroup(place, []),
    ];
    for (const other of others) expect(other.chainAfter).not.toBe(chainAfter);
  });

  it('shows every flipped bit of head and records', () => {
    const { bytes } = encodeGroup({ ...place, voteCopy: false }, entries(1, 3, 1, 90));
    const used = 88 + 3 * (28 + 90);
    for (let bit = 0; bit < used * 8; bit++) {
      const at = bit >> 3;
      bytes[at] = bytes[at]! ^ (1 << (bit & 7));
      const head = decodeGroupHead(bytes, 0, place.key);
      expect(head === undefined ? undefined : decodeEntries(bytes, 0, head), `bit ${bit}`).toBeUndefined();
      bytes[at] = bytes[at]! ^ (1 << (bit & 7));
    }
  });

  it('refuses numbers that are not safe integers, as our own bug', () => {
    expect(() => encodeGroup({ ...place, number: -1 }, [])).toThrow(AssertionFailure);
    expect(() => encodeGroup(place, [{ ...entry(1, 1), term: 0.5 }])).toThrow(AssertionFailure);
  });
});

describe('a segment head and its name', () => {
  const head = { clusterId: 2n ** 64n - 1n, memberId: 1n, generation: 4, salt: 77n, number: 12, sizeBytes: 8192 };

  it('comes back as it went', () => {
    expect(decodeSegmentHead(encodeSegmentHead(head))).toEqual(head);
    expect(parseSegmentName(segmentName(12))).toBe(12);
    expect(segmentName(12) < segmentName(100)).toBe(true);
  });

  it('takes no other name for a segment', () => {
    for (const name of [
      '',
      '1.wal',
      '000000000000.wal',
      '000000000001.wal.new',
      'a00000000001.wal',
      '0000000000001.wal',
      'LOCK',
    ]) {
      expect(parseSegmentName(name)).toBeUndefined();
    }
  });

  it('says what is wrong with it', () => {
    expect(decodeSegmentHead(Buffer.alloc(0))).toMatch(/cut short/);
    expect(decodeSegmentHead(Buffer.alloc(512))).toMatch(/no segment of a log/);
    const bytes = encodeSegmentHead(head);
    bytes[200] = 1;
    expect(decodeSegmentHead(bytes)).toMatch(/damaged/);
  });
});
