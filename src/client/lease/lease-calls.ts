/**
 * The unary calls about leases. A grant names its id itself, so that it can be asked again when its answer was lost and still be one
 * lease (etcd's own client leaves a lease behind for every lost answer).
 */
import { type Instant, instantOf } from '../clock.ts';
import type { Core } from '../core.ts';
import { LeaseError } from '../errors.ts';
import type { CallSettings } from '../transport/calls.ts';
import { type Duration, isWithin, type LeaseIdLike, leaseId, ttlSeconds, withoutNamespace } from '../values.ts';

export interface GrantOptions extends CallSettings {
  /** Chosen at random if not given. A given one that is taken is refused with `lease_exists`. */
  readonly id?: LeaseIdLike | undefined;
}

/** A lease that nobody renews yet. */
export interface Granted {
  readonly id: bigint;
  /** Seconds; what was granted, which is at least what was asked for. */
  readonly ttl: bigint;
  /** When the first attempt that may have made it left: its TTL counts from there, for those who want to be sure. */
  readonly sent: Instant;
}

/** A lease as the cluster sees it. */
export interface TimeToLive {
  readonly id: bigint;
  /** Seconds left; -1 when there is no such lease. */
  readonly ttl: bigint;
  /** Seconds; 0 when there is no such lease. */
  readonly grantedTtl: bigint;
  /** If asked for: those under the client's namespace, without it, in the order of the server. */
  readonly keys: readonly Uint8Array[];
}

export class LeaseCalls {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  async grant(ttl: Duration, { id, ...settings }: GrantOptions = {}): Promise<Granted> {
    const chosen = id === undefined ? this.#newId() : leaseId(id);
    const request = { TTL: ttlSeconds(ttl), ID: chosen };
    let sent: Instant | undefined;
    let inDoubt = false;
    const onAttempt = (isRepeated: boolean): void => {
      // The earliest that may have been applied: nobody may count on more time than that.
      if (!isRepeated) sent = instantOf(this.#core.clock);
      inDoubt = isRepeated;
    };
    try {
      const answer = await this.#core.calls.call('leaseGrant', request, { kind: 'repeatable', onAttempt }, settings);
      return { id: answer.ID, ttl: answer.TTL, sent: sent ?? instantOf(this.#core.clock) };
    } catch (error) {
      const ours = id === undefined && inDoubt && error instanceof LeaseError && error.code === 'lease_exists';
      if (!ours || sent === undefined) throw error;
      return { id: chosen, ttl: request.TTL, sent };
    }
  }

  /** Ends a lease and deletes its keys. `lease_not_found` only if no earlier attempt of this call can have ended it. */
  async revoke(id: LeaseIdLike, settings: CallSettings = {}): Promise<void> {
    let inDoubt = false;
    const onAttempt = (isRepeated: boolean): void => {
      inDoubt = isRepeated;
    };
    const plan = { kind: 'repeatable', onAttempt } as const;
    try {
      await this.#core.calls.call('leaseRevoke', { ID: leaseId(id) }, plan, settings);
    } catch (error) {
      if (!(error instanceof LeaseError) || error.code !== 'lease_not_found' || !inDoubt) throw error;
    }
  }

  async timeToLive(id: LeaseIdLike, options: CallSettings & { readonly keys?: boolean } = {}): Promise<TimeToLive> {
    const { keys = false, ...settings } = options;
    const { namespace } = this.#core;
    const request = { ID: leaseId(id), keys };
    const answer = await this.#core.calls.call('leaseTimeToLive', request, { kind: 'read' }, settings);
    return {
      id: answer.ID,
      ttl: answer.TTL,
      grantedTtl: answer.grantedTTL,
      keys: answer.keys.filter((key) => isWithin(key, namespace)).map((key) => withoutNamespace(key, namespace)),
    };
  }

  /** Ids of all leases there are. */
  async leases(settings: CallSettings = {}): Promise<readonly bigint[]> {
    const answer = await this.#core.calls.call('leaseLeases', {}, { kind: 'read' }, settings);
    return answer.leases.map(({ ID }) => ID);
  }

  /** Positive, 63 bits: two clients do not choose alike. */
  #newId(): bigint {
    const { clock } = this.#core;
    const part = (bits: number): bigint => BigInt(Math.floor(clock.random() * 2 ** bits));
    return (part(31) << 32n) | part(32) || 1n;
  }
}
