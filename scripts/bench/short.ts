/** Short rows: how many of one call a cluster answers in a second, and how long each takes. */
import type { ProcessCluster } from '../../test/cluster/processes.ts';
import { inFlight, Line, renewOn } from './client.ts';
import { figuresOf, timed } from './closed-loop.ts';
import type { Row } from './row.ts';

const ttlSeconds = 3_600;
const streams = 16;
const window = 62;

export async function short(cluster: ProcessCluster, seconds: number, found: (row: Row) => void): Promise<void> {
  const lines = cluster.endpoints.map((endpoint) => new Line(endpoint));
  const lineOf = (n: number): Line => lines[n % lines.length] as Line;
  let granted = 0;
  const closedLoop = async (road: string, clients: number, call: (n: number) => Promise<unknown>): Promise<void> => {
    // Unmeasured: connections, compilers.
    await timed(0.5, clients, call);
    found({ road, figures: figuresOf(await timed(seconds, clients, call)) });
  };
  const grant = (): Promise<unknown> => {
    const n = granted++;
    return lineOf(n).grant(n, ttlSeconds);
  };
  try {
    await closedLoop('grant, 1 client', 1, grant);
    await closedLoop('grant, 100 clients', 100, grant);
    const first = granted;
    await inFlight(1_000, 100, grant);
    const some = (n: number): number => first + (n % 1_000);
    await closedLoop('put with a lease, 100 clients', 100, (n) => lineOf(n).putLeased(some(n)));
    await closedLoop('time to live with keys, 100 clients', 100, (n) => lineOf(n).timeToLive(some(n)));
    await closedLoop('linearizable read, 100 clients', 100, (n) => lineOf(n).read());
    found(await keepAlives(lines, some, seconds));
  } finally {
    for (const line of lines) line.close();
  }
}

async function keepAlives(lines: readonly Line[], leaseOf: (n: number) => number, seconds: number): Promise<Row> {
  const tookMs: number[] = [];
  const endMs = performance.now() + seconds * 1_000;
  // Each stream renews leases of its own, so that no two of one lease are under way at once.
  const renewals = Array.from({ length: streams }, (_, stream) => {
    let turn = 0;
    return renewOn(
      lines[stream % lines.length] as Line,
      Math.min(window, Math.floor(1_000 / streams)),
      () =>
        performance.now() < endMs ? leaseOf(stream + streams * (turn++ % Math.floor(1_000 / streams))) : undefined,
      (renewed) => {
        if (renewed.ttlSeconds <= 0) throw new Error('a lease was gone when it was renewed');
        tookMs.push(renewed.answeredMs - renewed.sentMs);
      },
    );
  });
  await Promise.all(renewals);
  return { road: `keep-alive, ${streams} streams with ${window} in flight`, figures: figuresOf({ tookMs, seconds }) };
}
