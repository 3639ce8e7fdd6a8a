/**
 * What makes a write conditional on something that is still held: compares over full keys, made by locks, terms and
 * leases, and put into a txn with `client.txn().if(guard)`. Owns the shape alone, so that who makes a guard need not
 * know txns.
 */
import type { Sparse } from '../wire/codec.ts';
import type { Compare } from '../wire/messages.ts';

/** Holds while every compare does. Keys in it are as the wire takes them: with the client's namespace. */
export interface Guard {
  readonly compare: readonly Sparse<Compare>[];
}
