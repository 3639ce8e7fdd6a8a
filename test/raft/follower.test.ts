import { describe, expect, test } from 'vitest';
import {
  applyBytesPerTurnMax,
  heldMessagesMax,
  logWaitingBytesMax,
  logWaitingEntriesMax,
} from '../../src/base/limits.ts';
import type { Append } from '../../src/raft/message.ts';
import type { Entry } from '../../src/store/entry.ts';
import { entry, LoneMember, restored } from './lone-member.ts';
import { shorterAppend } from './shorter-append.ts';

function append(
  term: number,
  prevIndex: number,
  prevTerm: number,
  entries: readonly Entry[],
  commit = 0,
  from = 2n,
): Append {
  return { type: 'append', from, to: 1n, term, prevIndex, prevTerm, entries, commit, round: 0 };
}
const terms = ({ raft }: LoneMember): (number | undefined)[] => {
  return Array.from({ length: raft.lastIndex }, (_, i) => raft.termAt(i + 1));
};

describe('follower', () => {
  test('entries are acknowledged when they are on disk, not before', () => {
    const member = new LoneMember(restored(3));
    member.syncing = false;
    expect(member.hear(append(1, 1, 1, [entry(2, 1)]))).toEqual([]);
    expect(member.hear(append(1, 2, 1, [entry(3, 1)]))).toEqual([]);
    member.sync();
    expect(member.turn().map((m) => m.type === 'appendReply' && m.match)).toEqual([2]);
    member.sync();
    expect(member.turn().map((m) => m.type === 'appendReply' && m.match)).toEqual([3]);
  });

  test('R9: an old append that matches cuts nothing off (M06)', () => {
    const member = new LoneMember(restored(3));
    member.hear(append(1, 1, 1, [entry(2, 1), entry(3, 1), entry(4, 1)]));
    member.hear(append(1, 1, 1, [entry(2, 1)]));
    expect(terms(member)).toEqual([1, 1, 1, 1]);
    expect(member.lastTo(2n, 'appendReply')?.match).toBe(2);
  });

  test('only from the conflict on is replaced', () => {
    const member = new LoneMember(restored(3, [entry(2, 1), entry(3, 2), entry(4, 2)]));
    member.hear(append(3, 1, 1, [entry(2, 1), entry(3, 3)]));
    expect(terms(member)).toEqual([1, 1, 3]);
    expect(member.writes.at(-1)?.entries).toEqual([entry(3, 3)]);
  });

  test('commit is never raised past what this append proved equal (M07)', () => {
    const member = new LoneMember(restored(3, [entry(2, 1), entry(3, 2), entry(4, 2)]));
    member.hear(append(3, 1, 1, [entry(2, 1)], 4));
    expect(member.raft.commit).toBe(2);
    expect(member.applied.map(({ index }) => index)).toEqual([2]);
  });

  test('a hole is rejected with a hint that skips a whole term', () => {
    const member = new LoneMember(restored(3, [entry(2, 2), entry(3, 2), entry(4, 2)]));
    member.hear(append(5, 9, 5, []));
    expect(member.lastTo(2n, 'appendReply')).toMatchObject({ accepted: false, match: 9, hintIndex: 4, hintTerm: 2 });
    member.hear(append(5, 4, 1, []));
    expect(member.lastTo(2n, 'appendReply')).toMatchObject({ accepted: false, match: 4, hintIndex: 1, hintTerm: 1 });
  });

  test('R5: a conflict with what is committed is refused, counted, and changes nothing', () => {
    const member = new LoneMember(
      restored(3, [entry(2, 1), entry(3, 1)], { hardState: { term: 1, vote: 0n, commit: 3 } }),
    );
    expect(member.hear(append(4, 1, 1, [entry(2, 3)], 3))).toEqual([]);
    expect(member.hear(append(4, 2, 4, []))).toEqual([]);
    expect(terms(member)).toEqual([1, 1, 1]);
    expect(member.raft.describe()).toMatchObject({ refusedMessages: 2, commit: 3 });
  });

  test('a second leader in one term is refused; a heartbeat that commits what we no longer have commits nothing, and asks for an image', () => {
    const member = new LoneMember(restored(3));
    member.hear(append(2, 1, 1, []));
    expect(member.hear(append(2, 1, 1, [entry(2, 2)], 2, 3n))).toEqual([]);
    expect(member.hear({ type: 'heartbeat', from: 2n, to: 1n, term: 2, commit: 7, round: 3 })).toEqual([
      { type: 'heartbeatReply', from: 1n, to: 2n, term: 2, round: 0, needsSnapshot: true },
    ]);
    expect(member.raft.describe()).toMatchObject({ refusedMessages: 2, lastIndex: 1, commit: 1, leader: 2n });
  });

  test('an append that begins below the base is taken from the base on', () => {
    const member = new LoneMember(
      restored(3, [], {
        base: { index: 4, term: 1 },
        entries: [entry(5, 1)],
        applied: 4,
        hardState: { term: 1, vote: 0n, commit: 4 },
      }),
    );
    member.hear(append(2, 2, 1, [entry(3, 1), entry(4, 1), entry(5, 1), entry(6, 2)], 6));
    expect(member.raft.commit).toBe(6);
    expect(member.lastTo(2n, 'appendReply')?.match).toBe(6);
    member.hear(append(2, 1, 1, [entry(2, 1)]));
    expect(member.lastTo(2n, 'appendReply')?.match).toBe(6);
    member.hear(append(2, 2, 1, [entry(3, 2), entry(4, 2)]));
    expect(member.raft.describe().refusedMessages).toBe(1);
  });

  test('whoever leads or asks in an older term is told of ours', () => {
    const member = new LoneMember(restored(3, [], { hardState: { term: 5, vote: 0n, commit: 1 } }));
    expect(member.hear(append(3, 1, 1, []))).toMatchObject([{ type: 'heartbeatReply', term: 5, round: 0 }]);
    expect(
      member.hear({ type: 'vote', from: 3n, to: 1n, term: 4, lastIndex: 1, lastTerm: 1, transfer: false }),
    ).toMatchObject([{ type: 'voteReply', term: 5, granted: false }]);
    expect(member.hear({ type: 'voteReply', from: 3n, to: 1n, term: 4, granted: true })).toEqual([]);
  });

  test('what a turn applies has a budget of bytes, what waits for the disk one of messages', () => {
    const member = new LoneMember(restored(3));
    const big = [2, 3, 4, 5].map((index) => ({ ...entry(index, 1), payload: Buffer.alloc(applyBytesPerTurnMax / 2) }));
    for (const one of big) member.raft.step(append(1, one.index - 1, 1, [one], 5));
    const write = member.raft.takeReady()?.write;
    expect(write?.entries).toHaveLength(4);
    member.raft.persisted();
    expect(member.raft.takeReady()?.committed).toHaveLength(2);
    expect(member.raft.takeReady()?.committed).toHaveLength(2);
    member.syncing = false;
    member.hear(append(2, 5, 1, [entry(6, 2)]));
    for (let i = 0; i < 2 * heldMessagesMax; i++) member.hear(append(2, 6, 2, []));
    expect(member.raft.describe().heldMessages).toBe(heldMessagesMax);
  });

  describe('an image that is lost, and none that comes', () => {
    const waiting = (entries: readonly Entry[]): LoneMember =>
      new LoneMember(
        restored(3, [], {
          base: { index: 1, term: 1 },
          entries,
          applied: 0,
          needsSnapshot: true,
          hardState: { term: 1, vote: 0n, commit: 1 },
        }),
      );

    test('the log is taken up to a limit of bytes; what comes then is as if lost; with the image it goes on', () => {
      const member = waiting([]);
      const payload = Buffer.alloc(logWaitingBytesMax / 64);
      const large = (index: number): Entry => ({ ...entry(index, 1), payload });
      for (let index = 2; index < 66; index++) {
        expect(member.hear(append(1, index - 1, 1, [large(index)], index))).toMatchObject([{ match: index }]);
      }
      expect(member.hear(append(1, 65, 1, [large(66)], 66))).toEqual([]);
      expect([member.raft.lastIndex, member.raft.commit]).toEqual([65, 65]);
      // It lives, answers rounds and says what it needs.
      expect(member.hear({ type: 'heartbeat', from: 2n, to: 1n, term: 1, commit: 65, round: 3 })).toMatchObject([
        { type: 'heartbeatReply', round: 3, needsSnapshot: true },
      ]);
      expect(member.hear(append(1, 65, 1, [], 65))).toMatchObject([{ accepted: true, match: 65 }]);
      // A tail of another leader is replaced at the limit too: the log grows no longer by it.
      const other = { ...large(65), term: 2 };
      expect(waiting(Array.from({ length: 64 }, (_, i) => large(i + 2))).hear(append(2, 64, 1, [other]))).toMatchObject(
        [{ accepted: true, match: 65 }],
      );
      const meta = { index: 65, term: 1, configuration: member.raft.configuration };
      expect(member.raft.beginInstall({ from: 2n, to: 1n, term: 1, meta })).toBeDefined();
      member.raft.installed();
      member.turn();
      expect(member.hear(append(1, 65, 1, [large(66)], 66))).toMatchObject([{ accepted: true, match: 66 }]);
    });

    test('and up to a limit of entries', () => {
      const payload = Buffer.from('a');
      const held = Array.from({ length: logWaitingEntriesMax - 1 }, (_, i) => ({ ...entry(i + 2, 1), payload }));
      const member = waiting(held);
      const last = logWaitingEntriesMax + 1;
      expect(member.hear(append(1, last - 1, 1, [entry(last, 1)]))).toMatchObject([{ match: last }]);
      expect(member.hear(append(1, last, 1, [entry(last + 1, 1)]))).toEqual([]);
      expect(member.raft.lastIndex).toBe(last);
    });
  });
});

test('an append that ends below the commit index it brings commits no more than it reaches', shorterAppend);
