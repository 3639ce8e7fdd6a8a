/**
 * The core's answer to one drain of inputs: everything in it is safe to carry out at once (house rule 4: a message
 * leaves only when all it vouches for is on disk).
 */
import type { Entry, Index, MemberId, Term, WriteGroup } from '../store/entry.ts';
import type { Message } from './message.ts';

/** Result of `propose`. Accepted is not committed: watch for (term, index) among the committed entries. */
export type Proposed =
  | { readonly type: 'accepted'; readonly term: Term; readonly index: Index }
  | { readonly type: 'notLeader'; readonly leader: MemberId }
  /** The uncommitted tail is too long, leadership is being handed over, or our disk is stuck. Try later. */
  | { readonly type: 'busy' };

/** Every ticket up to and including `upTo` is answered: a quorum was in our leader's term after each was asked. */
export interface RoundAnswer {
  readonly upTo: number;
  /** Committed when the round began; a reader waits until it has applied this far. */
  readonly index: Index;
}

export interface Ready {
  /** Send now, in this order. */
  readonly messages: readonly Message[];
  /** Write and sync as one, then call `persisted()`. At most one is outstanding. */
  readonly write: WriteGroup | undefined;
  /** Newly committed entries, in log order, each handed out once. */
  readonly committed: readonly Entry[];
  readonly rounds: RoundAnswer | undefined;
  /** Term or leader changed: tickets handed out before this Ready and not answered in it never will be. Ask anew. */
  readonly roundsLost: boolean;
  /**
   * Members (we lead) that need an image and have no stream under way. Each is named once per stream: every mention must end
   * in one `snapshotSent`, good or bad, before it is named again.
   */
  readonly snapshotsWanted: readonly MemberId[];
}
