/** What a renewal costs the members that hold a thousand leases, and a million: the same load on more and more of them. */
import type { ProcessCluster } from '../../test/cluster/processes.ts';
import { LoadProcess } from './load/load.ts';
import { progress, type Row } from './row.ts';

const streams = 16;
const window = 64;
const spreadMax = 0.2;
const warmSeconds = 1.5;

/** A row for each of these numbers of leases, which are granted on top of those before; the last has the check. */
export async function keepAliveCost(
  cluster: ProcessCluster,
  sizes: readonly number[],
  seconds: number,
  found: (row: Row) => void,
): Promise<void> {
  const load = new LoadProcess();
  try {
    const { endpoint } = await cluster.leader();
    const costs: number[] = [];
    let held = 0;
    for (const [at, leases] of sizes.entries()) {
      progress(`granting ${leases} leases`);
      const measured = await load.measure({
        kind: 'keepAlive',
        endpoints: [endpoint],
        pids: cluster.members.map(({ pid }) => pid),
        connections: streams,
        clients: streams,
        window,
        leases,
        warmSeconds,
        seconds,
      });
      if (measured.errors > 0) throw new Error(`${measured.errors} renewals failed: ${measured.firstError}`);
      held += leases;
      const micros = (measured.memberCpuSeconds * 1e6) / measured.operations;
      costs.push(micros);
      const most = Math.max(...costs.map((cost) => Math.abs(cost / (costs[0] as number) - 1)));
      found({
        road: `keep-alive-cost: ${leases} leases renewed, ${held} held, ${streams} streams with ${window} on the way`,
        figures: {
          renewalsPerSecond: measured.operations / measured.seconds,
          memberCpuMicrosPerRenewal: micros,
          msMedian: measured.msMedian,
          msP99: measured.msP99,
          loadCores: measured.loadCores,
        },
        checks:
          at + 1 < sizes.length
            ? []
            : [
                {
                  name: 'a renewal costs the same within 20 %, however many are held',
                  ok: most <= spreadMax,
                  seen: most,
                },
              ],
      });
    }
  } finally {
    load.end();
  }
}
