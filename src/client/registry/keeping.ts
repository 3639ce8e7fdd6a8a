/**
 * Keeps a key registered: puts it under a lease, notices when it is lost, and puts it again, in a loop that ends when
 * it is told to. Who begins takes the key, whosever it was; who comes back leaves it to whoever has it by then and
 * waits until it is free. So of several that name one key the last to begin has it, and none fight. Nothing is put
 * under a lease that is lost.
 */
import { onAbort } from '../abort.ts';
import { sleep } from '../clock.ts';
import { closedError, LeaseError } from '../errors.ts';
import { type Lease, type LeaseParts, makeLease } from '../lease/lease.ts';
import type { CallSettings } from '../transport/calls.ts';
import type { Duration, KeyLike } from '../values.ts';
import type { Lanes } from '../watch/lanes.ts';
import { Watch } from '../watch/watch.ts';
import { type Claim, claim } from './claim.ts';
import type { RegistrationLostReason } from './events.ts';
import type { Wanted } from './wanted.ts';

/** What registrations are made with. */
export interface RegistrationParts extends LeaseParts {
  readonly lanes: Lanes;
}

export interface KeepingPlan {
  /** The key may depend on the lease, and is then another one after each loss of it. */
  readonly keyOf: (lease: bigint) => KeyLike;
  readonly ttl: Duration;
  readonly wanted: Wanted;
  /** Neither may throw. */
  readonly registered: (revision: bigint) => void;
  readonly lost: (reason: RegistrationLostReason) => void;
}

const pauseMsMin = 100;
const pauseMsMax = 5_000;
/** Lost leases that the key may still be under. */
const formerMax = 8;

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
  /** Lost, and the key may still be under them; newest last. */
  #former: bigint[] = [];
  #lease: Lease | undefined;
  #place: Place | undefined;
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
      this.#forgetLease();
      void this.#revokeFormer();
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
    const undo = onAbort(closed, () => this.#over.abort());
    for (let place: Place | undefined = first, failures = 0; place !== undefined; ) {
      const beganMs = clock.monotonicMs();
      const loss = await this.#untilLost(place);
      this.#place = undefined;
      if (this.over) break;
      this.#plan.lost(loss.reason);
      failures = clock.monotonicMs() - beganMs > pauseMsMax ? 0 : failures + 1;
      place = await this.#restore(loss, failures);
      if (place !== undefined) this.#plan.registered(place.revision);
    }
    undo();
    this.#over.abort();
    this.#forgetLease();
    if (!closed.aborted) await this.#revokeFormer();
    this.#plan.wanted.end(closedError('the registration'));
    this.#plan.lost('closed');
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
    for (let failures = failuresBefore, wait = taken; ; failures++) {
      if (wait !== undefined) await this.#untilFree(wait, signal);
      await this.#pause(failures, signal);
      if (signal.aborted) return undefined;
      try {
        const put = await this.#put((there) => there === undefined || this.#wasOurs(there.lease), { signal });
        if ('lease' in put) return put;
        wait = put;
      } catch (error) {
        this.#failure = errorOf(error);
      }
    }
  }

  /** Puts it under a lease that is held, if it may be taken. */
  async #put(mayTake: Claim['mayTake'], settings: CallSettings): Promise<Place | Taken> {
    const { core } = this.#parts;
    if (this.#lease?.held() !== true) this.#forgetLease();
    const fresh = this.#lease === undefined;
    this.#lease ??= await makeLease(this.#parts, { ...settings, ttl: this.#plan.ttl });
    const lease = this.#lease;
    const key = this.#plan.keyOf(lease.id);
    const wanted = this.#plan.wanted.take();
    try {
      const claimed = await claim(core, { key, value: wanted.value, lease, mayTake }, settings);
      if (!claimed.ours) {
        this.#forgetLease();
        return { key, revision: claimed.revision };
      }
      this.#place = { lease, key, revision: claimed.revision };
      this.#failure = undefined;
      wanted.written();
      void this.#revokeFormer();
      return this.#place;
    } catch (error) {
      if (errorOf(error).code !== 'lease_not_found') throw error;
      this.#forgetLease();
      if (fresh) throw error;
      // That the lease had ended is how the key was lost; one that was just granted is not to be expected to end.
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

  #wasOurs(lease: bigint): boolean {
    return lease === this.#lease?.id || this.#former.includes(lease);
  }

  #forgetLease(): void {
    if (this.#lease === undefined) return;
    this.#former = [...this.#former, this.#lease.id].slice(-formerMax);
    void this.#lease.detach();
    this.#lease = undefined;
  }

  /** Ends leases that are not held any more, and what may be left under them. */
  async #revokeFormer(): Promise<void> {
    const revoked = this.#former.splice(0).map((id) => this.#parts.calls.revoke(id).catch(() => {}));
    await Promise.all(revoked);
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
