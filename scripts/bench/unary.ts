/**
 * Every unary call there is, with one client and with many: how many are answered in a second, how long each takes, and what it costs
 * the members together.
 */
import { numberOf } from '../../src/rpc/int64.ts';
import { wire } from '../../src/rpc/messages.ts';
import type { ProcessCluster } from '../../test/cluster/processes.ts';
import { inFlight, Line, leaseId, leaseKey } from './client.ts';
import { figuresOf, timed } from './closed-loop.ts';
import { cpuSeconds, type Row } from './row.ts';

const clientCounts: readonly number[] = [1, 64];
const ttlSeconds = 3_600;
const value = Buffer.alloc(100, 'v');
/** Calls that each use something up have so many of it, and end early when it is gone. */
const suppliesMax = 20_000;
const lanes = 64;

/** What is measured: `prepare` says how many calls there can be. */
interface Measured {
  readonly name: string;
  prepare?(): Promise<number>;
  call(n: number): Promise<unknown>;
}

/** Prints a row per call and number of clients; the calls go to all members by turns. */
export async function unary(cluster: ProcessCluster, seconds: number, found: (row: Row) => void): Promise<void> {
  const lines = cluster.endpoints.map((endpoint) => new Line(endpoint));
  try {
    for (const measured of await calls(lines, Math.min(suppliesMax, Math.ceil(seconds * 4_000)))) {
      for (const clients of clientCounts) {
        const callsMax = await measured.prepare?.();
        const cpuBefore = cpuSeconds(cluster.members);
        const loop = await timed(seconds, clients, (n) => measured.call(n), callsMax);
        const cpu = (cpuSeconds(cluster.members) - cpuBefore) * 1e6;
        found({
          road: `${measured.name}, ${clients} ${clients === 1 ? 'client' : 'clients'}`,
          figures: { ...figuresOf(loop), memberCpuMicrosPerCall: cpu / Math.max(1, loop.tookMs.length) },
        });
      }
    }
  } finally {
    for (const line of lines) line.close();
  }
}

async function calls(lines: readonly Line[], supplies: number): Promise<readonly Measured[]> {
  const lineOf = (n: number): Line => lines[n % lines.length] as Line;
  const call = (n: number, name: string, request: Uint8Array): Promise<Uint8Array> =>
    lineOf(n).call(`/etcdserverpb.${name}`, request);
  let granted = 0;
  const grant = (): Promise<Uint8Array> => {
    const n = granted++;
    return lineOf(n).grant(n, ttlSeconds);
  };
  await inFlight(1_000, lanes, grant);
  const some = (n: number): number => n % 1_000;
  const put = (n: number): Promise<Uint8Array> =>
    call(n, 'KV/Put', wire.PutRequest.encode({ key: leaseKey(some(n)), value }));
  const range = (n: number, serializable: boolean): Promise<Uint8Array> =>
    call(n, 'KV/Range', wire.RangeRequest.encode({ key: leaseKey(some(n)), serializable }));
  await inFlight(1_000, lanes, put);

  let revoked = 0;
  let compacted = 0;
  return [
    { name: 'grant', call: grant },
    { name: 'put', call: put },
    { name: 'put with a lease', call: (n) => lineOf(n).putLeased(some(n)) },
    { name: 'txn (compare, put)', call: (n) => call(n, 'KV/Txn', comparedPut(some(n))) },
    { name: 'range, linearizable', call: (n) => range(n, false) },
    { name: 'range, serializable', call: (n) => range(n, true) },
    { name: 'time to live with keys', call: (n) => lineOf(n).timeToLive(some(n)) },
    { name: 'keep-alive, a stream each', call: (n) => lineOf(n).keepAliveOnce(some(n)) },
    { name: 'status', call: (n) => call(n, 'Maintenance/Status', new Uint8Array(0)) },
    {
      name: 'revoke',
      prepare: async () => {
        revoked = granted;
        await inFlight(supplies, lanes, grant);
        return supplies;
      },
      call: (n) => call(n, 'Lease/LeaseRevoke', wire.LeaseRevokeRequest.encode({ ID: leaseId(revoked + n) })),
    },
    {
      name: 'compact (a revision each)',
      prepare: async () => {
        const answer = wire.PutResponse.decode(await put(0));
        compacted = numberOf(answer.header?.revision ?? 0);
        await inFlight(supplies, lanes, put);
        return supplies;
      },
      // Of two at the same time the later one may come first; the other is then told that this is compacted already.
      call: (n) =>
        call(n, 'KV/Compact', wire.CompactionRequest.encode({ revision: compacted + n })).catch(unlessCompacted),
    },
  ];
}

function comparedPut(n: number): Uint8Array {
  const key = leaseKey(n);
  // Version above 0: it exists.
  return wire.TxnRequest.encode({
    compare: [{ key, target: 0, result: 1, version: 0 }],
    success: [{ requestPut: { key, value } }],
    failure: [{ requestRange: { key } }],
  });
}

const outOfRange = 11;

function unlessCompacted(error: { code?: number }): void {
  if (error.code !== outOfRange) throw error;
}
