import { describe, expect, test } from 'vitest';
import { appendBytesMax, appendsInFlightMax, uncommittedBytesMax, walWriteBytesMax } from '../../src/base/limits.ts';
import type { Append } from '../../src/raft/message.ts';
import { entry, LoneMember, restored } from './lone-member.ts';

function leader(count = 3): LoneMember {
  const member = new LoneMember(restored(count));
  const peers = Array.from({ length: count - 1 }, (_, i) => BigInt(i + 2));
  member.lead(peers);
  for (const peer of peers) member.ack(peer, 2);
  return member;
}
const propose = (member: LoneMember, bytes: number | string = 1) =>
  member.raft.propose('commands', typeof bytes === 'string' ? Buffer.from(bytes) : Buffer.alloc(bytes));
const appendsTo = (member: LoneMember, to: bigint): Append[] =>
  member.sent.filter((message): message is Append => message.type === 'append' && message.to === to);

describe('leader', () => {
  test('R8: nothing of an older term is committed before the empty entry of the own term (M05)', () => {
    const member = new LoneMember(restored(3, [entry(2, 1), entry(3, 1)]));
    member.lead([2n, 3n]);
    member.ack(2n, 3);
    member.ack(3n, 3);
    expect([member.raft.commit, member.raft.ownTermCommitted]).toEqual([1, false]);
    member.ack(2n, 4);
    expect([member.raft.commit, member.raft.ownTermCommitted]).toEqual([4, true]);
    expect(member.applied.map(({ index, kind }) => `${index} ${kind}`)).toEqual([
      '2 commands',
      '3 commands',
      '4 empty',
    ]);
  });

  test('R7: it counts itself only from its own sync on, but sends before it (M09)', () => {
    const member = leader();
    member.syncing = false;
    propose(member);
    expect(member.turn().map(({ type }) => type)).toEqual(['append', 'append']);
    member.ack(2n, 3);
    expect(member.raft.commit).toBe(2);
    member.sync();
    expect(member.raft.commit).toBe(3);
    expect(member.turn().length).toBeGreaterThan(0);
  });

  test('all proposals of a turn leave in one append, and share one write', () => {
    const member = leader();
    const writes = member.writes.length;
    for (const text of ['a', 'b', 'c']) propose(member, text);
    member.turn();
    expect(appendsTo(member, 2n).at(-1)?.entries).toHaveLength(3);
    expect(member.writes.length - writes).toBe(1);
  });

  test('appends and writes are cut at their bytes', () => {
    const member = leader();
    member.syncing = false;
    const count = walWriteBytesMax / appendBytesMax + 2;
    for (let i = 0; i < count; i++) propose(member, appendBytesMax);
    member.turn();
    expect(appendsTo(member, 2n).every(({ entries }) => entries.length === 1)).toBe(true);
    expect(member.writes.at(-1)?.entries).toHaveLength(count - 2);
    member.sync();
    member.turn();
    expect(member.writes.at(-1)?.entries).toHaveLength(2);
  });

  test('the window closes at its limit and opens with an answer', () => {
    const member = leader();
    const before = appendsTo(member, 2n).length;
    for (let i = 0; i < appendsInFlightMax + 5; i++) {
      propose(member);
      member.turn();
    }
    expect(appendsTo(member, 2n).length - before).toBe(appendsInFlightMax);
    const sent = member.ack(2n, 3).filter((message) => message.type === 'append' && message.to === 2n);
    expect(sent).toHaveLength(1);
  });

  test('a full window whose answers were lost goes on after a heartbeat', () => {
    const member = leader();
    for (let i = 0; i < appendsInFlightMax + 5; i++) {
      propose(member);
      member.turn();
    }
    const last = appendsInFlightMax + 2;
    expect(member.beat(2n)).toEqual([]);
    member.tick();
    expect(member.beat(2n)).toMatchObject([{ type: 'append', prevIndex: last, entries: [] }]);
    member.ack(2n, last);
    expect(appendsTo(member, 2n).at(-1)?.entries.at(-1)?.index).toBe(last + 5);
  });

  test('a rejection leads back to where the logs meet, by term', () => {
    const member = new LoneMember(restored(3, [entry(2, 1), entry(3, 4), entry(4, 4), entry(5, 6)]));
    const term = member.lead([2n, 3n]);
    const refuse = (match: number, hintIndex: number, hintTerm: number) =>
      member.hear({
        type: 'appendReply',
        from: 2n,
        to: 1n,
        term,
        accepted: false,
        match,
        hintIndex,
        hintTerm,
        needsSnapshot: false,
        round: 0,
      });
    expect(refuse(5, 5, 3)).toMatchObject([{ type: 'append', prevIndex: 2, prevTerm: 1 }]);
    expect(refuse(5, 1, 1)).toEqual([]);
    expect(refuse(2, 1, 1)).toMatchObject([{ type: 'append', prevIndex: 1, prevTerm: 1 }]);
  });

  test('an answer beyond our log is refused', () => {
    const member = leader();
    member.ack(2n, 99);
    expect(member.raft.describe()).toMatchObject({ refusedMessages: 1, commit: 2 });
  });

  test('a follower behind the base gets a snapshot, named once until its stream ends', () => {
    const member = leader();
    for (let i = 0; i < 5; i++) propose(member);
    member.turn();
    member.ack(2n, 7);
    member.raft.compact(6);
    expect(member.raft.base).toEqual({ index: 6, term: 2 });
    member.raft.linkLost(3n);
    member.turn();
    expect(member.last?.snapshotsWanted).toEqual([3n]);
    member.tick(3);
    expect(member.last?.snapshotsWanted).toEqual([]);
    expect(member.lastTo(3n, 'heartbeat')?.commit).toBe(2);
    member.raft.snapshotSent(3n, 6, false);
    member.beat(2n);
    member.tick(2);
    expect(member.last?.snapshotsWanted).toEqual([3n]);
    member.raft.snapshotSent(3n, 6, true);
    member.turn();
    expect(member.ack(3n, 6)).toMatchObject([{ type: 'append', prevIndex: 6, entries: [{ index: 7 }] }]);
  });

  test('check-quorum: an election timeout without a quorum, and it leads no more', () => {
    const member = leader(5);
    for (let i = 0; i < 40; i++) {
      member.beat(2n);
      member.beat(3n);
      member.tick();
    }
    expect(member.raft.role).toBe('leader');
    for (let i = 0; i < 10; i++) {
      expect(member.raft.role).toBe('leader');
      member.beat(2n);
      member.tick();
    }
    expect([member.raft.role, member.raft.leader, member.raft.term]).toEqual(['follower', 0n, 2]);
    expect(propose(member)).toEqual({ type: 'notLeader', leader: 0n });
  });

  test('busy: too much uncommitted', () => {
    const member = leader();
    member.syncing = false;
    let taken = 0;
    while (propose(member, appendBytesMax).type === 'accepted') taken++;
    expect(taken).toBe(uncommittedBytesMax / appendBytesMax);
    expect(propose(member)).toEqual({ type: 'busy' });
    member.turn();
    member.ack(2n, 3);
    member.ack(3n, 3);
    expect(propose(member, appendBytesMax).type).toBe('accepted');
    expect(member.raft.describe().uncommittedBytes).toBe(uncommittedBytesMax);
  });

  test('busy: a disk stuck for an election timeout; then it hands over', () => {
    const member = leader();
    member.syncing = false;
    propose(member);
    member.turn();
    member.ack(3n, 3);
    for (let i = 0; i < 10; i++) {
      member.beat(2n);
      member.beat(3n);
      member.tick();
    }
    expect(propose(member).type).toBe('accepted');
    member.turn();
    member.ack(3n, 4);
    member.tick();
    expect(propose(member)).toEqual({ type: 'busy' });
    expect(member.lastTo(3n, 'timeoutNow')?.term).toBe(2);
  });

  test('a learner is fed but counts for nothing', () => {
    const configuration = { voters: [1n, 2n, 3n], learners: [4n] };
    const base = { index: 1, term: 1 };
    const member = new LoneMember(restored(3, [], { configuration, base, entries: [] }));
    member.lead([2n, 3n]);
    expect(member.lastTo(4n, 'append')?.entries).toHaveLength(1);
    member.ack(4n, 2);
    expect(member.raft.commit).toBe(1);
    member.ack(3n, 2);
    expect(member.raft.commit).toBe(2);
  });
});
