/**
 * One lease that is kept alive, and those who want it kept: what is known of it, and until when it is safe. The safe deadline only ever
 * moves on, is compared on both clocks, and is no timer. Owns no schedule; the renewer does.
 */
import { type Clock, elapsedMs, type Instant } from '../clock.ts';
import { LeaseError } from '../errors.ts';
import { marginMs } from './timing.ts';

/** A sending of renewals. Sendings are numbered, so that an answer to one from before can be told from the one that is waited for. */
export interface Burst {
  readonly number: number;
  /** Read right before it was written. */
  readonly sent: Instant;
}

/** An answer: the lease is alive. */
export interface Renewed {
  readonly id: bigint;
  /** Milliseconds that the lease lives at least, from when the renewal was sent. etcd counts in whole seconds. */
  readonly ttlMs: number;
}

/**
 * Why a lease is no longer held. `expired`, `revoked`: a member said that it is gone, when its time was over or before that.
 * `unreachable`: its time is over for all that is known here, as no member answered. `closed`: it was let go on this side.
 */
export type LostReason = 'expired' | 'revoked' | 'unreachable' | 'closed';

/** How it ended; the cause is what the stream failed with last, if that is why. */
export interface LeaseEnd {
  readonly reason: LostReason;
  readonly cause?: LeaseError | undefined;
}

/** Somebody who wants a lease kept. Neither may throw. */
export interface Keeper {
  renewed(answer: Renewed, burst: Burst): void;
  /** It is over; nothing comes after. */
  ended(end: LeaseEnd): void;
}

export class Kept {
  readonly id: bigint;
  readonly keepers: Keeper[] = [];
  /** Answers to sendings before this one were meant for an earlier life of the id. */
  readonly fromBurst: number;
  /** When it was taken up, in monotonic ms. */
  readonly since: Instant;
  /** How long the first answer may take where the TTL is not known. */
  patienceMs: number;
  /** Of the last sending that was answered, or of the grant; undefined until there was one. */
  #sent: Instant | undefined;
  /** 0 until it is known. */
  ttlMs = 0;
  /** Counts from `#sent`. */
  #safeMs = 0;
  /** A point of its phase, in monotonic ms: when its next renewal falls due. */
  dueMs = 0;
  /** The slots it stands in; undefined where it stands in none. */
  renewalSlot: number | undefined;
  deadlineSlot: number | undefined;
  /** Somebody waits for the answer to this sending or a later one; 0 if nobody does. */
  wantedFrom = 0;
  over = false;

  constructor(id: bigint, since: Instant, patienceMs: number, fromBurst: number) {
    this.id = id;
    this.since = since;
    this.patienceMs = patienceMs;
    this.fromBurst = fromBurst;
  }

  /** Whether a member has ever said that there is such a lease. */
  get known(): boolean {
    return this.#sent !== undefined;
  }

  /** What the last sending was answered with. */
  get answer(): Renewed | undefined {
    return this.known ? { id: this.id, ttlMs: this.ttlMs } : undefined;
  }

  /** A renewal or grant sent then was answered with this TTL. */
  raise(sent: Instant, ttlMs: number): void {
    const safeMs = Math.max(0, ttlMs - marginMs(ttlMs));
    const endMs = this.#sent === undefined ? Number.NEGATIVE_INFINITY : this.#sent.monotonicMs + this.#safeMs;
    this.ttlMs = ttlMs;
    if (sent.monotonicMs + safeMs < endMs) return;
    this.#sent = sent;
    this.#safeMs = safeMs;
  }

  /** Milliseconds left until the safe deadline, or until patience ends; not positive when it is over. */
  leftMs(clock: Clock): number {
    if (this.#sent === undefined) return this.patienceMs - elapsedMs(clock, this.since);
    return this.#safeMs - elapsedMs(clock, this.#sent);
  }
}

/** What those are told who hold on to a lease that is lost. `name`: the lease, as texts call it. */
export function lostError(name: string, { reason, cause }: LeaseEnd): LeaseError {
  const why = {
    expired: 'its time is over',
    revoked: 'it was revoked',
    unreachable: 'no member renewed it in time, so it may have ended',
    closed: 'it was let go',
  }[reason];
  const text = cause === undefined ? '' : `: ${cause.message}`;
  return new LeaseError('lease_lost', `${name} is lost: ${why}${text}`, cause === undefined ? {} : { cause });
}

export function nameOf(id: bigint, label?: string): string {
  return `lease ${label === undefined ? '' : `${label} `}0x${BigInt.asUintN(64, id).toString(16)}`;
}
