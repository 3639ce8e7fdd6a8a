/**
 * Many watchers of the same keys, puts at a steady rate: how many events reach them in a second, how late, and what an event costs the
 * members. The load's own share is not small: it decodes every response on the same machine.
 */
import { numberOf } from '../../src/rpc/int64.ts';
import { wire } from '../../src/rpc/messages.ts';
import { type ProcessCluster, pause } from '../../test/cluster/processes.ts';
import { Line } from './client.ts';
import { cpuSeconds, progress, quantile, type Row } from './row.ts';

export interface FanoutOptions {
  /** In all, on `streams` streams, over all members. */
  readonly watchers: number;
  readonly streams: number;
  readonly putsPerSecond: number;
  readonly seconds: number;
}

const prefix = 'bench/watched/';
/** Whoever has not heard by then has missed it. */
const stragglersMsMax = 30_000;

export async function watchFanout(cluster: ProcessCluster, options: FanoutOptions): Promise<Row> {
  const { watchers, streams, putsPerSecond, seconds } = options;
  const lines = cluster.endpoints.map((endpoint) => new Line(endpoint));
  const puts = Math.max(1, Math.round(putsPerSecond * seconds));
  const lateMs = new Float64Array(puts * watchers);
  const sentMs = new Float64Array(puts);
  let seen = 0;
  let responses = 0;
  try {
    const opened = Array.from({ length: streams }, (_, stream) => {
      const mine = Math.floor(watchers / streams) + (stream < watchers % streams ? 1 : 0);
      return openWatchers(
        lines[stream % lines.length] as Line,
        mine,
        (put, nowMs) => {
          lateMs[seen++] = nowMs - (sentMs[put] as number);
        },
        () => responses++,
      );
    });
    await Promise.all(opened);
    progress(`${watchers} watchers on ${streams} streams`);

    const cpuBefore = cpuSeconds(cluster.members);
    const startMs = performance.now();
    const answers: Promise<unknown>[] = [];
    for (let put = 0; put < puts; put++) {
      const dueMs = startMs + (put * 1_000) / putsPerSecond;
      if (dueMs > performance.now()) await pause(dueMs - performance.now());
      sentMs[put] = performance.now();
      const request = wire.PutRequest.encode({
        key: Buffer.from(`${prefix}${put % 100}`),
        value: Buffer.from(String(put).padEnd(100)),
      });
      answers.push((lines[put % lines.length] as Line).call('/etcdserverpb.KV/Put', request));
    }
    await Promise.all(answers);
    const endMs = performance.now() + stragglersMsMax;
    while (seen < puts * watchers && performance.now() < endMs) await pause(5);
    const took = (performance.now() - startMs) / 1_000;
    const cpu = cpuSeconds(cluster.members) - cpuBefore;
    const sorted = lateMs.subarray(0, seen).sort();
    return {
      road: `watch-fanout: ${watchers} watchers on ${streams} streams, ${putsPerSecond} puts a second, ${cluster.members.length} members`,
      figures: {
        puts,
        events: seen,
        missing: puts * watchers - seen,
        responses,
        eventsPerSecond: seen / took,
        lateMsMedian: quantile(sorted, 0.5),
        lateMsP99: quantile(sorted, 0.99),
        lateMsMax: quantile(sorted, 1),
        memberCpuMicrosPerEvent: (cpu * 1e6) / Math.max(1, seen),
        memberCores: cpu / took,
      },
    };
  } finally {
    for (const line of lines) line.close();
  }
}

/** Opens a stream with so many watchers; resolves when all are there. */
function openWatchers(
  line: Line,
  count: number,
  heard: (put: number, nowMs: number) => void,
  responded: () => void,
): Promise<void> {
  const stream = line.stream('/etcdserverpb.Watch/Watch');
  const key = Buffer.from(prefix);
  const rangeEnd = Buffer.from(prefix);
  rangeEnd[rangeEnd.length - 1] = (rangeEnd[rangeEnd.length - 1] as number) + 1;
  let created = 0;
  const next = new Map<number, number>();
  return new Promise((resolve, reject) => {
    stream.on('error', reject);
    stream.on('data', (bytes: Uint8Array) => {
      const nowMs = performance.now();
      const answer = wire.WatchResponse.decode(bytes);
      const id = numberOf(answer.watchId);
      if (answer.created && ++created === count) resolve();
      if (answer.events.length > 0) responded();
      for (const { kv } of answer.events) {
        const revision = numberOf(kv?.modRevision ?? 0);
        if (revision <= (next.get(id) ?? 0)) throw new Error(`watcher ${id} is told of revision ${revision} again`);
        next.set(id, revision);
        heard(Number(Buffer.from(kv?.value ?? []).toString('latin1')), nowMs);
      }
    });
    for (let at = 0; at < count; at++) stream.write(wire.WatchRequest.encode({ createRequest: { key, rangeEnd } }));
    if (count === 0) resolve();
  });
}
