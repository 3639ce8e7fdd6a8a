/** One measured stretch of load, as it is asked for: what is called, on whom, in which shape. */
import { Connection } from './connection.ts';
import type { Load } from './loop.ts';
import { type Measured, Meter, type Told } from './meter.ts';
import { type Prepared, prepared } from './prepared.ts';
import { ShortStreams, Streams } from './stream-loops.ts';
import { ClosedLoop, FixedRate } from './unary-loops.ts';
import { watchLoad } from './watch-loop.ts';

export interface Part {
  readonly kind:
    | 'grant'
    | 'putLease'
    | 'lock'
    | 'revoke'
    | 'timeToLive'
    | 'range'
    | 'rangeSerializable'
    | 'keepAlive'
    | 'keepAliveOnce'
    | 'watch';
  /** `host:port` of those who are asked; connections are spread over them. */
  readonly endpoints: readonly string[];
  readonly connections: number;
  /** Who call at the same time; the streams of `keepAlive`; those who put of `watch`. */
  readonly clients: number;
  /** Requests on the way on each stream of `keepAlive`. */
  readonly window?: number;
  /** Instead of clients that wait: so many calls a second. */
  readonly perSecond?: number;
  readonly watchers?: number;
  /** Made before; for `revoke`: as many as are revoked at most. */
  readonly leases?: number;
  /** Unmeasured, before the measuring. */
  readonly warmSeconds: number;
  readonly seconds: number;
  /** Whose CPU is counted. */
  readonly pids: readonly number[];
}

/** Whatever the shape: a member that was started a moment ago should be past its compilers. */
const warmClientsMin = 64;
const watchStreams = 10;
const silentWaitsMax = 300;
const waitMs = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Prepares, warms up, measures. Rejects if the preparation fails; errors of the load itself are counted. */
export async function measure(part: Part): Promise<Measured> {
  const connections = Array.from(
    { length: part.connections },
    (_, n) => new Connection(part.endpoints[n % part.endpoints.length] as string),
  );
  try {
    await Promise.all(connections.map(({ ready }) => ready));
    const meter = new Meter(part.pids.map((pid) => ({ pid })));
    const prefix = `bench/${process.pid.toString(36)}.${Math.round(performance.now()).toString(36)}/`;
    const asked = await prepared(part, connections, prefix);
    if (part.kind !== 'keepAlive' && part.kind !== 'watch' && part.clients < warmClientsMin) {
      const warm = loadOf({ ...part, kind: part.kind, clients: warmClientsMin }, meter, connections, asked);
      warm.start();
      await waitMs(part.warmSeconds * 1_000);
      await warm.stop();
    }
    const load =
      part.kind === 'watch'
        ? await watchLoad(meter, connections, Buffer.from(`${prefix}watched/`), {
            watchers: part.watchers ?? 1,
            streams: Math.min(watchStreams, part.watchers ?? 1),
            clients: part.clients,
          })
        : loadOf(part, meter, connections, asked);
    load.start();
    await waitMs(part.warmSeconds * 1_000);
    meter.begin();
    await Promise.race([measuredLongEnough(meter, part.seconds), asked.spent]);
    meter.end();
    await load.stop();
    return meter.result();
  } finally {
    for (const connection of connections) connection.close();
  }
}

/** A stretch in which nothing was answered says nothing: it goes on until something is. */
async function measuredLongEnough(meter: Meter, seconds: number): Promise<void> {
  await waitMs(seconds * 1_000);
  for (let waits = 0; meter.operations === 0 && meter.errors === 0 && waits < silentWaitsMax; waits++)
    await waitMs(100);
}

function loadOf(part: Part, meter: Told, connections: readonly Connection[], asked: Prepared): Load {
  if (part.kind === 'keepAlive') {
    const shape = { streams: part.clients, window: part.window ?? 1 };
    return new Streams(meter, connections, shape, asked.ofStream);
  }
  if (part.kind === 'keepAliveOnce') return new ShortStreams(meter, connections, part.clients, asked);
  if (part.perSecond !== undefined) return new FixedRate(meter, connections, part.perSecond, asked);
  return new ClosedLoop(meter, connections, part.clients, asked);
}
