/**
 * What clients do while a real cluster is being hurt, with npm's etcd3, unmodified: leases kept alive, leases that nobody renews,
 * and a stream of puts. Everything is dated on this host's one monotonic clock, before it is sent.
 */
import { Etcd3, type Lease } from 'etcd3';
import { pause } from './processes.ts';

export const nowMs = (): number => performance.now();

/** Leases with one key each, renewed by etcd3's own timers. None of them may ever end. */
export class KeptLeases {
  readonly keys: string[] = [];
  readonly losses: string[] = [];
  renewals = 0;
  readonly #leases: Lease[] = [];

  async start(client: Etcd3, count: number, ttlSeconds: number): Promise<void> {
    await inParallel(count, 50, async (i) => {
      const lease = client.lease(ttlSeconds, { autoKeepAlive: true });
      const key = `kept/${i}`;
      lease.on('keepaliveSucceeded', () => this.renewals++);
      lease.on('lost', (error) => this.losses.push(`${key} at ${nowMs().toFixed(0)}: ${error.message}`));
      await insist(() => lease.put(key).value('x').exec());
      this.#leases.push(lease);
      this.keys.push(key);
    });
  }

  release(): void {
    for (const lease of this.#leases) lease.release();
  }
}

/** A lease that nobody renews by itself; `floorMs` is the earliest it may end. */
export interface SilentLease {
  readonly key: string;
  readonly id: string;
  readonly ttlSeconds: number;
  readonly grantedMs: number;
  floorMs: number;
  /** The latest renewal's answer (the grant's, if there was none). */
  renewedMs: number;
  endedMs: number | undefined;
}

export class SilentLeases {
  readonly leases: SilentLease[] = [];

  async start(client: Etcd3, count: number, ttlSecondsOf: (i: number) => number): Promise<void> {
    await inParallel(count, 50, async (i) => {
      const ttlSeconds = ttlSecondsOf(i);
      const sentMs = nowMs();
      const lease = client.lease(ttlSeconds, { autoKeepAlive: false });
      const id = await lease.grant();
      const answeredMs = nowMs();
      const key = `silent/${i}`;
      await insist(() => client.put(key).value('x').lease(id).exec());
      const floorMs = sentMs + 1_000 * ttlSeconds;
      this.leases.push({
        key,
        id,
        ttlSeconds,
        grantedMs: answeredMs,
        floorMs,
        renewedMs: answeredMs,
        endedMs: undefined,
      });
    });
  }

  get open(): SilentLease[] {
    return this.leases.filter((lease) => lease.endedMs === undefined);
  }
}

/** Unique keys, one after the other on several lanes; what was acknowledged must be there at the end. */
export class PutStream {
  readonly acknowledged: string[] = [];
  unknown = 0;
  #markMs = Number.POSITIVE_INFINITY;
  #afterMark: number | undefined;
  #running = true;
  #lanes: Promise<void>[] = [];

  /** From now on `afterMark` is when a put that was *sent* later was first acknowledged: one on its way proves nothing. */
  mark(): number {
    this.#markMs = nowMs();
    this.#afterMark = undefined;
    return this.#markMs;
  }

  /** Waits for it. */
  async afterMark(limitMs = 60_000): Promise<number> {
    const endMs = nowMs() + limitMs;
    while (this.#afterMark === undefined) {
      if (nowMs() > endMs) throw new Error(`no write succeeded for ${limitMs} ms`);
      await pause(5);
    }
    return this.#afterMark;
  }

  start(client: Etcd3, lanes: number): void {
    for (let lane = 0; lane < lanes; lane++) this.#lanes.push(this.#run(client, lane));
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#lanes);
  }

  async #run(client: Etcd3, lane: number): Promise<void> {
    for (let n = 0; this.#running; n++) {
      const key = `put/${lane}/${n}`;
      const sentMs = nowMs();
      try {
        await client.put(key).value('y');
        this.acknowledged.push(key);
        if (sentMs > this.#markMs) this.#afterMark ??= nowMs();
      } catch {
        this.unknown++;
        await pause(20);
      }
    }
  }
}

/**
 * Reads all keys of a prefix again and again, linearizably. A key that is missing from an answer had ended by the time the answer
 * came; one that is in it had not ended when the read was sent.
 */
export class KeyWatch {
  readonly #client: Etcd3;
  readonly #prefix: string;
  readonly #seen: (keys: ReadonlySet<string>, sentMs: number, receivedMs: number) => void;
  #running = true;
  readonly #loop: Promise<void>;
  reads = 0;

  constructor(
    client: Etcd3,
    prefix: string,
    seen: (keys: ReadonlySet<string>, sentMs: number, receivedMs: number) => void,
  ) {
    this.#client = client;
    this.#prefix = prefix;
    this.#seen = seen;
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#loop;
  }

  async #run(): Promise<void> {
    while (this.#running) {
      const sentMs = nowMs();
      try {
        const keys = await this.#client.getAll().prefix(this.#prefix).keys();
        this.reads++;
        this.#seen(new Set(keys), sentMs, nowMs());
      } catch {
        // No answer says nothing; the next read follows.
      }
      await pause(50);
    }
  }
}

/** A client on `endpoints` that gives up on a member soon and goes on to the next one. */
export function clientOf(endpoints: readonly string[]): Etcd3 {
  return new Etcd3({
    hosts: [...endpoints],
    dialTimeout: 2_000,
    defaultCallOptions: ({ isStream }) => (isStream ? {} : { deadline: Date.now() + 8_000 }),
  });
}

/** For setting up: tries again until it works, a bounded number of times. */
export async function insist<T>(step: () => PromiseLike<T>, tries = 150): Promise<T> {
  const seen = new Set<string>();
  for (let left = tries; ; left--) {
    try {
      return await step();
    } catch (error) {
      seen.add(String(error));
      if (left <= 1) throw new Error(`gave up after ${tries} tries: ${[...seen].join(' | ')}`);
      await pause(100);
    }
  }
}

async function inParallel(count: number, lanes: number, step: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: Math.min(lanes, count) }, async () => {
      while (next < count) await step(next++);
    }),
  );
}
