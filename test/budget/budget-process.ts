/**
 * Counts all roads and prints what an operation costs, as JSON. In a process of its own, without a compiler that leaves out what it finds
 * to be superfluous, and with room for all that is made: so memory is counted exactly enough to be compared.
 *
 *     node --no-opt --expose-gc --min-semi-space-size=128 --max-semi-space-size=128 --import tsx test/budget/budget-process.ts --rows
 *
 * `--rows`: as rows of budgets.ts instead, with the slack they have.
 */
import { fileURLToPath } from 'node:url';
import { wire } from '../../src/rpc/messages.ts';
import { rowOf } from './budgets.ts';
import type { CountedCluster } from './cluster.ts';
import { type Clients, clientCounts, count } from './count.ts';
import type { Counters } from './counters.ts';
import { type RoadName, roads } from './roads.ts';

export interface Counted {
  readonly road: RoadName;
  readonly clients: Clients;
  readonly counters: Counters;
}

/** What is printed. */
export interface Printed {
  readonly counted: readonly Counted[];
  /** With one command more after each hundred operations, or after each one where there is but one client. */
  readonly spoiled: readonly Counted[];
}

/** A write, a read, and what is neither. */
export const spoiledRoads: readonly RoadName[] = ['grant', 'range, follower', 'keep-alive'];

async function all(
  names: readonly RoadName[],
  spoil?: (cluster: CountedCluster) => Promise<void>,
): Promise<readonly Counted[]> {
  const counted: Counted[] = [];
  for (const road of names)
    for (const clients of clientCounts) counted.push({ road, clients, counters: await count(road, clients, spoil) });
  return counted;
}

async function oneMore(cluster: CountedCluster): Promise<void> {
  await cluster.unary(cluster.leader, '/etcdserverpb.Lease/LeaseGrant', [wire.LeaseGrantRequest.encode({ TTL: 60 })]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const counted = await all(Object.keys(roads) as RoadName[]);
  if (process.argv.includes('--rows')) for (const each of counted) process.stdout.write(rowOf(each));
  else process.stdout.write(JSON.stringify({ counted, spoiled: await all(spoiledRoads, oneMore) } satisfies Printed));
}
