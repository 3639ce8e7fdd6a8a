/**
 * A process that does with the library what users do, over and over, then says what is left of it. Told what to do by its argument, as JSON;
 * answers with one line of JSON on stdout.
 */
import { createHook } from 'node:async_hooks';
import { getEventListeners } from 'node:events';
import { Client, LeaseError } from '../../src/client/client.ts';

interface Told {
  readonly endpoints: readonly string[];
  /** Cycles with these endpoints; they are counted among the first and the last tenth, and between. */
  readonly cycles: number;
}

/** What was there, by kind. */
type Left = Readonly<Record<string, number>>;

export interface Said {
  /** What keeps the process going, before the first client and after the last. */
  readonly resourcesBefore: Left;
  readonly resourcesAfter: Left;
  readonly handlesBefore: number;
  readonly handlesAfter: number;
  /** Timers that wait, those that keep nobody waiting included. */
  readonly timersBefore: number;
  readonly timersAfter: number;
  /** MiB after a collection, when a tenth of the cycles were over, two tenths, … */
  readonly heapMib: readonly number[];
  /** Listeners on the signal that outlives all clients, and on the lease and the session of a client that lives long. */
  readonly listeners: Left;
  /** Answers and errors that cycles came to, by kind and code; so that the test knows that they did what they are for. */
  readonly outcomes: Left;
  readonly unhandled: readonly string[];
}

const inFlight = 10;
const ttl = '2s';
const { endpoints, cycles } = JSON.parse(process.argv[2] ?? '') as Told;
const unreachable = process.argv[3] === 'unreachable';

const timers = new Set<number>();
createHook({
  init: (id, type) => {
    if (type === 'Timeout') timers.add(id);
  },
  destroy: (id) => {
    timers.delete(id);
  },
}).enable();

const unhandled: string[] = [];
process.on('unhandledRejection', (reason) => unhandled.push((reason as Error)?.stack ?? String(reason)));
process.on('warning', (warning) => unhandled.push(String(warning)));

const outcomes: Record<string, number> = {};
const count = (name: string): void => {
  outcomes[name] = (outcomes[name] ?? 0) + 1;
};

/** A signal of a user's that outlives all that it is given to. */
const { signal } = new AbortController();
const timeout = unreachable ? 60 : 20_000;
const how = { signal, timeout } as const;

const gc = (globalThis as unknown as { gc(): void }).gc;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** What comes of a step: an error of the library's is an outcome, any other a mistake. */
async function ask(name: string, step: () => PromiseLike<unknown>): Promise<void> {
  try {
    await step();
    count(`${name} ok`);
  } catch (error) {
    if (!(error instanceof LeaseError)) throw error;
    count(`${name} ${error.code}`);
  }
}

/** What users do with a client; `n` tells names apart. Each is used on clients of its own and on one that lives long. */
const deeds: readonly (readonly [name: string, deed: (client: Client, n: number) => Promise<unknown>])[] = [
  ['nothing', () => Promise.resolve()],
  ['lease closed', async (client) => (await client.lease({ ttl, ...how })).close()],
  [
    'lease with listeners revoked',
    async (client) => {
      const lease = await client.lease({ ttl, ...how });
      lease.addEventListener('lost', () => count('told lost'));
      lease.signal.addEventListener('abort', () => count('told by signal'));
      await lease.revoke(how);
    },
  ],
  ['lease left to the client', (client) => client.lease({ ttl, ...how })],
  [
    'watch read and closed',
    async (client, n) => {
      const watch = client.watch(`w${n}`, { signal });
      await watch.started();
      await client.put(`w${n}`, 'v', how);
      for await (const _ of watch) break;
    },
  ],
  ['watch closed at once', async (client, n) => client.watch(`w${n}`, { signal }).close()],
  ['watch left to the client', async (client, n) => void client.watch(`w${n}`, { signal })],
  ['view closed', async (client, n) => (await client.view({ prefix: `w${n}` }, undefined, how)).close()],
  ['lock released', (client, n) => client.lock(`l${n}`, { ttl, ...how }, () => count('under the lock'))],
  ['lock left to the client', (client, n) => client.lock(`l${n}`, { ttl, ...how })],
  [
    'lock waited for in vain',
    async (client, n) => {
      await using _ = await client.lock(`l${n}`, { ttl, ...how });
      const stop = new AbortController();
      const waiting = client.lock(`l${n}`, { ttl, signal: stop.signal });
      // It may reject in that turn, before it is waited for below.
      waiting.catch(() => {});
      await turn();
      stop.abort();
      await waiting;
    },
  ],
  [
    'election won and left',
    async (client, n) => {
      for await (const term of client.election(`e${n}`, { ttl }).campaign('me', { signal })) {
        if (term.held()) break;
      }
    },
  ],
  [
    'session closed',
    async (client, n) => {
      const session = await client.session({ ttl, ...how });
      session.signal.addEventListener('abort', () => count('session told'));
      await client.tryLock(`s${n}`, { session, ...how });
      await session.close(how);
    },
  ],
  ['registration closed', async (client, n) => (await client.register(`r${n}`, 'v', { ttl, ...how })).close()],
  [
    'keepAlive left and revoked',
    async (client) => {
      const { id } = await client.grant(ttl, how);
      for await (const _ of client.keepAlive(id, how)) break;
      await client.keepAliveOnce(id, how);
      await client.revoke(id, how);
    },
  ],
  [
    'keepAlive left to the client',
    async (client) => {
      const { id } = await client.grant(ttl, how);
      void ask('keepAlive left', async () => {
        for await (const _ of client.keepAlive(id, how));
      });
    },
  ],
  [
    'keepAlive of no lease',
    async (client, n) => {
      for await (const _ of client.keepAlive(BigInt(n + 1), how)) break;
    },
  ],
];

/** Deeds that wait for as long as there is no member, whatever the timeout: for them the client is closed meanwhile. */
const patient = new Set(['watch read and closed', 'election won and left', 'lock waited for in vain']);

async function cycle(n: number, shared: Client | undefined): Promise<void> {
  const [name, deed] = deeds[n % deeds.length] as (typeof deeds)[number];
  const round = Math.floor(n / deeds.length) % 4;
  if (round === 3 && shared !== undefined && !name.endsWith('left to the client')) {
    await ask(name, () => deed(shared, n));
    return;
  }
  const client = new Client({
    endpoints,
    prefer: round === 0 ? 'leader' : 'any',
    discover: round === 0 && !unreachable,
  });
  // In every other round the client is closed while the deed is being done.
  const doing = ask(round === 1 ? `${name}, cut short` : name, () => deed(client, n));
  if (round === 1 || (unreachable && patient.has(name))) for (let turns = n % 23; turns >= 0; turns--) await turn();
  else await doing;
  await client.close();
  await doing;
}

function kinds(): Left {
  const found: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) found[kind] = (found[kind] ?? 0) + 1;
  return found;
}

const handles = (): number => (process as unknown as { _getActiveHandles(): unknown[] })._getActiveHandles().length;

/** Waits until no more is there than before, for a bounded time. */
async function settled(before: Left, timersBefore: number): Promise<void> {
  const endMs = performance.now() + 10_000;
  const more = (): boolean =>
    timers.size > timersBefore || Object.entries(kinds()).some(([kind, left]) => left > (before[kind] ?? 0));
  while (more() && performance.now() < endMs) await turn();
}

async function main(): Promise<Said> {
  await turn();
  const resourcesBefore = kinds();
  const handlesBefore = handles();
  const timersBefore = timers.size;
  const shared = unreachable ? undefined : new Client({ endpoints });
  const session = await shared?.session({ ttl: '60s' });
  const lease = await shared?.lease({ ttl: '60s' });
  const heapMib: number[] = [];
  let n = 0;
  for (let tenth = 1; tenth <= 10; tenth++) {
    const lane = async (): Promise<void> => {
      while (n < (cycles * tenth) / 10) {
        const at = n++;
        await cycle(at, shared);
        if (session !== undefined && at % 5 === 0)
          await ask('lock in the session', () => (shared as Client).lock(`x${at}`, { session }, () => undefined));
      }
    };
    await Promise.all(Array.from({ length: inFlight }, lane));
    // What closing left to the event loop: sockets, and what waits for their end.
    for (let turns = 0; turns < 200; turns++) await turn();
    gc();
    await turn();
    gc();
    heapMib.push(process.memoryUsage().heapUsed / 2 ** 20);
  }
  const listeners = {
    leaseLost: lease === undefined ? 0 : getEventListeners(lease, 'lost').length,
    leaseSignal: lease === undefined ? 0 : getEventListeners(lease.signal, 'abort').length,
    sessionLost: session === undefined ? 0 : getEventListeners(session.lease, 'lost').length,
    sessionSignal: session === undefined ? 0 : getEventListeners(session.signal, 'abort').length,
  };
  await lease?.close();
  await session?.close();
  await shared?.close();
  await settled(resourcesBefore, timersBefore);
  const onSignal = getEventListeners(signal, 'abort').length;
  return {
    ...{
      resourcesBefore,
      handlesBefore,
      timersBefore,
      heapMib,
      listeners: { ...listeners, onSignal },
      outcomes,
      unhandled,
    },
    ...{ resourcesAfter: kinds(), handlesAfter: handles(), timersAfter: timers.size },
  };
}

process.stdout.write(`${JSON.stringify(await main())}\n`);
