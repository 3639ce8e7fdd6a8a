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
      const key = `leased/kept/${i}`;
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
  readonly sentMs: number;
  /** From here on a read sees its key, until it ends. */
  readonly thereMs: number;
  floorMs: number;
  /** The latest renewal's answer (the grant's, if there was none). */
  renewedMs: number;
  endedMs: number | undefined;
}

/** Leases with one key each that nobody renews. As they end, new ones take their places, so that every fault meets as many. */
export class SilentLeases {
  readonly leases: SilentLease[] = [];
  readonly #client: Etcd3;
  readonly #count: number;
  readonly #ttlSecondsOf: () => number;
  #granted = 0;
  #running = true;
  #loop: Promise<void> = Promise.resolve();

  constructor(client: Etcd3, count: number, ttlSecondsOf: () => number) {
    this.#client = client;
    this.#count = count;
    this.#ttlSecondsOf = ttlSecondsOf;
  }

  /** Returns when all of them are there for the first time. */
  async start(): Promise<void> {
    await inParallel(this.#count, 50, () => insist(() => this.#grant()));
    this.#loop = this.#replace();
  }

  /** No new ones from here on. */
  async stop(): Promise<void> {
    this.#running = false;
    await this.#loop;
  }

  get open(): SilentLease[] {
    return this.leases.filter((lease) => lease.endedMs === undefined);
  }

  async #replace(): Promise<void> {
    while (this.#running) {
      const missing = Math.min(this.#count - this.open.length, 50);
      // While nobody leads, a grant or its put fails: that lease is not counted, and others are asked for.
      await inParallel(Math.max(0, missing), 10, () => this.#grant().catch(() => undefined));
      await pause(50);
    }
  }

  async #grant(): Promise<void> {
    const key = `leased/silent/${this.#granted++}`;
    const ttlSeconds = this.#ttlSecondsOf();
    const sentMs = nowMs();
    const id = await this.#client.lease(ttlSeconds, { autoKeepAlive: false }).grant();
    const answeredMs = nowMs();
    await this.#client.put(key).value('x').lease(id).exec();
    const floorMs = sentMs + 1_000 * ttlSeconds;
    const thereMs = nowMs();
    this.leases.push({ key, id, ttlSeconds, sentMs, thereMs, floorMs, renewedMs: answeredMs, endedMs: undefined });
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
