import { expect, test } from 'vitest';
import {
  readSnapshotHead,
  type SnapshotFileHead,
  snapshotBodyBytes,
  snapshotHeadText,
} from '../../src/base/snapshot-head.ts';

const head: SnapshotFileHead = {
  cluster: '00000000000000aa',
  member: 'fedcba9876543210',
  index: 2 ** 53 - 1,
  term: 4,
  revision: 1_000,
  digest: '0123456789abcdef0123456789abcdef',
  versions: 999,
  records: 1_010,
  bytes: 2 ** 53 - 1,
};

test('the head of a snapshot file has frozen lines, fits its block, and is read back with its filling', () => {
  expect(snapshotHeadText({ ...head, index: 5, bytes: 77 })).toBe(
    'leasehold snapshot format 1\ncluster 00000000000000aa\nmember fedcba9876543210\nindex 5\nterm 4\nrevision 1000\n' +
      'digest 0123456789abcdef0123456789abcdef\nversions 999\nrecords 1010\nbytes 77\n',
  );
  const text = snapshotHeadText(head);
  expect(text.length).toBeLessThan(512);
  expect(readSnapshotHead(text.padEnd(512, '\0'))).toEqual(head);
});

test('what is no head, of another format or damaged says so', () => {
  const text = snapshotHeadText(head);
  expect(readSnapshotHead('\xed\xda\x0c\xed')).toBe('not a snapshot of leasehold');
  expect(readSnapshotHead(text.replace('format 1', 'format 2'))).toBe('format 2, this program knows 1');
  for (const wrong of [
    text.replace('term 4', 'term x'),
    text.replace('fed', 'FED'),
    text.replace('index', 'imdex'),
    text.slice(0, -1),
    `${text}more 1\n`,
    text.replace('versions 999', 'versions 0999'),
  ])
    expect(readSnapshotHead(wrong)).toBe('its head is damaged');
});

test('head and records fill blocks of 512 bytes', () => {
  expect([0, 1, 512, 513].map(snapshotBodyBytes)).toEqual([512, 1024, 1024, 1536]);
});
