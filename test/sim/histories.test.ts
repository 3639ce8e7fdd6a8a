/**
 * The checks are checked: bad histories, each of which must be refused with the invariant that it breaks, and tricky legal ones
 * that must be let pass. Else neither clean seeds nor caught mutants would mean anything.
 */
import { expect, test } from 'vitest';
import { badCompactionHistories, legalCompactionHistories } from './checks/histories/compaction-histories.ts';
import { badDutyHistories, legalDutyHistories } from './checks/histories/duty-histories.ts';
import { badKeyHistories } from './checks/histories/key-histories.ts';
import { badLeaseHistories } from './checks/histories/lease-histories.ts';
import { legalKeyHistories } from './checks/histories/legal-key-histories.ts';
import { legalLeaseHistories } from './checks/histories/legal-lease-histories.ts';
import { badLockHistories, legalLockHistories } from './checks/histories/lock-histories.ts';
import { badRaftHistories, legalRaftHistories } from './checks/histories/raft-histories.ts';
import type { Row } from './checks/histories/story.ts';
import { badWatchHistories, legalWatchHistories } from './checks/histories/watch-histories.ts';
import { Violation } from './violation.ts';

const bad = [
  badKeyHistories,
  badLeaseHistories,
  badDutyHistories,
  badRaftHistories,
  badWatchHistories,
  badLockHistories,
  badCompactionHistories,
].flat();
const legal = [
  legalKeyHistories,
  legalLeaseHistories,
  legalDutyHistories,
  legalRaftHistories,
  legalWatchHistories,
  legalLockHistories,
  legalCompactionHistories,
].flat();

function verdict({ tell }: Row): string {
  try {
    tell();
    return 'legal';
  } catch (error) {
    if (error instanceof Violation) return error.invariant;
    throw error;
  }
}

test.each(bad.map((row) => [row.expected, row.name, row] as const))('%s refuses: %s', (expected, _name, row) => {
  expect(verdict(row)).toBe(expected);
});

test.each(legal.map((row) => [row.name, row] as const))('legal: %s', (_name, row) => {
  row.tell();
});

test('there are enough of both', () => {
  expect(bad.length).toBeGreaterThanOrEqual(20);
  expect(legal.length).toBeGreaterThanOrEqual(20);
});
