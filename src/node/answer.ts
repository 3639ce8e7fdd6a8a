/** What those who ask a node are told, once each. */
import type { Outcome } from '../state/outcome.ts';

/** Why a request has no outcome. `mayHaveHappened` decides between etcd's "timed out" and a plain "not now". */
export type Unavailable =
  /** Nobody led for an election timeout. Not done. */
  | 'noLeader'
  /** Queues or disk are full. Not done. */
  | 'overloaded'
  /** Quota or disk reserve reached. Not done. */
  | 'noSpace'
  /** Its deadline passed after it may have been proposed. Unknown. */
  | 'timedOut'
  /** The index that held it came in a snapshot. Unknown. */
  | 'unknown'
  /** This member is shutting down. Unknown. */
  | 'stopped';

export type Answer =
  | { readonly type: 'outcome'; readonly outcome: Outcome }
  | { readonly type: 'unavailable'; readonly why: Unavailable };

export type RenewalAnswer =
  | { readonly type: 'alive'; readonly grantedMs: number; readonly remainingMs: number }
  | { readonly type: 'gone' }
  | { readonly type: 'unavailable'; readonly why: Unavailable };

export type BarrierAnswer = { readonly type: 'reached' } | { readonly type: 'unavailable'; readonly why: Unavailable };
