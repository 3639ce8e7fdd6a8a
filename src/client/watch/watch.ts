/**
 * One watch: from a position on, every event of its range, once and in order, until who reads it has enough. Where the
 * stream is, and whether it was cut, is not its reader's concern; where events were compacted away it reads what there
 * is and says so. Its memory is bounded: a reader that lags is taken off the stream, and put on again from where it is
 * when it has caught up.
 */
import { onAbort } from '../abort.ts';
import { sleep } from '../clock.ts';
import { LeaseError } from '../errors.ts';
import { listAll } from '../kv/pages.ts';
import { codecOf, type Reading } from '../kv/views.ts';
import { type Stoppable, stoppable } from '../stoppable.ts';
import { type Codec, count64, type KeyRange, type WireRange, wireRange } from '../values.ts';
import type { Sparse } from '../wire/codec.ts';
import type { WatchCreateRequest, WatchResponse } from '../wire/messages.ts';
import { eventOf, type WatchEvent, weightOf } from './events.ts';
import { Feed } from './feed.ts';
import { isFinal, type Lanes, pauseAfter } from './lanes.ts';
import { Position } from './position.ts';
import type { Subscriber } from './stream.ts';

/** Where a watch begins, and what it tells. */
export interface WatchOptions<T = Uint8Array> {
  /** The first revision to tell of; what comes next if not given or 0. */
  readonly from?: bigint | undefined;
  /** How values are read; bytes if not given. */
  readonly codec?: Codec<T> | undefined;
  /** Tell what was there before each event. */
  readonly prevKv?: boolean | undefined;
  /** Only puts, or only deletes. A resync lists all the same. */
  readonly only?: 'put' | 'delete' | undefined;
  /** Tell of progress too, when the server notes it (etcd: about every ten minutes without an event). */
  readonly progress?: boolean | undefined;
  /** Ends the watch quietly when it fires. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reading it ends only by its reader's own doing (`break`, `close`, the signal), or throws; it never ends in silence.
 */
export class Watch<T = Uint8Array> implements AsyncIterable<WatchEvent<T>>, AsyncDisposable, Subscriber {
  readonly #lanes: Lanes;
  readonly #range: KeyRange;
  readonly #wireRange: WireRange;
  readonly #options: WatchOptions<T>;
  readonly #reading: Reading<T>;
  readonly #position: Position;
  readonly #feed = new Feed<WatchEvent<T>>();
  readonly #over = new AbortController();
  #unlisten = (): void => {};
  /** The first revision that is told of; 0 until that is certain. */
  #first: bigint;
  #startWaiters: { readonly resolve: (from: bigint) => void; readonly reject: (error: LeaseError) => void }[] = [];
  /** Off the stream until its reader has caught up. */
  #resting = false;
  #failures = 0;
  /** Refused once, and asked for again with another token. */
  #renewed = false;

  /** Throws `invalid_argument`. Begins at once. */
  constructor(lanes: Lanes, range: KeyRange, options: WatchOptions<T>) {
    const { from = 0n, codec, signal } = options;
    const { namespace } = lanes.core;
    this.#lanes = lanes;
    this.#range = range;
    this.#wireRange = wireRange(range, namespace);
    this.#options = options;
    this.#reading = { namespace, codec: codecOf(codec) };
    this.#position = new Position(count64(from, 'from'));
    this.#first = from;
    lanes.add(this);
    if (this.#over.signal.aborted) return;
    if (signal !== undefined) this.#unlisten = onAbort(signal, () => this.close());
    if (signal?.aborted !== true) lanes.join(this);
  }

  /**
   * Events as they come. Who leaves the loop, or calls the iterator's `return` while it waits, ends the watch, on the server
   * too. Whoever iterates twice at a time shares the events.
   */
  [Symbol.asyncIterator](): Stoppable<WatchEvent<T>> {
    return stoppable(undefined, (stop) => {
      onAbort(stop, () => this.close());
      return this.#events();
    });
  }

  /** @internal All events there are, as soon as there is one; undefined at the end. */
  async batch(): Promise<readonly WatchEvent<T>[] | undefined> {
    const events = await this.#feed.drain();
    this.#refill();
    return events;
  }

  /**
   * Resolves with the first revision that is told of: `from`, or, without it, what comes next, as soon as a member has
   * made the watch. What is written after that is seen. Rejects when the watch ends before.
   */
  started(): Promise<bigint> {
    if (this.#first !== 0n) return Promise.resolve(this.#first);
    if (this.#over.signal.aborted) return Promise.reject(new LeaseError('closed', 'the watch is over'));
    return new Promise((resolve, reject) => this.#startWaiters.push({ resolve, reject }));
  }

  /** Ends it; who reads it sees the end, and nothing that was not read yet. */
  close(): void {
    this.#end(undefined, true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  /** @internal */
  request(): Sparse<WatchCreateRequest> {
    this.#position.lost();
    const { prevKv = false, only } = this.#options;
    return {
      ...this.#wireRange,
      startRevision: this.#position.start,
      prevKv,
      fragment: true,
      // Also where its reader does not ask for it: a quiet watch that knows how far it is outlives a compaction.
      progressNotify: true,
      filters: only === undefined ? [] : [only === 'put' ? noDelete : noPut],
    };
  }

  /** @internal */
  created(revision: bigint): void {
    this.#failures = 0;
    this.#renewed = false;
    this.#position.created(revision);
    if (this.#first === 0n) this.#first = this.#position.next;
    for (const { resolve } of this.#startWaiters.splice(0)) resolve(this.#first);
  }

  /** @internal */
  answered(answer: WatchResponse): void {
    for (const wire of this.#position.take(answer)) {
      const event = eventOf(wire, this.#reading);
      if (event !== undefined) this.#feed.push(event, weightOf(event));
    }
    if (answer.events.length === 0 && this.#options.progress === true) {
      const event = { type: 'progress', revision: this.#position.next - 1n } as const;
      this.#feed.push(event, weightOf(event));
    }
    if (!this.#feed.full) return;
    this.#resting = true;
    this.#lanes.leave(this);
  }

  /** @internal */
  compacted(): void {
    this.#lanes.leave(this);
    void this.#resync();
  }

  /** @internal */
  cancelled(error: LeaseError, atOnce: boolean): void {
    if (error.code === 'permission_denied' && atOnce && !this.#renewed) {
      this.#renewed = true;
      this.#lanes.renew(this);
      return;
    }
    this.#lanes.leave(this);
    if (isFinal(error)) this.#end(error, false);
    else void this.#rejoin();
  }

  /** @internal */
  clientClosed(error: LeaseError): void {
    this.#end(error, true);
  }

  /** Reads all there is at one revision, and goes on behind it. */
  async #resync(): Promise<void> {
    const { core } = this.#lanes;
    const { signal } = this.#over;
    const { codec } = this.#options;
    while (!signal.aborted) {
      try {
        const { items, revision } = await listAll(core, this.#range, { codec, signal });
        if (signal.aborted) return;
        this.#position.restart(revision);
        const event = { type: 'resync', items, revision } as const;
        this.#feed.push(event, weightOf(event));
        this.#lanes.join(this);
        return;
      } catch (cause) {
        const error = cause instanceof LeaseError ? cause : new LeaseError('internal', String(cause), { cause });
        if (isFinal(error)) this.#end(error, false);
        else await this.#pause();
      }
    }
  }

  async *#events(): AsyncGenerator<WatchEvent<T>, void, undefined> {
    for (let event = await this.#feed.shift(); event !== undefined; event = await this.#feed.shift()) {
      this.#refill();
      yield event;
    }
  }

  async #rejoin(): Promise<void> {
    await this.#pause();
    if (!this.#over.signal.aborted) this.#lanes.join(this);
  }

  async #pause(): Promise<void> {
    const { core } = this.#lanes;
    await sleep(core.clock, pauseAfter(core, this.#failures++), this.#over.signal);
  }

  #refill(): void {
    if (!this.#resting || !this.#feed.low || this.#over.signal.aborted) return;
    this.#resting = false;
    this.#lanes.join(this);
  }

  #end(error: LeaseError | undefined, now: boolean): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    this.#unlisten();
    this.#lanes.leave(this);
    this.#lanes.remove(this);
    this.#feed.end(error, now);
    const reason = error ?? new LeaseError('closed', 'the watch is over');
    for (const { reject } of this.#startWaiters.splice(0)) reject(reason);
  }
}

/** etcd's filters: what is not to be told. */
const noPut = 0;
const noDelete = 1;
