/**
 * Many leases with a key each fall due together: how late each is gone, and that none is early. A lease is due its TTL after its last
 * renewal was *answered*; it would be early before its TTL since that renewal was *sent*.
 */
import { type ProcessCluster, pause } from '../../test/cluster/processes.ts';
import { Listening } from './load/ask.ts';
import { Connection } from './load/connection.ts';
import { deletedKeys, grantedId, paths, requests } from './load/messages.ts';
import { callAll } from './load/prepared.ts';
import { renewAll } from './mass-renewals.ts';
import { measurePauses, pauseMsMax } from './pauses.ts';
import { progress, quantile, type Row, residentMib } from './row.ts';

/** For each member. */
const connectionsEach = 4;
const keyPrefix = 'bench/mass/';
const value = Buffer.from('x');
/** Of lease number 0; the others count up. */
const firstId = 0x0b3c_0000_0001;
const beyondMsMax = 2_000;

interface Options {
  readonly leases: number;
  readonly ttlSeconds: number;
}

export async function massExpiry(cluster: ProcessCluster, { leases, ttlSeconds }: Options): Promise<Row> {
  const connections = Array.from(
    { length: connectionsEach * cluster.endpoints.length },
    (_, n) => new Connection(cluster.endpoints[n % cluster.endpoints.length] as string),
  );
  const sentMs = new Float64Array(leases);
  const answeredMs = new Float64Array(leases);
  const goneMs = new Float64Array(leases);
  try {
    await Promise.all(connections.map(({ ready }) => ready));
    const prefill = performance.now();
    const grant = (n: number): Buffer => requests.grantAs(ttlSeconds, firstId + n);
    await callAll(connections, paths.grant, grant, leases, (...answer) => grantedId(...answer) !== undefined);
    const key = (n: number): Buffer => Buffer.from(`${keyPrefix}${n}`, 'latin1');
    await callAll(connections, paths.put, (n) => requests.putAs(key(n), value, firstId + n), leases);
    progress(`granted ${leases} leases with a key each`);
    const prefillSeconds = (performance.now() - prefill) / 1_000;

    let left = leases;
    await deletesSeen(connections[0] as Connection, (n, ms) => {
      if (goneMs[n] !== 0) throw new Error(`the key of lease ${n} was deleted twice`);
      goneMs[n] = ms;
      left--;
    });
    const renewSeconds = await renewAll(connections, firstId, sentMs, answeredMs);
    if (left !== leases) throw new Error('leases ended before they were renewed: use a longer --ttl');
    progress(`renewed all in ${renewSeconds.toFixed(1)} s; now silence for ${ttlSeconds} s`);

    const lastDueMs = Math.max(...chunkMaxima(answeredMs)) + ttlSeconds * 1_000;
    const giveUpMs = lastDueMs + 300_000;
    const pausesSince = await measurePauses(cluster.members);
    while (left > 0 && performance.now() < giveUpMs) {
      await pause(100);
      progress(`${left} leases left`, left === 0);
    }
    const pauses = await pausesSince();
    const figures = lags(sentMs, answeredMs, goneMs, ttlSeconds * 1_000);
    const rss = Math.max(...cluster.members.map((member) => residentMib(member.pid)));
    return {
      road: `mass-expiry: ${leases} leases, TTL ${ttlSeconds} s, ${cluster.members.length} members`,
      figures: {
        leases,
        notGone: left,
        ...figures,
        prefillSeconds,
        renewSeconds,
        longestPauseMs: pauses.longestMs,
        loopsCpuMs: pauses.cpuMs,
        loopsWaitedForCpuMs: pauses.waitedMs,
        largestRssMib: rss,
      },
      checks: [
        { name: 'all are gone, none early', ok: left + figures.early === 0, seen: left + figures.early },
        {
          name: `none is gone later than ${beyondMsMax} ms after its deadline`,
          ok: figures.beyondMarginMsMax <= beyondMsMax,
          seen: figures.beyondMarginMsMax,
        },
        {
          name: `no member pauses for more than ${pauseMsMax} ms`,
          ok: pauses.longestMs <= pauseMsMax,
          seen: pauses.longestMs,
        },
      ],
    };
  } finally {
    for (const connection of connections) connection.close();
  }
}

/** Watches the prefix; resolves when the watcher is there. */
function deletesSeen(connection: Connection, seen: (n: number, ms: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const heard = (bytes: Buffer, from: number, to: number, nowMs: number): void => {
      const isThere = deletedKeys(bytes, from, to, (key) => seen(Number(key.slice(keyPrefix.length)), nowMs));
      if (isThere) resolve();
    };
    const stream = new Listening(connection, heard, (text) => reject(new Error(`the watch ended: ${text}`)));
    connection.open(paths.watch, stream);
    connection.send(stream, requests.watch(Buffer.from(keyPrefix), Buffer.from(keyPrefix.replace(/\/$/, '0'))));
    connection.flush();
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
