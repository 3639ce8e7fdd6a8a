/**
 * Keeps a key registered: puts it under a lease, notices when it is lost, and puts it again, in a loop that ends when
 * it is told to. Who begins takes the key, whosever it was; who comes back leaves it to whoever has it by then and
 * waits until it is free. So of several that name one key the last to begin has it, and none fight. Nothing is put
 * under a lease that is lost.
 */
import { onAbort } from '../abort.ts';
import { sleep } from '../clock.ts';
import { closedError, LeaseError } from '../errors.ts';
import type { Lease, LeaseParts } from '../lease/lease.ts';
import type { CallSettings } from '../transport/calls.ts';
import type { KeyLike } from '../values.ts';
import type { Lanes } from '../watch/lanes.ts';
import { Watch } from '../watch/watch.ts';
import { type Claim, claim } from './claim.ts';
import type { RegistrationLostReason } from './events.ts';
import type { Tenure } from './tenure.ts';
import type { Wanted } from './wanted.ts';

/** What registrations are made with. */
export interface RegistrationParts extends LeaseParts {
  readonly lanes: Lanes;
}

export interface KeepingPlan {
  /** The key may depend on the lease, and is then another one after each loss of it. */
  readonly keyOf: (lease: bigint) => KeyLike;
  readonly tenure: Tenure;
  readonly wanted: Wanted;
  /** Neither may throw. */
  readonly registered: (revision: bigint) => void;
  readonly lost: (reason: RegistrationLostReason) => void;
}

const pauseMsMin = 100;
const pauseMsMax = 5_000;

/** The key as it was put last. */
interface Place {
  readonly lease: Lease;
  readonly key: KeyLike;
  readonly revision: bigint;
}

/** Somebody else has the key. */
interface Taken {
  readonly key: KeyLike;
  /** At this revision. */
  readonly revision: bigint;
}

/** Why it is no longer ours. */
interface Loss {
  readonly reason: RegistrationLostReason;
  readonly taken?: Taken;
}

export class Keeping {
  readonly #parts: RegistrationParts;
  readonly #plan: KeepingPlan;
  readonly #over = new AbortController();
  #place: Place | undefined;
  /** Tried last. */
  #key: KeyLike | undefined;
  #failure: LeaseError | undefined;
  #kept: Promise<void> = Promise.resolve();

  constructor(parts: RegistrationParts, plan: KeepingPlan) {
    this.#parts = parts;
    this.#plan = plan;
  }

  /** Resolves when the key is put for the first time. Rejects, and leaves nothing, if that fails. */
  async begin(settings: CallSettings): Promise<void> {
    try {
      const put = await this.#put(() => true, settings);
      if ('lease' in put) this.#kept = this.#keep(put);
    } catch (error) {
      void this.#plan.tenure.release(this.#key);
      throw error;
    }
  }

  /** Where it is now; undefined while it is lost. */
  get place(): Place | undefined {
    return this.#place?.lease.held() === true ? this.#place : undefined;
  }

  /** What the last attempt to put it again failed with. */
  get failure(): LeaseError | undefined {
    return this.#failure;
  }

  get over(): boolean {
    return this.#over.signal.aborted;
  }

  /** Never rejects. */
  async end(): Promise<void> {
    this.#over.abort();
    await this.#kept;
  }

  async #keep(first: Place): Promise<void> {
    const { closed, clock } = this.#parts.core;
    const { tenure, wanted, lost, registered } = this.#plan;
    const undo = onAbort(closed, () => this.#over.abort());
    for (let place: Place | undefined = first, failures = 0; place !== undefined; ) {
      const beganMs = clock.monotonicMs();
      const loss = await this.#untilLost(place);
      this.#place = undefined;
      if (this.over) break;
      lost(loss.reason);
      failures = clock.monotonicMs() - beganMs > pauseMsMax ? 0 : failures + 1;
      place = await this.#restore(loss, failures);
      if (place !== undefined) registered(place.revision);
    }
    undo();
    this.#over.abort();
    if (!closed.aborted) await tenure.release(this.#key);
    wanted.end(closedError('the registration'));
    lost('closed');
  }

  /** Resolves when the key is no longer ours, or never will be. Writes new values meanwhile. */
  async #untilLost(place: Place): Promise<Loss> {
    const { lease } = place;
    const stop = new AbortController();
    const undoes = [
      onAbort(lease.signal, () => stop.abort({ reason: lease.lost ?? 'closed' } satisfies Loss)),
      onAbort(this.#over.signal, () => stop.abort({ reason: 'closed' } satisfies Loss)),
    ];
    await Promise.all([
      this.#followed(place, stop.signal).then((loss) => stop.abort(loss)),
      this.#written(place, stop.signal).then((loss) => stop.abort(loss)),
    ]);
    for (const undo of undoes) undo();
    return stop.signal.reason as Loss;
  }

  /** Resolves when the key is seen to be deleted, or to be another's; with anything when the signal fires. */
  async #followed({ key, lease, revision }: Place, signal: AbortSignal): Promise<Loss> {
    try {
      for await (const event of new Watch(this.#parts.lanes, key, { from: revision + 1n, signal })) {
        if (event.type === 'delete') return { reason: 'deleted' };
        if (event.type === 'progress') continue;
        const kv = event.type === 'put' ? event.kv : event.items[0];
        if (kv === undefined) return { reason: 'deleted' };
        if (kv.lease !== lease.id) return { reason: 'replaced', taken: { key, revision: event.revision } };
      }
    } catch (error) {
      // It cannot be watched, perhaps for want of permission. The end of its lease is still seen.
      this.#failure = errorOf(error);
    }
    await new Promise<void>((resolve) => onAbort(signal, resolve));
    return { reason: 'closed' };
  }

  /** Writes each new value; resolves when that shows that the key is not ours; with anything when the signal fires. */
  async #written({ lease, key }: Place, signal: AbortSignal): Promise<Loss> {
    const mayTake: Claim['mayTake'] = (there) => there?.lease === lease.id;
    for (let failures = 0; ; ) {
      const wanted = await this.#plan.wanted.next(signal);
      if (wanted === undefined) return { reason: 'closed' };
      try {
        const claimed = await claim(this.#parts.core, { key, value: wanted.value, lease, mayTake }, { signal });
        if (!claimed.there) return { reason: 'deleted' };
        if (!claimed.ours) return { reason: 'replaced', taken: { key, revision: claimed.revision } };
        wanted.written();
        failures = 0;
      } catch (error) {
        const { code } = errorOf(error);
        if (code === 'lease_not_found') return { reason: 'deleted' };
        await this.#pause(failures++, signal);
      }
    }
  }

  /** Puts it again; undefined when it is over. */
  async #restore({ taken }: Loss, failuresBefore: number): Promise<Place | undefined> {
    const { signal } = this.#over;
    const { tenure } = this.#plan;
    for (let failures = failuresBefore, wait = taken; ; failures++) {
      if (wait !== undefined) await this.#untilFree(wait, signal);
      if (!tenure.over) await this.#pause(failures, signal);
      if (signal.aborted || tenure.over) return undefined;
      try {
        const put = await this.#put((there) => there === undefined || tenure.owns(there.lease), { signal });
        if ('lease' in put) return put;
        wait = put;
      } catch (error) {
        this.#failure = errorOf(error);
      }
    }
  }

  /** Puts it under a lease that is held, if it may be taken. */
  async #put(mayTake: Claim['mayTake'], settings: CallSettings): Promise<Place | Taken> {
    const { tenure, keyOf, wanted } = this.#plan;
    const lease = await tenure.lease(settings);
    const key = keyOf(lease.id);
    this.#key = key;
    const taken = wanted.take();
    try {
      const claimed = await claim(this.#parts.core, { key, value: taken.value, lease, mayTake }, settings);
      if (!claimed.ours) {
        tenure.idle();
        return { key, revision: claimed.revision };
      }
      this.#place = { lease, key, revision: claimed.revision };
      this.#failure = undefined;
      taken.written();
      tenure.settled();
      return this.#place;
    } catch (error) {
      if (errorOf(error).code !== 'lease_not_found' || !tenure.ended()) throw error;
      return await this.#put(mayTake, settings);
    }
  }

  /** Resolves when nobody has the key, as far as can be seen. */
  async #untilFree({ key, revision }: Taken, signal: AbortSignal): Promise<void> {
    try {
      for await (const event of new Watch(this.#parts.lanes, key, { from: revision + 1n, signal }))
        if (event.type === 'delete' || (event.type === 'resync' && event.items.length === 0)) return;
    } catch (error) {
      this.#failure = errorOf(error);
    }
  }

  async #pause(failures: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts.core;
    const pauseMs = Math.min(pauseMsMax, pauseMsMin * 2 ** Math.min(failures, 16)) * (0.5 + clock.random());
    await sleep(clock, pauseMs, signal);
  }
}

function errorOf(error: unknown): LeaseError {
  return error instanceof LeaseError ? error : new LeaseError('internal', String(error), { cause: error });
}
