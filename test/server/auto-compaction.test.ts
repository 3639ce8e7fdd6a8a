/** Compaction without being asked, on a clock of the test's own. What is expected is what etcd 3.4's compactor does. */
import { describe, expect, test } from 'vitest';
import { type AutoCompaction, type AutoCompactionRule, autoCompaction } from '../../src/server/auto-compaction.ts';
import { autoCompactor } from '../../src/server/auto-compactor.ts';
import { FakeMember, otherMember } from '../rpc/fake-member.ts';

const minute = 60_000;
const hour = 60 * minute;

/** Revision 1 at the start and one more each minute. Looks until `untilMs`; gives [minute, revision] of each compaction. */
function run(compaction: AutoCompaction, untilMs: number, jitterMs = 0): number[][] {
  const compactions: number[][] = [];
  for (let look = 1; look * compaction.everyMs <= untilMs; look++) {
    const nowMs = look * compaction.everyMs + (look % 2 === 0 ? jitterMs : -jitterMs);
    const revision = compaction.look(nowMs, 1 + Math.floor(nowMs / minute), true);
    if (revision === undefined) continue;
    compactions.push([Math.round(nowMs / minute), revision]);
    compaction.done(nowMs, revision);
  }
  return compactions;
}

describe('periodic', () => {
  test('an hour: nothing for an hour, then every hour at what was an hour ago', () => {
    const compaction = autoCompaction({ mode: 'periodic', periodMs: hour }, 0, 1);
    expect(compaction.everyMs).toBe(6 * minute);
    // As etcd does: after the first time a look more than the period is kept.
    expect(run(compaction, 3 * hour)).toEqual([
      [60, 1],
      [120, 55],
      [180, 115],
    ]);
  });

  test('a day: nothing for a day, then every hour at what was a day ago', () => {
    const compaction = autoCompaction({ mode: 'periodic', periodMs: 24 * hour }, 0, 1);
    expect(compaction.everyMs).toBe(6 * minute);
    expect(run(compaction, 26 * hour)).toEqual([
      [24 * 60, 1],
      [25 * 60, 55],
      [26 * 60, 115],
    ]);
  });

  test('five minutes: every five, and a timer that comes early or late makes no difference', () => {
    for (const jitterMs of [0, 50, 2_000]) {
      const compaction = autoCompaction({ mode: 'periodic', periodMs: 5 * minute }, 0, 1);
      expect(compaction.everyMs).toBe(minute / 2);
      expect(run(compaction, 15 * minute, jitterMs).map(([at]) => at)).toEqual([5, 10, 15]);
    }
  });

  test('what failed is tried again at the next look; who does not lead takes notes', () => {
    const compaction = autoCompaction({ mode: 'periodic', periodMs: hour }, 0, 1);
    const look = (at: number, mayCompact = true) => compaction.look(at * minute, at, mayCompact);
    for (let at = 6; at < 60; at += 6) expect(look(at)).toBeUndefined();
    expect([look(60, false), look(66, false)]).toEqual([undefined, undefined]);
    expect([look(72), look(78)]).toEqual([6, 12]);
    compaction.done(78 * minute, 12);
    expect(look(84)).toBeUndefined();
  });
});

describe('revision', () => {
  test('every five minutes all but the last so many; the same revision only once', () => {
    const compaction = autoCompaction({ mode: 'revision', revisions: 100 }, 0, 1);
    expect(compaction.everyMs).toBe(5 * minute);
    const look = (revision: number, mayCompact = true) => compaction.look(0, revision, mayCompact);
    expect([look(1), look(100), look(101, false), look(101), look(150)]).toEqual([
      undefined,
      undefined,
      undefined,
      1,
      50,
    ]);
    compaction.done(0, 50);
    expect([look(150), look(151)]).toEqual([undefined, 51]);
  });
});

describe('the leader', () => {
  const rule: AutoCompactionRule = { mode: 'revision', revisions: 2 };
  function bench() {
    const member = new FakeMember();
    const lines: string[] = [];
    const note = (level: string) => (line: string) => void lines.push(`${level} ${line}`);
    const log = { info: note('info'), warn: note('warn') };
    const compactor = autoCompactor(rule, member, log, () => 0);
    if (compactor === undefined) throw new Error('a rule makes a compactor');
    for (let i = 0; i < 5; i++) member.put('a', `${i}`);
    return { member, lines, step: () => compactor.step() };
  }

  test('compacts, and says so; nobody else does', async () => {
    const { member, lines, step } = bench();
    member.leader = otherMember;
    await step();
    expect([member.state.compactRevision, lines]).toEqual([-1, []]);
    member.leader = member.header().memberId;
    await step();
    expect([member.state.compactRevision, lines]).toEqual([4, ['info compacted by itself']]);
    await step();
    expect(lines.length).toBe(1);
  });

  test('takes what somebody compacted already for done, and tries again what failed', async () => {
    const { member, lines, step } = bench();
    member.refuseWith = 'noLeader';
    await step();
    expect(lines).toEqual(['warn cannot compact by itself']);
    member.refuseWith = undefined;
    member.apply({ type: 'compact', revision: 5 });
    await Promise.all([step(), step()]);
    await step();
    expect(lines).toEqual(['warn cannot compact by itself', 'info compacted by itself']);
    expect(member.state.compactRevision).toBe(5);
  });

  test('without a rule nothing is compacted', () => {
    const log = { info: () => {}, warn: () => {} };
    expect(autoCompactor(undefined, new FakeMember(), log, () => 0)).toBeUndefined();
  });
});
