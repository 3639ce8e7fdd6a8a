/** Locks: who waits for one, who only tries, and who works under one. */
import type { CallSettings } from '../transport/calls.ts';
import type { Duration, KeyLike, WireRange } from '../values.ts';
import { Ends } from './ends.ts';
import { Held } from './held.ts';
import { type Candidacy, firstPlace, placeIfEmpty, type QueueParts } from './queue.ts';
import { queueRange } from './queue-wire.ts';
import type { Session, Sessions } from './session.ts';

export interface LockOptions extends CallSettings {
  /** What the lock is held under. If not given, a session of the client's own, which ends when nothing is held under it. */
  readonly session?: Session | undefined;
  /** Of the client's own session; 15 s if not given. */
  readonly ttl?: Duration | undefined;
  /** Ends the waiting, not the holding. */
  readonly signal?: AbortSignal | undefined;
  /** Of the waiting; none if not given. */
  readonly timeout?: Duration | undefined;
}

const empty = new Uint8Array();

export class Locks {
  readonly #parts: QueueParts;
  readonly #sessions: Sessions;

  constructor(parts: QueueParts, sessions: Sessions) {
    this.#parts = parts;
    this.#sessions = sessions;
  }

  async lock(name: KeyLike, options: LockOptions): Promise<Held> {
    return new Held(this.#parts, await this.#enter(firstPlace, name, options));
  }

  async tryLock(name: KeyLike, options: LockOptions): Promise<Held | undefined> {
    const place = await this.#enter(placeIfEmpty, name, options);
    return place === undefined ? undefined : new Held(this.#parts, place);
  }

  /** Runs the body under the lock. The body's error is the caller's, whatever comes of giving the lock back. */
  async during<T>(name: KeyLike, options: LockOptions, body: (held: Held) => T | Promise<T>): Promise<T> {
    const held = await this.lock(name, options);
    let result: T;
    try {
      result = await body(held);
    } catch (error) {
      await held[Symbol.asyncDispose]();
      throw error;
    }
    await held.release();
    return result;
  }

  async #enter<P>(
    enter: (parts: QueueParts, queue: WireRange, candidacy: Candidacy, ends: Ends) => Promise<P>,
    name: KeyLike,
    { session, ttl, ...settings }: LockOptions,
  ): Promise<P> {
    const queue = queueRange(name, this.#parts.core.namespace);
    const ends = new Ends(this.#parts.core, settings, 'waiting for the lock');
    try {
      ends.check();
      const use = await this.#sessions.use(session, ttl, ends.signal);
      return await enter(this.#parts, queue, { use, value: empty }, ends);
    } finally {
      ends.close();
    }
  }
}
