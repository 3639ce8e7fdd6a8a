/**
 * What members say to each other about the log. Plain immutable values; `peer/` gives them bytes.
 * A message is validated where it enters (`raft/validate.ts`): a bad one is refused, never asserted on.
 */
import type { Entry, Index, MemberId, Term } from '../store/entry.ts';
import type { SnapshotMeta } from './types.ts';

interface Envelope {
  readonly from: MemberId;
  readonly to: MemberId;
  /** The sender's term; for `preVote` the term it would campaign in. */
  readonly term: Term;
}

/** Would you vote for me in `term`? Changes nothing at either side (Raft thesis §9.6). */
export interface PreVote extends Envelope {
  readonly type: 'preVote';
  readonly lastIndex: Index;
  readonly lastTerm: Term;
}
/** `term` is the campaign's if granted, else the refuser's own. */
export interface PreVoteReply extends Envelope {
  readonly type: 'preVoteReply';
  readonly granted: boolean;
}
/** Vote for me. `transfer` marks a campaign that the old leader asked for: it passes the leader-stickiness rule. */
export interface Vote extends Envelope {
  readonly type: 'vote';
  readonly lastIndex: Index;
  readonly lastTerm: Term;
  readonly transfer: boolean;
}
export interface VoteReply extends Envelope {
  readonly type: 'voteReply';
  readonly granted: boolean;
}
/** Log entries after (`prevIndex`, `prevTerm`). `round` is the newest quorum round begun by the leader. */
export interface Append extends Envelope {
  readonly type: 'append';
  readonly prevIndex: Index;
  readonly prevTerm: Term;
  readonly entries: readonly Entry[];
  readonly commit: Index;
  readonly round: number;
}
/**
 * Accepted: everything up to `match` equals the leader's log and is on the sender's disk. Rejected: the sender has no
 * entry (`prevIndex` of the append), and `hint` is where the leader may try next (its last index at most, with the
 * term found there). `needsSnapshot`: the sender's image is lost; only an image from the leader helps.
 */
export interface AppendReply extends Envelope {
  readonly type: 'appendReply';
  readonly accepted: boolean;
  /** Accepted: the index vouched for. Rejected: the `prevIndex` refused. */
  readonly match: Index;
  readonly hintIndex: Index;
  readonly hintTerm: Term;
  readonly needsSnapshot: boolean;
  readonly round: number;
}
/** I still lead. `commit` never exceeds what the receiver is known to hold. */
export interface Heartbeat extends Envelope {
  readonly type: 'heartbeat';
  readonly commit: Index;
  readonly round: number;
}
export interface HeartbeatReply extends Envelope {
  readonly type: 'heartbeatReply';
  readonly round: number;
  readonly needsSnapshot: boolean;
}
/** Campaign at once; the sender stops accepting proposals (Raft thesis §3.10). */
export interface TimeoutNow extends Envelope {
  readonly type: 'timeoutNow';
}
/** A follower asks for a quorum round begun after this arrives. `boot` is its start's, `context` is used once in a boot. */
export interface RoundRequest extends Envelope {
  readonly type: 'roundRequest';
  readonly boot: number;
  readonly context: number;
}
/** A quorum answered a round begun after the request with this `boot` and `context` arrived; `index` was committed at its start. */
export interface RoundReply extends Envelope {
  readonly type: 'roundReply';
  readonly boot: number;
  readonly context: number;
  readonly index: Index;
}

export type Message =
  | PreVote
  | PreVoteReply
  | Vote
  | VoteReply
  | Append
  | AppendReply
  | Heartbeat
  | HeartbeatReply
  | TimeoutNow
  | RoundRequest
  | RoundReply;

/** What opens a snapshot stream from a leader; the image's records follow on a connection of their own. */
export interface SnapshotHead {
  readonly from: MemberId;
  readonly to: MemberId;
  readonly term: Term;
  readonly meta: SnapshotMeta;
}
