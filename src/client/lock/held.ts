/**
 * Something held: a lock, a term. It is held as long as its session's lease is and its key is there, until it is given back. Whoever asks
 * is told by the clocks, not by a timer; so the first question after a pause of the process is answered right.
 */
import { onAbort } from '../abort.ts';
import { LeaseError } from '../errors.ts';
import type { Guard } from '../kv/guard.ts';
import type { CallSettings } from '../transport/calls.ts';
import { withoutNamespace } from '../values.ts';
import { Watch } from '../watch/watch.ts';
import { lostError } from './ends.ts';
import type { FirstPlace, QueueParts } from './queue.ts';
import { heldCompares } from './queue-wire.ts';

/** What locks and terms have in common. */
export class Held implements AsyncDisposable {
  /** The key that stands for it, without the client's namespace. */
  readonly key: Uint8Array;
  /**
   * The fencing token: greater than that of every holder before. Send it along to whatever the lock protects, and let it refuse tokens
   * smaller than the greatest it has seen.
   */
  readonly token: bigint;
  /** @internal */
  protected readonly parts: QueueParts;
  /** @internal */
  protected readonly place: FirstPlace;
  readonly #lost = new AbortController();
  readonly #undo: (() => void)[] = [];
  #released: Promise<void> | undefined;

  /** Inner: made for a place that was won. */
  constructor(parts: QueueParts, place: FirstPlace) {
    this.parts = parts;
    this.place = place;
    this.key = withoutNamespace(place.key, parts.core.namespace);
    this.token = place.token;
    const { session } = place.use;
    this.#undo.push(onAbort(session.signal, () => this.end(lostError(session.signal))));
    void this.#watchKey();
  }

  /**
   * Aborts before anybody else can own it, and when it is given back. Its reason is a `LeaseError`: `lease_lost`, or `not_held` if the key
   * was deleted or given back. Compares clocks when read.
   */
  get signal(): AbortSignal {
    return this.lost();
  }

  /** Compares clocks, and waits for nothing. */
  held(): boolean {
    return !this.lost().aborted && this.place.use.session.held();
  }

  /**
   * For `client.txn().if(held.guard)`: the txn takes effect only while this holds, as the cluster sees it. Throws `lease_lost` or
   * `not_held` if it certainly does not, when read and when put into a txn.
   */
  get guard(): Guard {
    const { place } = this;
    const check = (): void => this.check();
    check();
    return {
      get compare(): Guard['compare'] {
        check();
        return heldCompares(place.key, place.token, place.use.session.id);
      },
    };
  }

  /**
   * Gives it back: deletes the key, if it is still this holder's; a newer holder's is never touched. Rejects with `lease_lost` or
   * `not_held` if it was lost before. Rejects with the call's error if that fails, and then goes on trying until the lease is over.
   * `signal` aborts before the call leaves. A second call comes to the same as the first.
   */
  release(settings: CallSettings = {}): Promise<void> {
    this.#released ??= this.#release(settings);
    return this.#released;
  }

  /** As `release`, but never rejects, so that it hides no error of the block that it ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.release().catch(() => {});
  }

  /** Throws if it is not held. */
  protected check(): void {
    if (!this.held()) throw lostError(this.lost());
  }

  /** Fires when it is no longer held. */
  protected lost(): AbortSignal {
    // Reading the lease's signal is what fires it if its time has come, and ours with it; or after this, if others were told first.
    const { signal } = this.place.use.session;
    if (signal.aborted && !this.#lost.signal.aborted) this.end(lostError(signal));
    return this.#lost.signal;
  }

  /** From now on it is not held. */
  protected end(reason: LeaseError): void {
    for (const undo of this.#undo.splice(0)) undo();
    this.#lost.abort(reason);
  }

  async #release(settings: CallSettings): Promise<void> {
    const lost = this.held() ? undefined : lostError(this.lost());
    this.end(new LeaseError('not_held', 'it was given back'));
    const { key, token, unsettled, use } = this.place;
    const leaving = { key, token, unsettled, use };
    if (lost !== undefined) {
      this.parts.leavings.leaveSoon(leaving);
      throw lost;
    }
    if (!(await this.parts.leavings.leave(leaving, settings))) throw gone();
  }

  /** Hears of the key's deletion by others: an operator, another use of the lease. */
  async #watchKey(): Promise<void> {
    const options = { from: this.place.revision + 1n, only: 'delete', signal: this.#lost.signal } as const;
    try {
      for await (const event of new Watch(this.parts.lanes, this.key, options)) {
        const stays =
          event.type === 'resync' && event.items.some(({ createRevision }) => createRevision === this.token);
        if (!stays && event.type !== 'progress') this.end(gone());
      }
    } catch {
      // It may not be watched, or the client is closed. The lease tells what matters.
    }
  }
}

function gone(): LeaseError {
  return new LeaseError('not_held', 'its key was deleted by somebody else');
}
