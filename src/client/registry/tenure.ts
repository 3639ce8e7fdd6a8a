/**
 * Under which lease a registration stands: leases of its own, one after another, or a session's for as long as that
 * lasts. Owns what is left of leases that were lost, until it is certain that nothing is under them.
 */
import { type Clock, sleep } from '../clock.ts';
import { type Lease, type LeaseParts, makeLease } from '../lease/lease.ts';
import type { Session } from '../lock/session.ts';
import type { CallSettings } from '../transport/calls.ts';
import type { Duration, KeyLike } from '../values.ts';

export interface Tenure {
  /** One that is held. Rejects if there is none to be had now. */
  lease(settings: CallSettings): Promise<Lease>;
  /** The cluster does not know the one given last. True: another is to be tried at once. */
  ended(): boolean;
  /** Nothing is to be put under the one given last for now. */
  idle(): void;
  /** Whether a key under that lease is this registration's. */
  owns(lease: bigint): boolean;
  /** The key is put: what is left of leases before is not needed any more. */
  settled(): void;
  /** There will be no other lease. */
  readonly over: boolean;
  /** Deletes the key, as well as can be done. Never rejects. */
  release(key: KeyLike | undefined): Promise<void>;
}

/** Lost leases that the key may still be under. */
const formerMax = 8;
const pauseMsMin = 100;
const pauseMsMax = 5_000;

class OwnTenure implements Tenure {
  readonly over = false;
  readonly #parts: LeaseParts;
  readonly #ttl: Duration;
  /** Newest last. */
  #former: bigint[] = [];
  #lease: Lease | undefined;
  #fresh = false;

  constructor(parts: LeaseParts, ttl: Duration) {
    this.#parts = parts;
    this.#ttl = ttl;
  }

  async lease(settings: CallSettings): Promise<Lease> {
    if (this.#lease?.held() !== true) this.idle();
    this.#fresh = this.#lease === undefined;
    this.#lease ??= await makeLease(this.#parts, { ...settings, ttl: this.#ttl });
    return this.#lease;
  }

  /**
   * One that was granted a while ago may have ended, and that is how the key was lost; one that was just granted should
   * not have.
   */
  ended(): boolean {
    this.idle();
    return !this.#fresh;
  }

  idle(): void {
    if (this.#lease === undefined) return;
    this.#former = [...this.#former, this.#lease.id].slice(-formerMax);
    void this.#lease.detach();
    this.#lease = undefined;
  }

  owns(lease: bigint): boolean {
    return lease === this.#lease?.id || this.#former.includes(lease);
  }

  settled(): void {
    void this.#revokeFormer();
  }

  async release(): Promise<void> {
    this.idle();
    await this.#revokeFormer();
  }

  async #revokeFormer(): Promise<void> {
    await Promise.all(this.#former.splice(0).map((id) => this.#parts.calls.revoke(id).catch(() => {})));
  }
}

class SessionTenure implements Tenure {
  readonly #clock: Clock;
  readonly #lease: Lease;

  constructor({ core }: LeaseParts, { lease }: Session) {
    this.#clock = core.clock;
    this.#lease = lease;
  }

  get over(): boolean {
    return !this.#lease.held();
  }

  async lease(): Promise<Lease> {
    if (this.over) throw this.#lease.signal.reason;
    return this.#lease;
  }

  /** Its renewals will tell. */
  ended(): boolean {
    return false;
  }

  idle(): void {}

  owns(lease: bigint): boolean {
    return lease === this.#lease.id;
  }

  settled(): void {}

  /** Of the session's keys only this one; where no member can be told now, as soon as one can. */
  async release(key: KeyLike | undefined): Promise<void> {
    if (key !== undefined && !(await this.#deleted(key))) void this.#deleteLater(key);
  }

  /** If it was registered again meanwhile, that one loses the key once, and puts it again. */
  async #deleteLater(key: KeyLike): Promise<void> {
    for (let failures = 0; !this.over; failures++) {
      const pauseMs = Math.min(pauseMsMax, pauseMsMin * 2 ** Math.min(failures, 16)) * (0.5 + this.#clock.random());
      await sleep(this.#clock, pauseMs, this.#lease.signal);
      if (await this.#deleted(key)) return;
    }
  }

  /** Also true where the key ends with the lease. */
  async #deleted(key: KeyLike): Promise<boolean> {
    if (this.over) return true;
    try {
      await this.#lease.delete(key);
      return true;
    } catch {
      return this.over;
    }
  }
}

/** Whichever is asked for. */
export function tenureOf(parts: LeaseParts, of: Session | Duration): Tenure {
  return typeof of === 'object' ? new SessionTenure(parts, of) : new OwnTenure(parts, of);
}
