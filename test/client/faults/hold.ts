/** Something held by a client's process, as its user sees it, and the ways to come by it. */
import type { Client, Held } from '../../../src/client/client.ts';
import { type Clock, sleep } from '../../../src/client/clock.ts';
import type { Lease } from '../../../src/client/lease/lease.ts';
import type { Kind } from './plan.ts';

export interface Hold {
  readonly token: bigint;
  /** What the cluster counts, in ms. */
  readonly ttlMs: number;
  held(): boolean;
  /** Reading it compares clocks. */
  readonly signal: AbortSignal;
  /** As it was read when the hold began: a timer aborts it. */
  readonly timed: AbortSignal;
  /** Throws if it is not held. */
  readonly guard: unknown;
  /** Gives it back, one way or another; `way` in [0, 1) picks one. */
  release(way: number): Promise<void>;
}

/** What is competed for. All keys of the queue begin with `${name}/`. */
export const name = 'faults';

/** Who wants to hold, and until when. */
export interface Wish {
  readonly client: Client;
  readonly clock: Clock;
  readonly ttlMs: number;
  readonly stop: AbortSignal;
}

/** By a key that is created if it is not there, under a lease: what one does who has no locks. Undefined: told to stop. */
async function bareHold({ client, clock, ttlMs, stop }: Wish): Promise<Hold | undefined> {
  const lease = await client.lease({ ttl: ttlMs, signal: stop });
  const key = `${name}/bare`;
  try {
    while (!stop.aborted && lease.held()) {
      const made = await client
        .txn()
        .if((c) => c.key(key).missing())
        .then((t) => t.put(key, 'held', { lease }))
        .commit({ signal: stop });
      if (made.succeeded) return holdOf(lease, made.revision, key);
      await sleep(clock, 100 + 200 * clock.random(), stop);
    }
  } catch (error) {
    // The key may have come to be.
    await lease.close();
    throw error;
  }
  await lease.close();
  return undefined;
}

/** By a lock, under a session of the client's own or one that is brought. */
async function lockHold({ client, clock, ttlMs, stop }: Wish): Promise<Hold | undefined> {
  if (clock.random() < 0.5) {
    const held = await client.lock(name, { ttl: ttlMs, signal: stop });
    return heldHold(held, ttlMs, () => held.release());
  }
  const session = await client.session({ ttl: ttlMs, signal: stop });
  try {
    const held = await client.lock(name, { session, signal: stop });
    return heldHold(held, ttlMs, async (way) => {
      if (way < 0.7) await held.release().finally(() => session.close());
      else await session.close();
    });
  } catch (error) {
    await session.close();
    throw error;
  }
}

/** By leading for one term. */
async function electionHold({ client, ttlMs, stop }: Wish): Promise<Hold | undefined> {
  const campaign = client.election(name, { ttl: ttlMs }).campaign('leads', { signal: stop });
  const { value: term } = await campaign.next();
  if (term === undefined) return undefined;
  return heldHold(term, ttlMs, async (way) => {
    if (way < 0.5) await term.resign().finally(() => campaign.close());
    else await campaign.close();
  });
}

/** By what is competed for. */
export const waysToHold: Readonly<Record<Kind, (wish: Wish) => Promise<Hold | undefined>>> = {
  bare: bareHold,
  lock: lockHold,
  election: electionHold,
};

function heldHold(held: Held, ttlMs: number, release: (way: number) => Promise<void>): Hold {
  return {
    token: held.token,
    ttlMs,
    held: () => held.held(),
    get signal() {
      return held.signal;
    },
    timed: held.signal,
    get guard() {
      return held.guard;
    },
    release,
  };
}

function holdOf(lease: Lease, token: bigint, key: string): Hold {
  return {
    token,
    ttlMs: lease.ttl,
    held: () => lease.held(),
    get signal() {
      return lease.signal;
    },
    timed: lease.signal,
    get guard() {
      return lease.guard(key);
    },
    release: async (way) => {
      if (way < 0.4) await lease.revoke();
      else if (way < 0.8) await lease.close();
      else await lease.detach();
    },
  };
}
