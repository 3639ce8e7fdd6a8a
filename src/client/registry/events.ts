/** What a registration tells its listeners. */
import type { LostReason } from '../lease/kept.ts';

/**
 * Why a registration is lost, beside the reasons of its lease. `deleted`: the key is gone, and whether somebody deleted
 * it or its lease was not known then; `replaced`: somebody else has put the key. `closed` comes once, at the end; after
 * any other it is registered again.
 */
export type RegistrationLostReason = LostReason | 'deleted' | 'replaced';

/** The key is there again. Not told of the first time: that is when the registration is made. */
export class RegisteredEvent extends Event {
  /** At which it was put. */
  readonly revision: bigint;

  constructor(revision: bigint) {
    super('registered');
    this.revision = revision;
  }
}

export class RegistrationLostEvent extends Event {
  readonly reason: RegistrationLostReason;

  constructor(reason: RegistrationLostReason) {
    super('lost');
    this.reason = reason;
  }
}
