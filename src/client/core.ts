/** What every part of the library stands on: ways to members, time, and how names of keys begin. Made once per client. */
import type { Clock } from './clock.ts';
import type { Calls } from './transport/calls.ts';
import type { Streams } from './transport/streams.ts';

export interface Core {
  readonly calls: Calls;
  readonly streams: Streams;
  readonly clock: Clock;
  /** In front of every key; empty if none. */
  readonly namespace: Uint8Array;
  /** For what has no timeout of its own, in ms. */
  readonly timeoutMs: number;
  /** Fires when the client is closed. */
  readonly closed: AbortSignal;
}
