/**
 * A lease as an object that its holder can trust: kept alive until it is let go, with a signal that aborts before a member can end it.
 * Whoever looks - `held()`, `signal`, `remaining`, `lost`, every call here - compares the clocks first, so that a process that was
 * stopped for too long finds out before anything more leaves it.
 */
import type { Core } from '../core.ts';
import { LeaseError } from '../errors.ts';
import type { Guard } from '../kv/guard.ts';
import type { CallSettings } from '../transport/calls.ts';
import {
  bytesOf,
  type Codec,
  type Duration,
  type KeyLike,
  type LeaseIdLike,
  type ValueLike,
  wireKey,
} from '../values.ts';
import { headerOf } from '../wire/codec.ts';
import { type Keeper, type Kept, type LeaseEnd, type LostReason, lostError, nameOf } from './kept.ts';
import type { Granted, LeaseCalls } from './lease-calls.ts';
import type { Renewer } from './renewer.ts';

/** `signal` and `timeout` are those of the call that makes the lease; the lease itself lasts until it is let go or lost. */
export interface LeaseOptions extends CallSettings {
  /** Whole seconds on the wire: a part of one is rounded up. */
  readonly ttl: Duration;
  /** Chosen at random if not given. */
  readonly id?: LeaseIdLike | undefined;
  /** What errors call it, beside its id. */
  readonly label?: string | undefined;
}

/** Told once to the listeners of `lost`. */
export class LeaseLostEvent extends Event {
  readonly reason: LostReason;

  constructor(reason: LostReason) {
    super('lost');
    this.reason = reason;
  }
}

type ListenOptions = Parameters<EventTarget['addEventListener']>[2];

/** What a lease is made with. */
export interface LeaseParts {
  readonly core: Core;
  readonly calls: LeaseCalls;
  readonly renewer: Renewer;
}

/** Grants a lease and keeps it alive. */
export async function makeLease(parts: LeaseParts, { ttl, label, ...options }: LeaseOptions): Promise<Lease> {
  return new Lease(parts, await parts.calls.grant(ttl, options), label);
}

/**
 * ```ts
 * await using lease = await client.lease({ ttl: '10s' });
 * await lease.put('workers/7', address);
 * await work({ signal: lease.signal });
 * ```
 */
export class Lease extends EventTarget implements AsyncDisposable {
  readonly id: bigint;
  /** Milliseconds that were granted. */
  readonly ttl: number;
  readonly #parts: LeaseParts;
  readonly #name: string;
  readonly #keeper: Keeper = { renewed: () => undefined, ended: (end) => this.#ended(end) };
  readonly #kept: Kept;
  #end: LeaseEnd | undefined;
  #abort: AbortController | undefined;

  /** Use `client.lease`. */
  constructor(parts: LeaseParts, { id, ttl, sent }: Granted, label?: string) {
    super();
    this.id = id;
    this.ttl = Number(ttl) * 1_000;
    this.#parts = parts;
    this.#name = nameOf(id, label);
    this.#kept = parts.renewer.keep(id, this.#keeper, { known: { sent, ttlMs: this.ttl }, patienceMs: this.ttl });
  }

  /** Whether nobody else can have what the lease protects, by both clocks, now. */
  held(): boolean {
    return this.#end === undefined && this.#parts.renewer.held(this.#kept);
  }

  /**
   * Aborts when the lease is lost or let go, with a `LeaseError` (`lease_lost`) as its reason: at the latest when its TTL, counted from the
   * sending of its last successful renewal, is over but for a margin. Reading this property compares the clocks; a signal that
   * was read before a pause of the process aborts only a moment after it.
   */
  get signal(): AbortSignal {
    this.held();
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#end !== undefined) this.#abort.abort(this.#error());
    }
    return this.#abort.signal;
  }

  /** Milliseconds until `signal` aborts if no renewal succeeds any more; 0 when it has. */
  get remaining(): number {
    return this.held() ? this.#kept.leftMs(this.#parts.core.clock) : 0;
  }

  /** Why it is no longer held; undefined while it is. */
  get lost(): LostReason | undefined {
    return this.held() ? undefined : this.#end?.reason;
  }

  /** Writes a key that is deleted when the lease ends. Refused with `lease_lost` or `lease_not_found` if it has, and then not written. */
  put(key: KeyLike, value: ValueLike, settings?: CallSettings): Promise<{ readonly revision: bigint }>;
  put<T>(key: KeyLike, value: T, codec: Codec<T>, settings?: CallSettings): Promise<{ readonly revision: bigint }>;
  async put(
    key: KeyLike,
    value: unknown,
    how: Codec<unknown> | CallSettings = {},
    settings: CallSettings = {},
  ): Promise<{ readonly revision: bigint }> {
    const coded = 'encode' in how;
    const { core } = this.#parts;
    const request = {
      key: wireKey(key, core.namespace),
      value: bytesOf(coded ? how.encode(value) : (value as ValueLike)),
      lease: this.id,
    };
    const plan = { kind: 'once', onAttempt: () => this.#mustHold() } as const;
    try {
      const answer = await core.calls.call('put', request, plan, coded ? settings : how);
      return { revision: headerOf(answer).revision };
    } catch (error) {
      if (error instanceof LeaseError && error.code === 'lease_not_found') this.#parts.renewer.gone(this.#kept);
      throw error;
    }
  }

  /** Deletes a key if it is this lease's; `deleted` says whether it was. */
  async delete(
    key: KeyLike,
    settings: CallSettings = {},
  ): Promise<{ readonly deleted: boolean; readonly revision: bigint }> {
    const { core } = this.#parts;
    const request = {
      compare: this.guard(key).compare,
      success: [{ requestDeleteRange: { key: wireKey(key, core.namespace) } }],
    };
    const plan = { kind: 'once', onAttempt: () => this.#mustHold() } as const;
    const answer = await core.calls.call('txn', request, plan, settings);
    return { deleted: answer.succeeded, revision: headerOf(answer).revision };
  }

  /** Holds in a txn while the key is there and belongs to this lease. Throws `lease_lost` if the lease is no longer held. */
  guard(key: KeyLike): Guard {
    this.#mustHold();
    const target = compareLease;
    return {
      compare: [{ key: wireKey(key, this.#parts.core.namespace), result: compareEqual, target, lease: this.id }],
    };
  }

  /** Lets it go without ending it: it is no longer renewed, and its keys live until its TTL is over. `lost` is then `closed`. */
  async detach(): Promise<void> {
    this.#release('closed');
  }

  /** Ends it and deletes its keys. A lease that is gone already is no error. */
  async revoke(settings: CallSettings = {}): Promise<void> {
    this.#release('revoked');
    try {
      await this.#parts.calls.revoke(this.id, settings);
    } catch (error) {
      if (!(error instanceof LeaseError) || error.code !== 'lease_not_found') throw error;
    }
  }

  /** As `revoke`, without an error where no member can be told: it then ends by itself. Does nothing for one that is lost or let go. */
  async close(): Promise<void> {
    if (!this.held()) return;
    this.#release('closed');
    try {
      await this.#parts.calls.revoke(this.id);
    } catch {
      // Its TTL ends it.
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  override addEventListener(type: 'lost', listener: (event: LeaseLostEvent) => void, options?: ListenOptions): void;
  override addEventListener(...listening: Parameters<EventTarget['addEventListener']>): void;
  override addEventListener(type: string, listener: unknown, options?: ListenOptions): void {
    super.addEventListener(type, listener as (event: Event) => void, options);
  }

  override removeEventListener(type: 'lost', listener: (event: LeaseLostEvent) => void): void;
  override removeEventListener(...listening: Parameters<EventTarget['removeEventListener']>): void;
  override removeEventListener(type: string, listener: unknown): void {
    super.removeEventListener(type, listener as (event: Event) => void);
  }

  #release(reason: LostReason): void {
    this.#parts.renewer.drop(this.#kept, this.#keeper);
    this.#ended({ reason });
  }

  #ended(end: LeaseEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#abort?.abort(this.#error());
    this.dispatchEvent(new LeaseLostEvent(end.reason));
  }

  #mustHold(): void {
    if (!this.held()) throw this.#error();
  }

  #error(): LeaseError {
    return lostError(this.#name, this.#end ?? { reason: 'closed' });
  }
}

/** Compare.EQUAL and Compare.LEASE on the wire. */
const compareEqual = 0;
const compareLease = 4;
