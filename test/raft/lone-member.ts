/**
 * One core alone on the bench: a test plays all its peers by hand. Its disk syncs when the test says so; what it wants to send,
 * write and apply is collected.
 */

import { initialLog, initialMembership } from '../../src/raft/membership.ts';
import type { Message } from '../../src/raft/message.ts';
import type { RaftRestored } from '../../src/raft/options.ts';
import { Raft } from '../../src/raft/raft.ts';
import type { Ready, RoundAnswer } from '../../src/raft/ready.ts';
import type { Configuration } from '../../src/raft/types.ts';
import type { Entry, Index, MemberId, Term } from '../../src/store/entry.ts';

export const membership = (count: number) =>
  initialMembership(
    'bench',
    Array.from({ length: count }, (_, i) => ({ id: BigInt(i + 1), name: `n${i + 1}`, peerUrls: [`http://n${i + 1}`] })),
  );

/** Voters 1 … count. */
export function voters(count: number): Configuration {
  return membership(count).membership.configuration;
}

/** A commands entry with a short text. */
export function entry(index: Index, term: Term, text = `${index}/${term}`): Entry {
  return { index, term, kind: 'commands', payload: Buffer.from(text) };
}

/** Member 1 (or another) of `count`, as it boots; `entries` come behind entry 1. */
export function restored(
  count: number,
  entries: readonly Entry[] = [],
  over: Partial<RaftRestored> = {},
): RaftRestored {
  const first = initialLog(membership(count).payload).entries;
  const term = Math.max(1, entries.at(-1)?.term ?? 1);
  return {
    hardState: { term, vote: 0n, commit: 1 },
    base: { index: 0, term: 0 },
    configuration: voters(count),
    entries: [...first, ...entries],
    applied: 1,
    needsSnapshot: false,
    ...over,
  };
}

type Sent<T extends Message['type']> = Extract<Message, { type: T }>;

export class LoneMember {
  readonly raft: Raft;
  /** Writes sync within `turn`. */
  syncing = true;
  sent: Message[] = [];
  applied: Entry[] = [];
  last: Ready | undefined;
  /** Answers to rounds, in order, and how often tickets were lost. */
  readonly rounds: RoundAnswer[] = [];
  roundsLost = 0;
  readonly writes: Ready['write'][] = [];
  writing = false;

  constructor(from: RaftRestored, random = 0.1, boot = 1, id = 1n) {
    this.raft = new Raft({ id, boot, electionTicks: 10, heartbeatTicks: 1, random: () => random }, from);
    this.turn();
  }

  /** Takes readies until there are none; returns what was sent meanwhile. */
  turn(): Message[] {
    const before = this.sent.length;
    for (let ready = this.raft.takeReady(); ready !== undefined; ready = this.raft.takeReady()) {
      this.last = ready;
      if (ready.rounds !== undefined) this.rounds.push(ready.rounds);
      if (ready.roundsLost) this.roundsLost++;
      this.sent.push(...ready.messages);
      this.applied.push(...ready.committed);
      if (ready.write === undefined) continue;
      this.writes.push(ready.write);
      this.writing = true;
      if (this.syncing) this.sync();
    }
    return this.sent.slice(before);
  }

  /** The write under way is on disk. */
  sync(): void {
    this.writing = false;
    this.raft.persisted();
  }

  tick(times = 1): Message[] {
    const before = this.sent.length;
    for (let i = 0; i < times; i++) {
      this.raft.tick();
      this.turn();
    }
    return this.sent.slice(before);
  }

  /** A message of a peer, with its turn. */
  hear(message: Message): Message[] {
    this.raft.step(message);
    return this.turn();
  }

  /** The last message of this type that was sent to `to`. */
  lastTo<T extends Message['type']>(to: MemberId, type: T): Sent<T> | undefined {
    return this.sent.findLast((message): message is Sent<T> => message.type === type && message.to === to);
  }

  /** Campaigns and is voted for by all peers; returns the term. */
  lead(peers: readonly MemberId[]): Term {
    while (this.raft.role === 'follower') this.tick();
    const term = this.raft.term + 1;
    for (const from of peers) this.hear({ type: 'preVoteReply', from, to: 1n, term, granted: true });
    for (const from of peers) this.hear({ type: 'voteReply', from, to: 1n, term, granted: true });
    if (this.raft.role !== 'leader') throw new Error('not elected');
    return term;
  }

  /** `from` acknowledges everything up to `match`. */
  ack(from: MemberId, match: Index, round = 0): Message[] {
    const { term } = this.raft;
    const rest = { hintIndex: 0, hintTerm: 0, needsSnapshot: false, round };
    return this.hear({ type: 'appendReply', from, to: 1n, term, accepted: true, match, ...rest });
  }

  beat(from: MemberId, round = 0): Message[] {
    const { term } = this.raft;
    return this.hear({ type: 'heartbeatReply', from, to: 1n, term, round, needsSnapshot: false });
  }
}
