/**
 * Many leases with a key each fall due together: how late each is gone, and that none is early. A lease is due its TTL after its last
 * renewal was *answered*; it would be early before its TTL since that renewal was *sent*.
 */
import { wire } from '../../src/rpc/messages.ts';
import { type ProcessCluster, pause } from '../../test/cluster/processes.ts';
import { inFlight, keyPrefix, Line, renewOn } from './client.ts';
import { progress, quantile, type Row, residentMib } from './row.ts';

/** A delete event's number (mvccpb.Event.EventType). */
const deleteEvent = 1;
const renewalStreams = 16;
const renewalWindow = 64;
const beyondMsMax = 2_000;

interface Options {
  readonly leases: number;
  readonly ttlSeconds: number;
}

export async function massExpiry(cluster: ProcessCluster, { leases, ttlSeconds }: Options): Promise<Row> {
  const lines = cluster.endpoints.map((endpoint) => new Line(endpoint));
  const lineOf = (n: number): Line => lines[n % lines.length] as Line;
  const sentMs = new Float64Array(leases);
  const answeredMs = new Float64Array(leases);
  const goneMs = new Float64Array(leases);
  try {
    const prefill = performance.now();
    await inFlight(leases, 200, async (n) => {
      await lineOf(n).grant(n, ttlSeconds);
      await lineOf(n).putLeased(n);
      if (n % 1_000 === 999) progress(`granted ${n + 1} leases with a key each`, n + 1 === leases);
    });
    const prefillSeconds = (performance.now() - prefill) / 1_000;

    let left = leases;
    const watch = await deletesSeen(lineOf(0), (n, ms) => {
      if (goneMs[n] !== 0) throw new Error(`the key of lease ${n} was deleted twice`);
      goneMs[n] = ms;
      left--;
    });
    const renewSeconds = await renewAll(lines, leases, sentMs, answeredMs);
    if (left !== leases) throw new Error('leases ended before they were renewed: use a longer --ttl');
    progress(`renewed all in ${renewSeconds.toFixed(1)} s; now silence for ${ttlSeconds} s`);

    const lastDueMs = Math.max(...chunkMaxima(answeredMs)) + ttlSeconds * 1_000;
    const giveUpMs = lastDueMs + 300_000;
    while (left > 0 && performance.now() < giveUpMs) {
      await pause(100);
      progress(`${left} leases left`, left === 0);
    }
    watch.cancel();
    const figures = lags(sentMs, answeredMs, goneMs, ttlSeconds * 1_000);
    const rss = Math.max(...cluster.members.map((member) => residentMib(member.pid)));
    return {
      road: `mass-expiry: ${leases} leases, TTL ${ttlSeconds} s, ${cluster.members.length} members`,
      figures: { leases, notGone: left, ...figures, prefillSeconds, renewSeconds, largestRssMib: rss },
      checks: [
        { name: 'all are gone, none early', ok: left + figures.early === 0, seen: left + figures.early },
        {
          name: `none is gone later than ${beyondMsMax} ms after its deadline`,
          ok: figures.beyondMarginMsMax <= beyondMsMax,
          seen: figures.beyondMarginMsMax,
        },
      ],
    };
  } finally {
    for (const line of lines) line.close();
  }
}

async function renewAll(
  lines: readonly Line[],
  leases: number,
  sentMs: Float64Array,
  answeredMs: Float64Array,
): Promise<number> {
  const startMs = performance.now();
  let next = 0;
  const streams = Array.from({ length: renewalStreams }, (_, i) =>
    renewOn(
      lines[i % lines.length] as Line,
      renewalWindow,
      () => (next < leases ? next++ : undefined),
      (renewal) => {
        if (renewal.ttlSeconds <= 0) throw new Error(`lease ${renewal.n} was gone when it was renewed`);
        sentMs[renewal.n] = renewal.sentMs;
        answeredMs[renewal.n] = renewal.answeredMs;
      },
    ),
  );
  await Promise.all(streams);
  if (answeredMs.some((ms) => ms === 0)) throw new Error('a renewal was not answered');
  return (performance.now() - startMs) / 1_000;
}

/** Watches the prefix; resolves when the watcher is there. */
function deletesSeen(line: Line, seen: (n: number, ms: number) => void): Promise<{ cancel(): void }> {
  const stream = line.stream('/etcdserverpb.Watch/Watch');
  const rangeEnd = Buffer.from(keyPrefix);
  rangeEnd[rangeEnd.length - 1] = (rangeEnd[rangeEnd.length - 1] as number) + 1;
  const createRequest = { key: Buffer.from(keyPrefix), rangeEnd };
  return new Promise((resolve, reject) => {
    stream.on('error', reject);
    stream.on('data', (bytes: Uint8Array) => {
      const ms = performance.now();
      const answer = wire.WatchResponse.decode(bytes);
      if (answer.created) resolve({ cancel: () => stream.cancel() });
      for (const event of answer.events) {
        if (event.type !== deleteEvent) continue;
        const key = Buffer.from(event.kv?.key ?? []).toString('latin1');
        seen(Number(key.slice(keyPrefix.length)), ms);
      }
    });
    stream.write(wire.WatchRequest.encode({ createRequest }));
  });
}

interface Lags {
  readonly early: number;
  readonly lateMsMedian: number;
  readonly lateMsP99: number;
  readonly lateMsMax: number;
  readonly beyondMarginMsMax: number;
}

/** How long after its due moment each lease was gone; with the margin ρ of 1/500 that a lease lives longer on purpose, and without. */
function lags(sent: Float64Array, answered: Float64Array, gone: Float64Array, ttlMs: number): Lags {
  const late: number[] = [];
  let early = 0;
  for (let n = 0; n < gone.length; n++) {
    const goneMs = gone[n] as number;
    if (goneMs === 0) continue;
    if (goneMs < (sent[n] as number) + ttlMs) early++;
    late.push(goneMs - (answered[n] as number) - ttlMs);
  }
  const sorted = Float64Array.from(late).sort();
  const slowest = quantile(sorted, 1);
  return {
    early,
    lateMsMedian: quantile(sorted, 0.5),
    lateMsP99: quantile(sorted, 0.99),
    lateMsMax: slowest,
    beyondMarginMsMax: slowest - ttlMs / 500,
  };
}

/** `Math.max` takes some 100,000 arguments and no more. */
function chunkMaxima(column: Float64Array): number[] {
  const maxima: number[] = [];
  for (let at = 0; at < column.length; at += 10_000) maxima.push(Math.max(...column.subarray(at, at + 10_000)));
  return maxima;
}
