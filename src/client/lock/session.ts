/**
 * A session: one lease that is kept alive and shared by the locks, elections and registrations of a process, so that the cluster has
 * one to renew and not many. Owns the sessions that the client makes itself for those who bring none.
 */
import { unlessAborted } from '../abort.ts';
import { LeaseError } from '../errors.ts';
import type { Lease } from '../lease/lease.ts';
import type { CallSettings } from '../transport/calls.ts';
import { type Duration, durationMs } from '../values.ts';
import { lostError } from './ends.ts';

/** Grants a lease and keeps it alive. */
export type KeepLease = (ttl: Duration, settings: CallSettings) => Promise<Lease>;

export interface SessionOptions extends CallSettings {
  /** How long the cluster waits for a process that no longer renews before it gives away what it holds; 15 s if not given. */
  readonly ttl?: Duration | undefined;
}

export const sessionTtl: Duration = '15s';

/**
 * One kept lease for all that a process holds. Its end is the end of them all: close it, or let it lapse, and every lock and term under
 * it is lost.
 * @example
 * await using session = await client.session({ ttl: '10s' });
 * await client.lock('a', { session }, async () => client.lock('b', { session }, work));
 */
export class Session implements AsyncDisposable {
  /** What it is made of; puts and deletes keys that end with it. */
  readonly lease: Lease;
  #lastSerial = 0n;

  /** Made by `client.session()`. */
  constructor(lease: Lease) {
    this.lease = lease;
  }

  /** The lease's id. */
  get id(): bigint {
    return this.lease.id;
  }

  /** Milliseconds, as granted. */
  get ttl(): number {
    return this.lease.ttl;
  }

  /** Aborts before the cluster can end the lease; its reason is a `LeaseError` with code `lease_lost`. Compares clocks when read. */
  get signal(): AbortSignal {
    return this.lease.signal;
  }

  /** Compares clocks, and waits for nothing: the first question after a pause is answered right. */
  held(): boolean {
    return this.lease.held();
  }

  /** Gives up the lease and with it all that is held under it. Rejects as `client.revoke` does. */
  revoke(settings?: CallSettings): Promise<void> {
    return this.lease.revoke(settings);
  }

  /** As `revoke`, as well as can be done: where it fails, the lease ends by itself when its TTL is over. */
  async close(settings?: CallSettings): Promise<void> {
    await this.revoke(settings).catch(() => {});
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Tells the keys of one session apart: never the same number twice. Inner. */
  nextSerial(): bigint {
    return ++this.#lastSerial;
  }
}

/** A session in use, and what is to be called when it is no longer. */
export interface SessionUse {
  readonly session: Session;
  /** The last use of a session that the client made ends it. Never rejects; only the first call counts. */
  giveBack(settings?: CallSettings): Promise<void>;
  /** The cluster does not know its lease: nobody else is to use it. */
  discard(): void;
}

interface OwnSession {
  readonly made: Promise<Session>;
  session: Session | undefined;
  uses: number;
}

/** The client's own sessions, one per TTL. */
export class Sessions {
  readonly #keep: KeepLease;
  readonly #own = new Map<number, OwnSession>();

  constructor(keep: KeepLease) {
    this.#keep = keep;
  }

  async open({ ttl = sessionTtl, ...settings }: SessionOptions): Promise<Session> {
    return new Session(await this.#keep(ttl, settings));
  }

  /** A given session; else the client's own for that TTL. Rejects with `lease_lost` if the given one is, or with the signal's reason. */
  async use(given: Session | undefined, ttl: Duration | undefined, signal: AbortSignal): Promise<SessionUse> {
    if (given !== undefined) {
      if (ttl !== undefined)
        throw new LeaseError('invalid_argument', 'both session and ttl; a session has its own ttl');
      if (!given.held()) throw lostError(given.signal);
      return givenUse(given);
    }
    const ttlMs = durationMs(ttl ?? sessionTtl, 'ttl');
    const own = this.#ownOf(ttlMs);
    own.uses++;
    try {
      const session = await unlessAborted(own.made, signal);
      return this.#useOf(own, session, ttlMs);
    } catch (error) {
      // If the lease comes all the same, and nobody else waits for it, nobody ever will use it.
      void own.made.then(
        (session) => this.#unused(own, session, ttlMs, undefined),
        () => {},
      );
      throw error;
    }
  }

  #ownOf(ttlMs: number): OwnSession {
    const found = this.#own.get(ttlMs);
    if (found !== undefined && found.session?.held() !== false) return found;
    const made: OwnSession = {
      made: this.#keep(ttlMs, {}).then((lease) => {
        made.session = new Session(lease);
        return made.session;
      }),
      session: undefined,
      uses: 0,
    };
    made.made.catch(() => this.#forget(made, ttlMs));
    this.#own.set(ttlMs, made);
    return made;
  }

  #forget(own: OwnSession, ttlMs: number): void {
    if (this.#own.get(ttlMs) === own) this.#own.delete(ttlMs);
  }

  #useOf(own: OwnSession, session: Session, ttlMs: number): SessionUse {
    let over = false;
    return {
      session,
      giveBack: async (settings) => {
        if (over) return;
        over = true;
        await this.#unused(own, session, ttlMs, settings);
      },
      discard: () => this.#forget(own, ttlMs),
    };
  }

  async #unused(own: OwnSession, session: Session, ttlMs: number, settings: CallSettings | undefined): Promise<void> {
    if (--own.uses > 0) return;
    this.#forget(own, ttlMs);
    await session.close(settings);
  }
}

function givenUse(session: Session): SessionUse {
  return { session, giveBack: async () => {}, discard: () => {} };
}
