import { describe, expect, test } from 'vitest';
import { entry, LoneMember, restored } from './lone-member.ts';

describe('Raft', () => {
  test('a boot hands out what the hard state knows to be committed, and no more', () => {
    const member = new LoneMember(
      restored(3, [entry(2, 1), entry(3, 1)], { hardState: { term: 1, vote: 0n, commit: 2 } }),
    );
    expect(member.applied.map(({ index }) => index)).toEqual([2]);
    const ahead = new LoneMember(restored(3, [entry(2, 1), entry(3, 1)], { applied: 3 }));
    expect([ahead.applied.length, ahead.raft.commit]).toEqual([0, 3]);
  });

  test('R13: disks that do not belong together are not run on', () => {
    const commit5 = { hardState: { term: 1, vote: 0n, commit: 5 } };
    expect(() => new LoneMember(restored(3, [], commit5))).toThrow('R13');
    expect(() => new LoneMember(restored(3, [entry(2, 4)], { hardState: { term: 3, vote: 0n, commit: 1 } }))).toThrow(
      'R13',
    );
    expect(() => new LoneMember(restored(3, [], { base: { index: 4, term: 1 }, entries: [], applied: 2 }))).toThrow(
      'R13',
    );
  });

  test('the commit index rides along with other writes, never alone', () => {
    const member = new LoneMember(restored(3));
    const append = {
      type: 'append',
      from: 2n,
      to: 1n,
      term: 1,
      prevIndex: 1,
      prevTerm: 1,
      entries: [entry(2, 1)],
      commit: 1,
      round: 0,
    } as const;
    member.hear(append);
    expect(member.writes.at(-1)?.hardState).toBeUndefined();
    member.hear({ type: 'heartbeat', from: 2n, to: 1n, term: 1, commit: 2, round: 0 });
    expect(member.writes).toHaveLength(1);
    member.hear({ ...append, prevIndex: 2, entries: [entry(3, 1)] });
    expect(member.writes.at(-1)).toEqual({ hardState: { term: 1, vote: 0n, commit: 2 }, entries: [entry(3, 1)] });
  });

  test('one write at a time; what comes meanwhile goes with the next', () => {
    const member = new LoneMember(restored(3));
    member.syncing = false;
    const append = (prevIndex: number) =>
      ({
        type: 'append',
        from: 2n,
        to: 1n,
        term: 1,
        prevIndex,
        prevTerm: 1,
        entries: [entry(prevIndex + 1, 1)],
        commit: 1,
        round: 0,
      }) as const;
    for (const prevIndex of [1, 2, 3]) member.hear(append(prevIndex));
    expect(member.writes.map((write) => write?.entries.length)).toEqual([1]);
    member.sync();
    member.turn();
    expect(member.writes.map((write) => write?.entries.length)).toEqual([1, 2]);
    expect(() => {
      member.sync();
      member.sync();
    }).toThrow('without a write');
  });

  test('compaction drops what is applied, refuses what is not', () => {
    const member = new LoneMember(
      restored(3, [entry(2, 1), entry(3, 1)], { hardState: { term: 1, vote: 0n, commit: 2 } }),
    );
    expect(() => member.raft.compact(3)).toThrow('not applied');
    member.raft.compact(2);
    member.raft.compact(1);
    expect([member.raft.base, member.raft.termAt(1)]).toEqual([{ index: 2, term: 1 }, undefined]);
    expect([member.raft.indexBeforeTail(10, 100), member.raft.indexBeforeTail(0, 100)]).toEqual([2, 3]);
  });

  test('a member alone elects itself with the first tick and answers rounds at once', () => {
    const member = new LoneMember(restored(1));
    member.tick();
    expect([member.raft.role, member.raft.commit]).toEqual(['leader', 2]);
    member.raft.requestRound();
    member.turn();
    expect(member.last?.rounds).toEqual({ upTo: 1, index: 2 });
    member.tick(50);
    expect(member.raft.role).toBe('leader');
  });

  test('nothing to do, nothing ready', () => {
    const member = new LoneMember(restored(3));
    expect(member.raft.takeReady()).toBeUndefined();
  });
});
