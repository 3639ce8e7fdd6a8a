/**
 * The parts a core is made of besides its log: what a campaign, a leader, the readers' tickets and an install keep. Values and
 * their shapes; the rules over them live in the files that name them.
 */
import type { Index, MemberId } from '../store/entry.ts';
import type { SnapshotHead } from './message.ts';
import type { Progress } from './progress.ts';
import type { RoundAnswer } from './ready.ts';

/** A ballot, ours. */
export interface Campaign {
  readonly votes: Map<MemberId, boolean>;
  /** The old leader asked for it. */
  readonly transfer: boolean;
}

/** A question of a follower: of which of its starts, and under which number in there. */
export interface Asked {
  readonly boot: number;
  readonly context: number;
}

/** A quorum round under way (read-index.ts). */
export interface RoundInFlight {
  /** An answer that echoes this number or a later one was given after the round began. */
  readonly number: number;
  readonly index: Index;
  /** Our own tickets it answers; 0 for none. */
  readonly upTo: number;
  /** Followers that asked, and what to answer. */
  readonly asked: ReadonlyMap<MemberId, Asked>;
  readonly echoed: Set<MemberId>;
}

/** What only a leader has; gone when it steps down. */
export interface Leading {
  readonly followers: Map<MemberId, Progress>;
  /** The first entry of our own term. */
  readonly termStart: Index;
  heartbeatElapsed: number;
  uncommittedBytes: number;
  transferTarget: MemberId;
  transferElapsed: number;
  /** The newest round number, in every heartbeat and append. */
  newestRound: number;
  round: RoundInFlight | undefined;
  asking: Map<MemberId, Asked>;
}

/** Tickets of this member's own readers, whoever leads. */
export interface Tickets {
  /** The last one handed out in this boot. */
  last: number;
  /** Highest ticket that waits for a round to begin; 0 for none. */
  waiting: number;
  /** Highest ticket of the round under way; 0 for none. */
  inFlight: number;
  answered: RoundAnswer | undefined;
  lost: boolean;
  /** As a follower: the last context used in this boot, and the first one of the question under way. */
  context: number;
  firstContext: number;
  askedTicks: number;
}

/** A snapshot that is being written to disk. */
export interface Installing {
  readonly head: SnapshotHead;
  readonly hardVersion: number;
  readonly commit: Index;
}

/** No ticket out yet. */
export function newTickets(): Tickets {
  return {
    last: 0,
    waiting: 0,
    inFlight: 0,
    answered: undefined,
    lost: false,
    context: 0,
    firstContext: 0,
    askedTicks: 0,
  };
}
