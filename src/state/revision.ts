/**
 * The store's revision (K2): grows by one with every command that changes a key, never otherwise. Changes of one command
 * share a main revision and are numbered within it by `sub` from 0.
 */
import { assert } from '../base/assert.ts';

/** Place of one change in history. */
export interface Position {
  readonly revision: number;
  readonly sub: number;
}

/** Whether `a` comes before `b`. */
export function isBefore(a: Position, b: Position): boolean {
  return a.revision < b.revision || (a.revision === b.revision && a.sub < b.sub);
}

export class Revisions {
  /** A new store stands at 1, as in etcd. */
  #current = 1;
  #compacted = -1;
  #sub = 0;

  /** The newest revision that is whole. */
  get current(): number {
    return this.#current;
  }

  /** Reads below this are refused; -1: never compacted. A compaction at 0 is one, as in etcd. */
  get compacted(): number {
    return this.#compacted;
  }

  /** The command under way has changed something. */
  get open(): boolean {
    return this.#sub > 0;
  }

  /** The revision of what is being written. */
  get writing(): number {
    return this.#current + 1;
  }

  /** Number of the next change within the revision being written. */
  nextSub(): number {
    return this.#sub++;
  }

  /** Ends a command: its changes, if any, become the current revision. */
  close(): void {
    if (this.#sub === 0) return;
    this.#current += 1;
    this.#sub = 0;
  }

  /** Reads below `revision` are refused from now on. */
  compact(revision: number): void {
    assert(revision > this.#compacted && revision <= this.#current, 'K6: compaction goes forward, up to the present');
    this.#compacted = revision;
  }

  /** Takes over the revisions of an image. */
  restore(current: number, compacted: number): void {
    assert(current >= 1 && compacted >= -1 && compacted <= current && !this.open, 'K2: revisions start at 1');
    this.#current = current;
    this.#compacted = compacted;
  }
}
