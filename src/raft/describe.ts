/** A core as a plain value, for status, metrics and traces. Reads only. */
import type { Index, LogBase, MemberId, Term } from '../store/entry.ts';
import { NO_MEMBER } from '../store/entry.ts';
import type { Core } from './core.ts';
import type { ProgressState, StreamState } from './progress.ts';
import type { Configuration, Role } from './types.ts';

/** One follower as its leader sees it. */
export interface FollowerDescription {
  readonly member: MemberId;
  readonly state: ProgressState;
  readonly match: Index;
  readonly next: Index;
  /** Appends on their way. */
  readonly inFlight: number;
  /** A probe is unanswered. */
  readonly paused: boolean;
  /** Ticks since it was heard of. */
  readonly silentTicks: number;
  readonly stream: StreamState;
  readonly needsImage: boolean;
}

export interface RaftDescription {
  readonly id: MemberId;
  readonly role: Role;
  readonly term: Term;
  readonly vote: MemberId;
  readonly leader: MemberId;
  readonly commit: Index;
  readonly handedOut: Index;
  readonly base: LogBase;
  readonly lastIndex: Index;
  readonly lastTerm: Term;
  readonly persistedIndex: Index;
  readonly configuration: Configuration;
  readonly writeOutstanding: boolean;
  readonly writeTicks: number;
  readonly needsSnapshot: boolean;
  readonly installing: boolean;
  readonly transferTarget: MemberId;
  readonly uncommittedBytes: number;
  /** Messages that wait for the disk. */
  readonly heldMessages: number;
  /** Messages refused as impossible in this boot, and why the last one was. */
  readonly refusedMessages: number;
  readonly lastRefusal: string;
  /** Ascending by member; empty unless leading. */
  readonly followers: readonly FollowerDescription[];
}

export function describeCore(core: Core): RaftDescription {
  const { log, leading } = core;
  const followers = [...(leading?.followers ?? [])].map(([member, progress]) => ({
    member,
    state: progress.state,
    match: progress.match,
    next: progress.next,
    inFlight: progress.inFlight,
    paused: progress.paused,
    silentTicks: progress.silentTicks,
    stream: progress.stream,
    needsImage: progress.needsImage,
  }));
  return {
    id: core.id,
    role: core.role,
    term: core.term,
    vote: core.vote,
    leader: core.leader,
    commit: core.commit,
    handedOut: core.handedOut,
    base: log.base,
    lastIndex: log.lastIndex,
    lastTerm: log.lastTerm,
    persistedIndex: log.persisted,
    configuration: core.configuration,
    writeOutstanding: core.writeOutstanding,
    writeTicks: core.writeTicks,
    needsSnapshot: core.needsSnapshot,
    installing: core.installing !== undefined,
    transferTarget: leading?.transferTarget ?? NO_MEMBER,
    uncommittedBytes: leading?.uncommittedBytes ?? 0,
    heldMessages: core.held,
    refusedMessages: core.refused,
    lastRefusal: core.lastRefusal,
    followers: followers.sort((a, b) => (a.member < b.member ? -1 : 1)),
  };
}
