import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RaftLog } from '../../src/raft/log.ts';
import { entry } from './lone-member.ts';

function logOf(...terms: number[]): RaftLog {
  const log = new RaftLog({ index: 0, term: 0 }, []);
  log.append(terms.map((term, i) => entry(i + 1, term)));
  return log;
}

describe('RaftLog', () => {
  test('what is cut off while a write is under way is not persisted by it', () => {
    const log = logOf(1, 1, 1);
    expect(log.takeUnwritten(1e6)).toHaveLength(3);
    log.cutFrom(2);
    log.append([entry(2, 2)]);
    log.writeDone();
    expect(log.persisted).toBe(1);
    expect(log.takeUnwritten(1e6)).toEqual([entry(2, 2)]);
    log.writeDone();
    expect(log.persisted).toBe(2);
  });

  test('an entry cut off and put back during a write is written again before it counts', () => {
    const log = logOf(1, 1);
    log.takeUnwritten(1e6);
    log.cutFrom(2);
    log.append([entry(2, 1)]);
    log.writeDone();
    expect(log.persisted).toBe(1);
    expect(log.takeUnwritten(1e6)).toHaveLength(1);
  });

  test('a persisted suffix that is cut off is persisted no more', () => {
    const log = logOf(1, 1, 1);
    log.takeUnwritten(1e6);
    log.writeDone();
    log.cutFrom(2);
    expect([log.written, log.persisted, log.lastIndex]).toEqual([1, 1, 1]);
  });

  test('up to date: the later term wins, then the longer log (Raft thesis 3.6.1)', () => {
    const log = logOf(1, 2, 2);
    expect(log.isUpToDate(3, 2)).toBe(true);
    expect(log.isUpToDate(2, 2)).toBe(false);
    expect(log.isUpToDate(1, 3)).toBe(true);
    expect(log.isUpToDate(9, 1)).toBe(false);
  });

  test('lastAtMost is the last index, at most `index`, whose term is at most `term`', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 20 }),
        fc.integer({ min: 0, max: 25 }),
        fc.integer({ min: 0, max: 7 }),
        (steps, index, term) => {
          const terms = [...steps].sort((a, b) => a - b);
          const log = logOf(...terms);
          let expected = Math.min(index, terms.length);
          while (expected > 0 && (terms[expected - 1] as number) > term) expected--;
          expect(log.lastAtMost(index, term)).toBe(expected);
        },
      ),
    );
  });

  test('slices keep to their bytes, but give at least one entry', () => {
    const log = new RaftLog({ index: 0, term: 0 }, []);
    log.append([1, 2, 3].map((index) => entry(index, 1, 'x'.repeat(10))));
    expect(log.slice(1, 3, 5)).toHaveLength(1);
    expect(log.slice(1, 3, 20)).toHaveLength(2);
    expect(log.slice(1, 2, 1000)).toHaveLength(2);
    expect(log.slice(4, 3, 1000)).toHaveLength(0);
  });

  test('compaction keeps the term at the base and refuses what is not on disk', () => {
    const log = logOf(1, 1, 2);
    expect(() => log.compact({ index: 2, term: 1 })).toThrow('not on disk');
    log.takeUnwritten(1e6);
    log.writeDone();
    log.compact({ index: 2, term: 1 });
    expect([log.base, log.term(1), log.term(2), log.term(3)]).toEqual([{ index: 2, term: 1 }, undefined, 1, 2]);
    expect(log.lastAtMost(1, 9)).toBe(1);
  });

  test('an install keeps a suffix only behind the same entry', () => {
    const same = logOf(1, 1, 2);
    same.install({ index: 2, term: 1 });
    expect([same.lastIndex, same.persisted]).toEqual([3, 3]);
    const other = logOf(1, 1, 2);
    other.install({ index: 2, term: 2 });
    expect([other.lastIndex, other.lastTerm, other.persisted]).toEqual([2, 2, 2]);
  });

  test('bytes behind an index', () => {
    const log = new RaftLog({ index: 0, term: 0 }, []);
    log.append([1, 2, 3].map((index) => entry(index, 1, 'x'.repeat(10))));
    expect([
      log.indexBeforeBytes(0),
      log.indexBeforeBytes(10),
      log.indexBeforeBytes(29),
      log.indexBeforeBytes(30),
    ]).toEqual([3, 2, 1, 0]);
  });
});
