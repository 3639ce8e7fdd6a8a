import { describe, expect, test } from 'vitest';
import type { SnapshotHead } from '../../src/raft/message.ts';
import { entry, LoneMember, restored, voters } from './lone-member.ts';

const head = (index: number, term = 1, over: Partial<SnapshotHead> = {}): SnapshotHead => ({
  from: 2n,
  to: 1n,
  term: 3,
  meta: { index, term, configuration: voters(3) },
  ...over,
});
const entries = [entry(2, 1), entry(3, 1), entry(4, 1)];

describe('install', () => {
  test('R11: a log that holds the last entry of the snapshot keeps what is behind it', () => {
    const member = new LoneMember(restored(3, entries));
    expect(member.raft.beginInstall(head(3))).toEqual({
      hardState: { term: 3, vote: 0n, commit: 3 },
      entries: [entry(4, 1)],
    });
    member.raft.installed();
    expect(member.turn()).toMatchObject([{ type: 'appendReply', to: 2n, accepted: true, match: 3 }]);
    expect(member.raft.describe()).toMatchObject({
      base: { index: 3, term: 1 },
      lastIndex: 4,
      commit: 3,
      handedOut: 3,
      persistedIndex: 4,
    });
  });

  test('another entry there, or none, and the whole log goes', () => {
    for (const [index, term] of [
      [3, 2],
      [9, 1],
    ] as const) {
      const member = new LoneMember(restored(3, entries));
      expect(member.raft.beginInstall(head(index, term))?.entries).toEqual([]);
      member.raft.installed();
      expect(member.raft.describe()).toMatchObject({
        base: { index, term },
        lastIndex: index,
        commit: index,
        handedOut: index,
      });
    }
  });

  test('M16: what is not newer than our commit, of an old term, or malformed is refused', () => {
    const member = new LoneMember(restored(3, entries, { hardState: { term: 3, vote: 0n, commit: 3 } }));
    expect(member.raft.beginInstall(head(3))).toBeUndefined();
    expect(member.raft.beginInstall(head(2))).toBeUndefined();
    expect(member.raft.beginInstall(head(4, 1, { term: 2 }))).toBeUndefined();
    expect(member.raft.beginInstall(head(4, 9))).toBeUndefined();
    expect(member.raft.beginInstall(head(4, 1, { from: 9n }))).toBeUndefined();
    expect(
      member.raft.beginInstall({
        ...head(4),
        meta: { index: 4, term: 1, configuration: { voters: [], learners: [] } },
      }),
    ).toBeUndefined();
    expect(member.raft.describe().refusedMessages).toBe(3);
    expect(member.raft.beginInstall(head(4))).toBeDefined();
  });

  test('while it is under way nothing is written, appended, handed out or campaigned for', () => {
    const member = new LoneMember(restored(3, entries));
    expect(member.raft.canInstallNow).toBe(true);
    member.raft.beginInstall(head(9));
    expect([member.raft.canInstallNow, member.raft.writeOutstanding]).toEqual([false, true]);
    expect(member.raft.beginInstall(head(10))).toBeUndefined();
    const append = {
      type: 'append',
      from: 2n,
      to: 1n,
      term: 3,
      prevIndex: 4,
      prevTerm: 1,
      entries: [entry(5, 3)],
      commit: 5,
      round: 0,
    } as const;
    expect(member.hear(append)).toEqual([]);
    // The term is on its way to disk with the install: the answer to a heartbeat waits for it.
    expect(member.hear({ type: 'heartbeat', from: 2n, to: 1n, term: 3, commit: 4, round: 5 })).toEqual([]);
    expect([member.raft.commit, member.raft.lastIndex, member.applied.length, member.writes.length]).toEqual([
      1, 4, 0, 0,
    ]);
    member.tick(40);
    expect(member.raft.role).toBe('follower');
    member.raft.installed();
    expect(member.turn()).toMatchObject([
      { type: 'heartbeatReply', round: 5 },
      { type: 'appendReply', match: 9 },
    ]);
  });

  test('a newer term during the install: it is written afterwards, and the old leader gets no answer', () => {
    const member = new LoneMember(restored(3, entries));
    member.raft.beginInstall(head(9));
    member.hear({ type: 'heartbeat', from: 3n, to: 1n, term: 4, commit: 1, round: 0 });
    member.raft.installed();
    expect(member.turn()).toEqual([expect.objectContaining({ type: 'heartbeatReply', to: 3n, term: 4 })]);
    expect(member.writes.at(-1)?.hardState).toEqual({ term: 4, vote: 0n, commit: 9 });
  });

  test('a write under way must end first', () => {
    const member = new LoneMember(restored(3));
    member.syncing = false;
    member.hear({
      type: 'append',
      from: 2n,
      to: 1n,
      term: 3,
      prevIndex: 1,
      prevTerm: 1,
      entries: [entry(2, 3)],
      commit: 1,
      round: 0,
    });
    expect(member.raft.canInstallNow).toBe(false);
    expect(member.raft.beginInstall(head(9))).toBeUndefined();
    member.sync();
    expect(member.raft.beginInstall(head(9))).toBeDefined();
  });

  test('a lost image: one at or above the base helps, whatever was committed; below it there is a hole', () => {
    const lost = () =>
      new LoneMember(
        restored(3, [], {
          base: { index: 2, term: 1 },
          entries: [entry(3, 1), entry(4, 1)],
          applied: 0,
          needsSnapshot: true,
          hardState: { term: 3, vote: 0n, commit: 4 },
        }),
      );
    const member = lost();
    member.tick(40);
    expect([member.raft.role, member.applied.length]).toEqual(['follower', 0]);
    member.hear({ type: 'heartbeat', from: 2n, to: 1n, term: 3, commit: 4, round: 0 });
    expect(member.lastTo(2n, 'heartbeatReply')?.needsSnapshot).toBe(true);
    expect(member.raft.beginInstall(head(1))).toBeUndefined();
    expect(member.raft.beginInstall(head(2))).toMatchObject({
      hardState: { commit: 4 },
      entries: [entry(3, 1), entry(4, 1)],
    });
    member.raft.installed();
    member.turn();
    expect(member.applied.map(({ index }) => index)).toEqual([3, 4]);
    expect(lost().raft.beginInstall(head(3, 2))).toBeUndefined();
  });
});
