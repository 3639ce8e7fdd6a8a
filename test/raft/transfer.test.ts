import { describe, expect, test } from 'vitest';
import { LoneMember, restored } from './lone-member.ts';

function leader(): LoneMember {
  const member = new LoneMember(restored(3));
  member.lead([2n, 3n]);
  member.ack(2n, 2);
  member.ack(3n, 2);
  return member;
}
const propose = (member: LoneMember) => member.raft.propose('commands', Buffer.from('a')).type;

describe('transfer', () => {
  test('the target must hold everything before it is told; proposals wait meanwhile (R14)', () => {
    const member = leader();
    propose(member);
    member.turn();
    expect(member.raft.transfer(3n)).toBe(true);
    expect([propose(member), member.raft.transferTarget]).toEqual(['busy', 3n]);
    expect(member.lastTo(3n, 'timeoutNow')).toBeUndefined();
    member.ack(2n, 3);
    expect(member.lastTo(3n, 'timeoutNow')).toBeUndefined();
    member.ack(3n, 3);
    expect(member.lastTo(3n, 'timeoutNow')?.term).toBe(2);
  });

  test('it is given up after an election timeout', () => {
    const member = leader();
    member.raft.transfer(3n);
    for (let i = 0; i < 9; i++) {
      member.beat(2n);
      member.tick();
    }
    expect(propose(member)).toBe('busy');
    member.tick();
    expect([propose(member), member.raft.transferTarget]).toEqual(['accepted', 0n]);
  });

  test('not to ourselves, not to a stranger, not to two, not by a follower', () => {
    const member = leader();
    expect([1n, 9n].map((to) => member.raft.transfer(to))).toEqual([false, false]);
    expect([member.raft.transfer(2n), member.raft.transfer(2n), member.raft.transfer(3n)]).toEqual([true, true, false]);
    expect(new LoneMember(restored(3)).raft.transfer(2n)).toBe(false);
  });

  test('without a target the furthest follower that lives and is whole takes over', () => {
    const member = leader();
    propose(member);
    member.turn();
    member.ack(3n, 3);
    expect(member.raft.transfer(0n)).toBe(true);
    expect(member.raft.transferTarget).toBe(3n);
    const lame = leader();
    lame.hear({ type: 'heartbeatReply', from: 2n, to: 1n, term: 2, round: 0, needsSnapshot: true });
    expect(lame.raft.transfer(2n)).toBe(false);
    lame.raft.transfer(0n);
    expect(lame.raft.transferTarget).toBe(3n);
  });

  test('not to one whose connection has just broken, if there is another', () => {
    const member = leader();
    propose(member);
    member.turn();
    member.ack(3n, 3);
    member.raft.linkLost(3n);
    expect([member.raft.transfer(0n), member.raft.transferTarget]).toEqual([true, 2n]);
    const alone = leader();
    for (const from of [2n, 3n]) alone.raft.linkLost(from);
    expect(alone.raft.transfer(0n)).toBe(true);
  });

  test('who is told campaigns at once, past pre-vote; who may not campaign does not', () => {
    const told = { type: 'timeoutNow', from: 2n, to: 1n, term: 2 } as const;
    const beat = { type: 'heartbeat', from: 2n, to: 1n, term: 2, commit: 0, round: 0 } as const;
    const member = new LoneMember(restored(3));
    member.hear(told);
    expect(member.raft.role).toBe('follower');
    member.hear(beat);
    member.hear(told);
    expect([member.raft.role, member.raft.term]).toEqual(['candidate', 3]);
    expect(member.lastTo(3n, 'vote')?.transfer).toBe(true);
    const lost = new LoneMember(
      restored(3, [], { base: { index: 1, term: 1 }, entries: [], applied: 0, needsSnapshot: true }),
    );
    lost.hear(beat);
    lost.hear(told);
    expect(lost.raft.role).toBe('follower');
  });
});
