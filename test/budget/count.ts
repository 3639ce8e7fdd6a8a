/** Counts the work of a road: so many operations at a time, several times over, on a cluster of its own. */
import { CountedCluster } from './cluster.ts';
import { type Counter, type Counters, noWork } from './counters.ts';
import { type RoadName, roads } from './roads.ts';

/** Operations at the same time: one client, or a hundred. */
export const clientCounts = [1, 100] as const;
export type Clients = (typeof clientCounts)[number];

/** The heap is counted piece by piece of the work, and the least of them is what it takes: the engine adds at times, and never takes away. */
const memoryPieces = 5;

/** Uncounted before, so that what is made once is made. */
const warmWaves = 10;
const wavesOf: Readonly<Record<Clients, number>> = { 1: 50, 100: 5 };

/** That are counted. */
export function operationsOf(clients: Clients): number {
  return clients * wavesOf[clients];
}

/** What an operation costs all members together. `spoil`, if given, runs after each wave, to show that counts tell. */
export async function count(
  name: RoadName,
  clients: Clients,
  spoil?: (cluster: CountedCluster) => Promise<void>,
): Promise<Counters> {
  const cluster = await CountedCluster.start();
  const waves = wavesOf[clients];
  const wave = await roads[name](cluster, clients, warmWaves + waves);
  for (let n = 0; n < warmWaves; n++) await wave(n);
  await cluster.writeImages();
  Object.assign(cluster.counters, noWork());
  collectGarbage();
  const pieces: NodeJS.MemoryUsage[] = [process.memoryUsage()];
  for (let n = 0; n < waves; n++) {
    await wave(warmWaves + n);
    await spoil?.(cluster);
    if ((n + 1) % (waves / memoryPieces) === 0) pieces.push(process.memoryUsage());
  }
  await cluster.writeImages();
  cluster.counters.heapBytes = least(pieces.map(({ heapUsed }) => heapUsed));
  cluster.counters.bufferBytes = (pieces.at(-1)?.arrayBuffers ?? 0) - (pieces[0]?.arrayBuffers ?? 0);
  const perOperation = noWork();
  for (const counter of Object.keys(perOperation) as Counter[])
    perOperation[counter] = cluster.counters[counter] / operationsOf(clients);
  return perOperation;
}

/** What all the work takes, going by the piece of it that took least. */
function least(marks: readonly number[]): number {
  return memoryPieces * Math.min(...marks.slice(1).map((mark, at) => mark - (marks[at] as number)));
}

/** Memory is counted from here; nothing is collected before it is read again, as the process has room enough (see budget-process.ts). */
function collectGarbage(): void {
  if (globalThis.gc === undefined) throw new Error('memory is counted with --expose-gc');
  globalThis.gc();
  globalThis.gc();
}
