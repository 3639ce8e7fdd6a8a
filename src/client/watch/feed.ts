/**
 * Events between a stream that brings them and a reader that takes them when it likes. It never refuses any; it says
 * when it is full, and who fills it stops then and comes back when it says that it is low again.
 */
import type { LeaseError } from '../errors.ts';

/** A feed with more of either is full; it is low at half of both. */
const eventsMax = 8_192;
const bytesMax = 8 * 1024 * 1024;

interface Entry<E> {
  readonly event: E;
  readonly bytes: number;
}

export class Feed<E> {
  /** Those before `#at` are read, and no longer kept. */
  #entries: (Entry<E> | undefined)[] = [];
  #at = 0;
  #bytes = 0;
  #ended: { readonly error: LeaseError | undefined } | undefined;
  #waiting: (() => void)[] = [];

  get full(): boolean {
    return this.#size > eventsMax || this.#bytes > bytesMax;
  }

  get low(): boolean {
    return this.#size <= eventsMax / 2 && this.#bytes <= bytesMax / 2;
  }

  push(event: E, bytes: number): void {
    if (this.#ended !== undefined) return;
    this.#entries.push({ event, bytes });
    this.#bytes += bytes;
    this.#wake();
  }

  /**
   * Nothing comes any more: what is there may be read, then readers get the error, or undefined. `now`: what is there
   * is dropped.
   */
  end(error: LeaseError | undefined, now: boolean): void {
    if (this.#ended !== undefined) return;
    this.#ended = { error };
    if (now) this.#clear();
    this.#wake();
  }

  /** The next event, when there is one; undefined at the end. */
  async shift(): Promise<E | undefined> {
    await this.#some();
    const entry = this.#entries[this.#at];
    if (entry === undefined) return undefined;
    this.#entries[this.#at++] = undefined;
    this.#bytes -= entry.bytes;
    if (this.#at === this.#entries.length) this.#clear();
    else if (this.#at >= eventsMax) {
      this.#entries = this.#entries.slice(this.#at);
      this.#at = 0;
    }
    return entry.event;
  }

  /** All events there are, as soon as there is one; undefined at the end. */
  async drain(): Promise<readonly E[] | undefined> {
    await this.#some();
    const events = this.#entries.slice(this.#at).flatMap((entry) => (entry === undefined ? [] : [entry.event]));
    this.#clear();
    return events.length === 0 ? undefined : events;
  }

  get #size(): number {
    return this.#entries.length - this.#at;
  }

  /** Resolves when there is an event, or when it ended in peace; rejects with its error. */
  async #some(): Promise<void> {
    while (this.#size === 0) {
      if (this.#ended?.error !== undefined) throw this.#ended.error;
      if (this.#ended !== undefined) return;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #clear(): void {
    this.#entries = [];
    this.#at = 0;
    this.#bytes = 0;
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
