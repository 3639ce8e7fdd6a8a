import { describe, expect, test } from 'vitest';
import { LoneMember, restored } from './lone-member.ts';

function leader(): LoneMember {
  const member = new LoneMember(restored(3));
  member.lead([2n, 3n]);
  member.ack(2n, 2);
  member.ack(3n, 2);
  return member;
}
function follower(boot = 1): LoneMember {
  const member = new LoneMember(restored(3), 0.1, boot);
  member.hear({ type: 'heartbeat', from: 2n, to: 1n, term: 2, commit: 1, round: 0 });
  return member;
}

describe('rounds', () => {
  test('all questions of a turn share one round; heartbeats leave at once; one is under way, one waits', () => {
    const member = leader();
    expect([member.raft.requestRound(), member.raft.requestRound()]).toEqual([1, 2]);
    expect(member.turn()).toMatchObject([
      { type: 'heartbeat', to: 2n, round: 1 },
      { type: 'heartbeat', to: 3n, round: 1 },
    ]);
    expect(member.raft.requestRound()).toBe(3);
    expect(member.turn()).toEqual([]);
    member.beat(2n, 1);
    expect(member.rounds.at(-1)).toEqual({ upTo: 2, index: 2 });
    expect(member.lastTo(3n, 'heartbeat')?.round).toBe(2);
    member.beat(2n, 2);
    expect(member.rounds.at(-1)).toEqual({ upTo: 3, index: 2 });
  });

  test('R12: an answer with an older number proves nothing, a later one does (M11)', () => {
    const member = leader();
    member.raft.requestRound();
    member.turn();
    member.beat(2n, 0);
    member.ack(3n, 2, 0);
    expect(member.rounds).toEqual([]);
    member.tick();
    expect(member.lastTo(2n, 'heartbeat')?.round).toBe(2);
    member.beat(3n, 2);
    expect(member.rounds.at(-1)).toEqual({ upTo: 1, index: 2 });
  });

  test('the index is what was committed when the round began, not later', () => {
    const member = leader();
    member.raft.requestRound();
    member.raft.propose('commands', Buffer.from('a'));
    member.turn();
    member.ack(2n, 3, 1);
    expect(member.rounds.at(-1)).toEqual({ upTo: 1, index: 2 });
    expect(member.raft.commit).toBe(3);
  });

  test('M10: without an own-term commit rounds wait', () => {
    const member = new LoneMember(restored(3));
    member.lead([2n, 3n]);
    member.raft.requestRound();
    expect(member.turn()).toEqual([]);
    member.ack(2n, 2);
    expect(member.lastTo(3n, 'heartbeat')).toMatchObject({ round: 1 });
    member.beat(3n, 1);
    expect(member.rounds.at(-1)).toEqual({ upTo: 1, index: 2 });
  });

  test('nobody to ask, no ticket; a leader lost, its tickets lost', () => {
    const member = new LoneMember(restored(3));
    expect(member.raft.requestRound()).toBeUndefined();
    const led = follower();
    expect(led.raft.requestRound()).toBe(1);
    led.turn();
    led.raft.linkLost(2n);
    led.turn();
    expect(led.roundsLost).toBe(1);
    expect(led.raft.requestRound()).toBeUndefined();
    const deposed = leader();
    deposed.raft.requestRound();
    deposed.turn();
    deposed.hear({ type: 'heartbeat', from: 2n, to: 1n, term: 9, commit: 1, round: 0 });
    expect([deposed.roundsLost, deposed.rounds]).toEqual([1, []]);
  });

  test('a ticket asked after the loss, in the same turn, is lost too: the node asks all of it anew', () => {
    const member = follower();
    member.raft.requestRound();
    member.turn();
    member.raft.linkLost(2n);
    member.raft.step({ type: 'heartbeat', from: 3n, to: 1n, term: 3, commit: 1, round: 0 });
    expect(member.raft.requestRound()).toBe(2);
    expect(member.turn().map(({ type }) => type)).toEqual(['heartbeatReply']);
    expect(member.roundsLost).toBe(1);
    member.raft.requestRound();
    expect(member.turn().map(({ type }) => type)).toEqual(['roundRequest']);
  });

  test('a follower asks again under a new context, and takes an answer to any of this question, none of another', () => {
    const member = follower();
    member.raft.requestRound();
    member.turn();
    const first = member.lastTo(2n, 'roundRequest')?.context as number;
    member.tick(2);
    expect(member.lastTo(2n, 'roundRequest')?.context).toBe(first + 1);
    const reply = (context: number) =>
      member.hear({ type: 'roundReply', from: 2n, to: 1n, term: 2, boot: 1, context, index: 7 });
    reply(first - 1);
    reply(first + 2);
    expect(member.rounds).toEqual([]);
    reply(first);
    expect(member.rounds.at(-1)).toEqual({ upTo: 1, index: 7 });
    member.raft.requestRound();
    member.turn();
    reply(first + 1);
    expect(member.rounds).toHaveLength(1);
  });

  test('an answer to an earlier start does not count for this one, though the numbers are the same', () => {
    const member = follower(2);
    member.raft.requestRound();
    member.turn();
    const asked = member.lastTo(2n, 'roundRequest');
    expect(asked).toMatchObject({ boot: 2, context: 1 });
    const reply = (boot: number) =>
      member.hear({ type: 'roundReply', from: 2n, to: 1n, term: 2, boot, context: 1, index: 7 });
    reply(1);
    reply(3);
    expect(member.rounds).toEqual([]);
    reply(2);
    expect(member.rounds).toEqual([{ upTo: 1, index: 7 }]);
  });

  test('the leader answers followers with the same round, each under its newest context', () => {
    const member = leader();
    const ask = (from: bigint, boot: number, context: number) =>
      member.raft.step({ type: 'roundRequest', from, to: 1n, term: 2, boot, context });
    ask(2n, 4, 10);
    ask(2n, 4, 11);
    ask(3n, 5, 20);
    member.turn();
    expect(member.beat(2n, 1).filter(({ type }) => type === 'roundReply')).toEqual([
      { type: 'roundReply', from: 1n, to: 2n, term: 2, boot: 4, context: 11, index: 2 },
      { type: 'roundReply', from: 1n, to: 3n, term: 2, boot: 5, context: 20, index: 2 },
    ]);
  });
});
