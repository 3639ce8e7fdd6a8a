/**
 * Leases that fall due one by one on a cluster that has nothing else to do: how long after its due moment the key of each is seen
 * deleted by a watcher. A lease is due its TTL and TTL/500 (the margin for clocks) after it was granted; counted from the grant's
 * sending, which is too much by the grant's way, and from its answer, which is too little.
 */
import { type ProcessCluster, pause } from '../../test/cluster/processes.ts';
import { Listening, mustAsk } from './load/ask.ts';
import { Connection } from './load/connection.ts';
import { deletedKeys, grantedId, paths, requests } from './load/messages.ts';
import { quantile, type Row } from './row.ts';

/** The shortest that a member takes with its usual election timeout. */
const ttlSeconds = 2;
const dueMs = ttlSeconds * 1_000 * (1 + 1 / 500);
const everyMs = 25;
const lateMsMax = 30;
const giveUpMs = 30_000;
const prefix = 'bench/lag/';

export async function expiryLag(cluster: ProcessCluster, leases: number): Promise<Row> {
  const { endpoint } = await cluster.leader();
  const connection = new Connection(endpoint);
  try {
    await connection.ready;
    const sentMs = new Float64Array(leases);
    const answeredMs = new Float64Array(leases);
    const goneMs = new Float64Array(leases);
    let left = leases;
    const watching = watch(connection, (n, nowMs) => {
      goneMs[n] = nowMs;
      left--;
    });
    await watching.created;
    for (let n = 0; n < leases; n++) {
      sentMs[n] = performance.now();
      const answer = await mustAsk(connection, paths.grant, requests.grant(ttlSeconds));
      answeredMs[n] = performance.now();
      const id = grantedId(answer, 0, answer.length);
      if (id === undefined) throw new Error('a grant was answered without an id');
      await mustAsk(connection, paths.put, requests.put(Buffer.from(`${prefix}${n}`), Buffer.from('v'), id));
      await pause(everyMs);
    }
    const endMs = performance.now() + dueMs + giveUpMs;
    while (left > 0 && performance.now() < endMs) await pause(20);
    if (left > 0) throw new Error(`${left} of ${leases} leases did not end`);
    const late = (from: Float64Array): Float64Array => goneMs.map((ms, n) => ms - (from[n] as number) - dueMs).sort();
    const fromSent = late(sentMs);
    const fromAnswer = late(answeredMs);
    const p99 = quantile(fromSent, 0.99);
    return {
      road: `expiry-lag: ${leases} leases of ${ttlSeconds} s, one every ${everyMs} ms, ${cluster.members.length} members`,
      figures: {
        lateMsMedian: quantile(fromSent, 0.5),
        lateMsP99: p99,
        lateMsMax: quantile(fromSent, 1),
        lateMsMedianFromAnswer: quantile(fromAnswer, 0.5),
        lateMsP99FromAnswer: quantile(fromAnswer, 0.99),
        lateMsMinFromAnswer: quantile(fromAnswer, 0),
      },
      checks: [{ name: `99 % are gone ${lateMsMax} ms after they were due`, ok: p99 <= lateMsMax, seen: p99 }],
    };
  } finally {
    connection.close();
  }
}

function watch(
  connection: Connection,
  deleted: (n: number, nowMs: number) => void,
): { readonly created: Promise<void> } {
  const created = new Promise<void>((resolve, reject) => {
    const heard = (bytes: Buffer, from: number, to: number, nowMs: number): void => {
      const isThere = deletedKeys(bytes, from, to, (key) => deleted(Number(key.slice(prefix.length)), nowMs));
      if (isThere) resolve();
    };
    const stream = new Listening(connection, heard, (text) => reject(new Error(`the watch ended: ${text}`)));
    const rangeEnd = Buffer.from(prefix.replace(/\/$/, '0'));
    connection.open(paths.watch, stream);
    connection.send(stream, requests.watch(Buffer.from(prefix), rangeEnd));
    connection.flush();
  });
  return { created };
}
