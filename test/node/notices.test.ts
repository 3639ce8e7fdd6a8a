import { describe, expect, it } from 'vitest';
import { commitNoticeMsMax } from '../../src/base/limits.ts';
import { encodeCommand } from '../../src/state/codec.ts';
import type { Command } from '../../src/state/command.ts';
import type { MemberId } from '../../src/store/entry.ts';
import { LoneNode } from './lone-node.ts';

const grant = (id: bigint): Command => ({ type: 'grant', id, ttlMs: 60_000 });

/** Whoever leads, on duty, with both followers up to date and told so. */
function leader(): LoneNode {
  const lone = new LoneNode().lead().ack().ack(undefined, 3n).tick();
  lone.sent.length = 0;
  return lone;
}

/** The commit index that messages of the last turns told a member, each with its type. */
function told(lone: LoneNode, member: MemberId): string[] {
  const toMember = lone.sent.filter((message) => message.to === member);
  return toMember.flatMap((message) => ('commit' in message ? [`${message.type} ${message.commit}`] : []));
}

describe('news of a commit', () => {
  it('wait for the next append, which brings them', () => {
    const lone = leader();
    const { commit } = lone.node.raft;
    lone.propose(grant(1n)).ack();
    expect(lone.node.raft.commit).toBe(commit + 1);
    expect(told(lone, 2n)).toEqual([`append ${commit}`]);
    expect(lone.alarms.at(-1)).toBe(commitNoticeMsMax);
    lone.propose(grant(2n));
    expect(told(lone, 2n)).toEqual([`append ${commit}`, `append ${commit + 1}`]);
    lone.nowMs += commitNoticeMsMax;
    lone.turn();
    expect(told(lone, 2n)).toEqual([`append ${commit}`, `append ${commit + 1}`]);
  });

  it('come by themselves if no append does, at the latest after the moment they may wait', () => {
    const lone = leader();
    const { commit } = lone.node.raft;
    lone.propose(grant(1n)).ack().turn();
    expect(told(lone, 2n)).toEqual([`append ${commit}`]);
    lone.nowMs += commitNoticeMsMax;
    lone.turn();
    expect(told(lone, 2n)).toEqual([`append ${commit}`, `heartbeat ${commit + 1}`]);
    // It is not known to hold the entry: nothing is said about it.
    expect(told(lone, 3n)).toEqual([`append ${commit}`]);
    lone.ack(undefined, 3n);
    lone.nowMs += commitNoticeMsMax;
    expect(told(lone.turn(), 3n)).toEqual([`append ${commit}`, `heartbeat ${commit + 1}`]);
  });

  it('reach a follower at once whose client waits for them, and only that one', () => {
    const lone = leader();
    const { commit, term } = lone.node.raft;
    const encoded = encodeCommand({ origin: { member: 2n, boot: 1, seq: 1 }, command: grant(1n) });
    lone.hear({ type: 'forwardCommands', from: 2n, to: 1n, term, boot: 1, batch: 1, commands: [encoded] });
    lone.ack(undefined, 2n).ack(undefined, 3n);
    expect(told(lone, 2n)).toEqual([`append ${commit}`, `heartbeat ${commit + 1}`]);
    expect(told(lone, 3n)).toEqual([`append ${commit}`]);
  });

  it('are in the heartbeat of a round, so that a reader at a follower waits for nothing else', () => {
    const lone = leader();
    const { commit } = lone.node.raft;
    lone.propose(grant(1n)).ack().barrier();
    expect(told(lone, 2n)).toEqual([`append ${commit}`, `heartbeat ${commit + 1}`]);
  });
});

describe('after an apply', () => {
  it('no turn follows in which nothing could be done', () => {
    const lone = leader();
    const before = lone.turns;
    lone.propose(grant(1n)).ack();
    // The proposal, the sync, the answer of a follower.
    expect(lone.turns - before).toBe(3);
  });
});
