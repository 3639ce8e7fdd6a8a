/**
 * What members send each other: Raft's messages, and the work that followers pass to the leader in batches (house §7). A
 * forward names the term it is aimed at; only the leader of that term takes it, and nobody forwards a forward.
 */
import type { Message } from '../raft/message.ts';
import type { LeaseId } from '../state/command.ts';
import type { MemberId, Term } from '../store/entry.ts';

/** Commands of one follower's clients, each encoded by `state/codec.ts` with its origin. `batch` grows within a boot of `from`. */
export interface ForwardCommands {
  readonly type: 'forwardCommands';
  readonly from: MemberId;
  readonly to: MemberId;
  readonly term: Term;
  readonly boot: number;
  readonly batch: number;
  readonly commands: readonly Uint8Array[];
}

/** The leader did not take these of a batch (by `seq`): too much waits, or it has no space for what they add. Not proposed. */
export interface ForwardRefused {
  readonly type: 'forwardRefused';
  readonly from: MemberId;
  readonly to: MemberId;
  readonly term: Term;
  readonly boot: number;
  readonly why: 'overloaded' | 'noSpace';
  readonly seqs: readonly number[];
}

/** A question only the primary can answer: renew this lease, or how long has it to live? */
export interface LeaseQuestion {
  /** The asker's own number, never used twice in a boot. */
  readonly seq: number;
  readonly kind: 'keepAlive' | 'timeToLive';
  readonly id: LeaseId;
}
export interface ForwardQuestions {
  readonly type: 'forwardQuestions';
  readonly from: MemberId;
  readonly to: MemberId;
  readonly term: Term;
  readonly boot: number;
  readonly questions: readonly LeaseQuestion[];
}

/**
 * `alive` carries granted and remaining milliseconds (remaining may be negative: due, not yet revoked); `gone`: no such lease;
 * `unavailable`: this member cannot say (it does not lead in that term any more): ask again.
 */
export type LeaseAnswer =
  | { readonly seq: number; readonly type: 'alive'; readonly grantedMs: number; readonly remainingMs: number }
  | { readonly seq: number; readonly type: 'gone' }
  | { readonly seq: number; readonly type: 'unavailable' };
export interface ForwardAnswers {
  readonly type: 'forwardAnswers';
  readonly from: MemberId;
  readonly to: MemberId;
  readonly term: Term;
  readonly boot: number;
  readonly answers: readonly LeaseAnswer[];
}

export type PeerMessage = Message | ForwardCommands | ForwardRefused | ForwardQuestions | ForwardAnswers;
