/**
 * How far a watch is: the revision whose events it is owed next. A revision counts as seen when all of it is there:
 * what a server cut into fragments is held until the last of them, so that a stream that breaks between two leaves
 * neither a gap nor a repetition.
 */

import { headerOf } from '../wire/codec.ts';
import type { WatchResponse, Event as WireEvent } from '../wire/messages.ts';

export class Position {
  /** 0: from whatever is next when the watch is made. */
  #next: bigint;
  /** Events of the newest revision, of which more fragments are to come. */
  #held: WireEvent[] = [];

  constructor(next: bigint) {
    this.#next = next;
  }

  get next(): bigint {
    return this.#next;
  }

  /**
   * What a watch is to be asked from. One revision before the one that is owed: etcd takes a watch from exactly the
   * compacted revision, though deletions of that revision are gone; it refuses one from before. What comes twice is
   * left out by `take`.
   */
  get start(): bigint {
    return this.#next > 1n ? this.#next - 1n : this.#next;
  }

  /** The watch stands, made when `revision` was the newest. Only one that has no beginning yet takes it from there. */
  created(revision: bigint): void {
    if (this.#next === 0n) this.#next = revision + 1n;
  }

  /** The events that are now complete, in order, each once. */
  take(answer: WatchResponse): readonly WireEvent[] {
    if (answer.events.length === 0) {
      // A note of progress for this one watch: nothing up to there is still to come. (One for all may run ahead.)
      if (this.#held.length === 0 && !answer.fragment) this.#seen(headerOf(answer).revision);
      return [];
    }
    const events = [...this.#held, ...answer.events.filter((event) => revisionOf(event) >= this.#next)];
    const newest = events.at(-1);
    if (newest === undefined) return [];
    const cut = answer.fragment ? events.findIndex((event) => revisionOf(event) === revisionOf(newest)) : events.length;
    this.#held = events.slice(cut);
    const complete = events.slice(0, cut);
    this.#seen(answer.fragment ? revisionOf(newest) - 1n : revisionOf(newest));
    return complete;
  }

  /** The stream is gone, or was left: what is incomplete comes again. */
  lost(): void {
    this.#held = [];
  }

  /** Everything up to `revision` is known by other means. */
  restart(revision: bigint): void {
    this.#held = [];
    this.#next = revision + 1n;
  }

  #seen(revision: bigint): void {
    if (revision >= this.#next) this.#next = revision + 1n;
  }
}

function revisionOf({ kv }: WireEvent): bigint {
  return kv?.modRevision ?? 0n;
}
