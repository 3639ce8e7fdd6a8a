import { describe, expect, test } from 'vitest';
import type { Vote } from '../../src/raft/message.ts';
import { entry, LoneMember, restored } from './lone-member.ts';

const vote = (term: number, over: Partial<Vote> = {}): Vote => ({
  type: 'vote',
  from: 2n,
  to: 1n,
  term,
  lastIndex: 9,
  lastTerm: term - 1,
  transfer: false,
  ...over,
});
const beatFrom = (from: bigint, term: number) =>
  ({ type: 'heartbeat', from, to: 1n, term, commit: 0, round: 0 }) as const;

describe('election', () => {
  test('the timeout is random in [electionTicks, 2 electionTicks), and half of that after a start', () => {
    for (const [random, first, ticks] of [
      [0, 5, 10],
      [0.55, 8, 15],
      [0.999, 10, 19],
    ] as const) {
      const member = new LoneMember(restored(3), random);
      member.tick(first - 1);
      expect(member.raft.role).toBe('follower');
      member.tick();
      expect(member.raft.role).toBe('preCandidate');
      member.hear({ type: 'heartbeat', from: 2n, to: 1n, term: member.raft.term, commit: 1, round: 0 });
      member.tick(ticks - 1);
      expect(member.raft.role).toBe('follower');
      member.tick();
      expect(member.raft.role).toBe('preCandidate');
    }
  });

  test('a pre-vote changes nothing on disk, a vote request leaves only when the own vote is there (M01)', () => {
    const member = new LoneMember(restored(3));
    member.tick(20);
    expect([member.raft.role, member.raft.term, member.writes.length]).toEqual(['preCandidate', 1, 0]);
    member.syncing = false;
    member.hear({ type: 'preVoteReply', from: 2n, to: 1n, term: 2, granted: true });
    expect([member.raft.role, member.raft.term]).toEqual(['candidate', 2]);
    expect(member.writes.at(-1)?.hardState).toEqual({ term: 2, vote: 1n, commit: 1 });
    expect(member.lastTo(2n, 'vote')).toBeUndefined();
    member.sync();
    member.turn();
    expect(member.lastTo(2n, 'vote')?.term).toBe(2);
  });

  test('votes that come before any was asked for elect nobody', () => {
    const member = new LoneMember(restored(3));
    member.tick(20);
    member.syncing = false;
    member.hear({ type: 'preVoteReply', from: 2n, to: 1n, term: 2, granted: true });
    for (const from of [2n, 3n]) member.hear({ type: 'voteReply', from, to: 1n, term: 2, granted: true });
    expect([member.raft.role, member.raft.describe().refusedMessages]).toEqual(['candidate', 2]);
    member.sync();
    member.hear({ type: 'voteReply', from: 2n, to: 1n, term: 2, granted: true });
    expect(member.raft.role).toBe('leader');
  });

  test('a no to a vote of an older term, said in the term that this member campaigns in by now, is no vote and no mistake', () => {
    const member = new LoneMember(restored(3));
    member.tick(20);
    member.syncing = false;
    member.hear({ type: 'preVoteReply', from: 2n, to: 1n, term: 2, granted: true });
    member.hear({ type: 'voteReply', from: 2n, to: 1n, term: 2, granted: false });
    expect([member.raft.role, member.raft.describe().refusedMessages]).toEqual(['candidate', 0]);
    member.sync();
    member.hear({ type: 'voteReply', from: 2n, to: 1n, term: 2, granted: true });
    expect(member.raft.role).toBe('leader');
  });

  test('a vote waits for the disk, and is dropped when the term is over before', () => {
    const member = new LoneMember(restored(3));
    member.syncing = false;
    expect(member.hear(vote(5))).toEqual([]);
    member.hear(vote(6, { from: 3n }));
    member.sync();
    expect(member.turn()).toEqual([]);
    member.sync();
    expect(member.turn()).toEqual([{ type: 'voteReply', from: 1n, to: 3n, term: 6, granted: true }]);
    expect(member.lastTo(2n, 'voteReply')).toBeUndefined();
  });

  test('one vote a term, for whoever asked first; asking again is answered again', () => {
    const member = new LoneMember(restored(3));
    const answer = (from: bigint) => {
      member.hear(vote(5, { from }));
      return member.lastTo(from, 'voteReply')?.granted;
    };
    expect([answer(2n), answer(3n), answer(2n)]).toEqual([true, false, true]);
  });

  test('R4: no vote for a shorter log, nor for a longer one of an older term (M03)', () => {
    const logs = [
      [3, 2, true],
      [9, 2, true],
      [9, 1, false],
      [2, 2, false],
      [2, 3, true],
    ] as const;
    for (const [lastIndex, lastTerm, granted] of logs) {
      const member = new LoneMember(restored(3, [entry(2, 1), entry(3, 2)]));
      member.hear(vote(7, { lastIndex, lastTerm }));
      expect(member.lastTo(2n, 'voteReply')?.granted).toBe(granted);
      const other = new LoneMember(restored(3, [entry(2, 1), entry(3, 2)]));
      other.hear({ type: 'preVote', from: 2n, to: 1n, term: 7, lastIndex, lastTerm });
      expect(other.lastTo(2n, 'preVoteReply')?.granted).toBe(granted);
    }
  });

  test('R10: who hears a leader takes no part, until an election timeout passes or the leader asks for it', () => {
    const member = new LoneMember(restored(3));
    member.hear(beatFrom(3n, 2));
    expect(member.hear(vote(3))).toEqual([]);
    expect(member.hear({ type: 'preVote', from: 2n, to: 1n, term: 3, lastIndex: 9, lastTerm: 2 })).toEqual([]);
    expect(member.raft.term).toBe(2);
    member.hear(vote(3, { transfer: true }));
    expect(member.lastTo(2n, 'voteReply')?.granted).toBe(true);
    const patient = new LoneMember(restored(3));
    patient.hear(beatFrom(3n, 2));
    patient.tick(10);
    patient.hear(vote(3));
    expect(patient.lastTo(2n, 'voteReply')?.granted).toBe(true);
  });

  test('a lost link to the leader has it ask at once, and raises no term; a heartbeat calls it back for good', () => {
    const member = new LoneMember(restored(3), 0);
    member.hear(beatFrom(3n, 2));
    member.raft.linkLost(2n);
    expect(member.raft.leader).toBe(3n);
    member.raft.linkLost(3n);
    expect([member.raft.role, member.raft.leader, member.raft.term]).toEqual(['preCandidate', 0n, 2]);
    expect(member.turn().map(({ type, to }) => `${type} ${to}`)).toEqual(['preVote 2', 'preVote 3']);
    member.hear(beatFrom(3n, 2));
    expect([member.raft.role, member.raft.leader]).toEqual(['follower', 3n]);
    expect(member.tick(9)).toEqual([]);
    expect([member.raft.role, member.raft.leader]).toEqual(['follower', 3n]);
  });

  test('whoever finds no leave after a lost link asks again within a third of an election timeout, for one election timeout', () => {
    const member = new LoneMember(restored(3), 0.999);
    member.hear(beatFrom(3n, 2));
    member.raft.linkLost(3n);
    expect(member.turn()).toHaveLength(2);
    const asks = Array.from({ length: 40 }, (_, tick) => tick + 1).filter(() => member.tick().length > 0);
    expect(asks).toEqual([4, 8, 12, 31]);
  });

  test('a link that comes and goes costs the others a question a tick at most', () => {
    const member = new LoneMember(restored(3), 0);
    const flap = (): number => {
      member.hear(beatFrom(3n, 2));
      member.raft.linkLost(3n);
      return member.turn().length;
    };
    expect([flap(), flap(), flap()]).toEqual([2, 0, 0]);
    let asked = 0;
    for (let tick = 0; tick < 10; tick++) {
      for (let i = 0; i < 20; i++) asked += flap();
      asked += member.tick().length;
    }
    expect(asked).toBeLessThanOrEqual(2 * 10);
    expect(flap()).toBe(2);
  });

  test('who may not campaign asks nobody, whatever link is lost', () => {
    const lost = restored(3, [], { base: { index: 1, term: 1 }, entries: [], applied: 0, needsSnapshot: true });
    const member = new LoneMember(lost);
    member.hear(beatFrom(3n, 2));
    member.raft.linkLost(3n);
    expect([member.turn(), member.tick(40)]).toEqual([[], []]);
    expect([member.raft.role, member.raft.leader]).toEqual(['follower', 0n]);
  });

  test('of two that ask for the same term one makes way: the older log, with equal ones the lower id; it asks again soon', () => {
    const asking = (): LoneMember => {
      const member = new LoneMember(restored(3, [entry(2, 2)]), 0.999);
      member.tick(20);
      expect(member.raft.role).toBe('preCandidate');
      return member;
    };
    const met = (from: bigint, lastIndex: number, lastTerm: number): LoneMember => {
      const member = asking();
      member.hear({ type: 'preVote', from, to: 1n, term: 3, lastIndex, lastTerm });
      return member;
    };
    const said = (member: LoneMember) => [member.lastTo(2n, 'preVoteReply')?.granted, member.raft.role];
    expect(said(met(2n, 2, 2))).toEqual([true, 'follower']);
    expect(said(met(2n, 3, 2))).toEqual([true, 'follower']);
    expect(said(met(2n, 1, 1))).toEqual([false, 'preCandidate']);
    const high = new LoneMember(restored(3, [entry(2, 2)]), 0.999, 1, 3n);
    high.tick(20);
    high.hear({ type: 'preVote', from: 2n, to: 3n, term: 3, lastIndex: 2, lastTerm: 2 });
    expect(said(high)).toEqual([true, 'preCandidate']);
    high.hear({ type: 'preVote', from: 1n, to: 3n, term: 3, lastIndex: 3, lastTerm: 2 });
    expect(high.raft.role).toBe('follower');
    const madeWay = met(2n, 2, 2);
    madeWay.hear({ type: 'preVoteReply', from: 3n, to: 1n, term: 3, granted: true });
    expect(madeWay.raft.role).toBe('follower');
    expect([madeWay.tick(4).length, madeWay.tick().length]).toEqual([0, 2]);
  });

  test('a candidate that is told no asks again soon; told it twice, it waits no longer for that', () => {
    const member = new LoneMember(restored(5), 0.999);
    member.tick(20);
    for (const from of [2n, 3n]) member.hear({ type: 'preVoteReply', from, to: 1n, term: 2, granted: true });
    const no = { type: 'voteReply', from: 2n, to: 1n, term: 2, granted: false } as const;
    member.hear(no);
    expect(member.raft.role).toBe('candidate');
    member.tick(3);
    member.hear(no);
    expect([member.raft.role, member.raft.term]).toEqual(['candidate', 2]);
    member.tick();
    expect([member.raft.role, member.raft.term]).toEqual(['preCandidate', 2]);
  });

  test('late and foreign answers elect nobody', () => {
    const member = new LoneMember(restored(5));
    member.tick(20);
    member.hear({ type: 'preVoteReply', from: 2n, to: 1n, term: 9, granted: true });
    member.hear({ type: 'preVoteReply', from: 3n, to: 1n, term: 9, granted: true });
    expect(member.raft.role).toBe('preCandidate');
    for (const from of [2n, 3n] as const) member.hear({ type: 'preVoteReply', from, to: 1n, term: 2, granted: true });
    expect(member.raft.role).toBe('candidate');
    member.hear({ type: 'voteReply', from: 2n, to: 1n, term: 2, granted: true });
    member.hear({ type: 'voteReply', from: 2n, to: 1n, term: 2, granted: true });
    member.hear({ type: 'voteReply', from: 3n, to: 1n, term: 1, granted: true });
    expect(member.raft.role).toBe('candidate');
    member.hear({ type: 'voteReply', from: 4n, to: 1n, term: 2, granted: true });
    expect(member.raft.role).toBe('leader');
  });

  test('a stuck disk keeps a member from campaigning', () => {
    const member = new LoneMember(restored(3));
    member.syncing = false;
    member.hear({
      type: 'append',
      from: 2n,
      to: 1n,
      term: 2,
      prevIndex: 1,
      prevTerm: 1,
      entries: [entry(2, 2)],
      commit: 1,
      round: 0,
    });
    expect(member.writing).toBe(true);
    member.tick(9);
    member.tick(40);
    expect(member.raft.term).toBe(2);
    expect(member.raft.role).toBe('follower');
  });

  test('R6: term and vote of a restart are those on disk', () => {
    const member = new LoneMember(restored(3, [], { hardState: { term: 5, vote: 3n, commit: 1 } }));
    member.hear(vote(5, { from: 2n }));
    expect(member.lastTo(2n, 'voteReply')?.granted).toBe(false);
    member.hear(vote(5, { from: 3n }));
    expect(member.lastTo(3n, 'voteReply')?.granted).toBe(true);
  });
});
