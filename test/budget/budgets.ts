/**
 * What an operation may cost a cluster of three, all members together, road by road: counted work, not time. Counts are as they are today;
 * bytes have a little room. Whoever makes a road cheaper lowers its row; whoever makes one dearer says here why.
 */
import { type Clients, operationsOf } from './count.ts';
import type { Counter, Counters } from './counters.ts';
import type { RoadName } from './roads.ts';

/** In the order of the rows. */
export const columns: readonly Counter[] = [
  'walEntries',
  'walSyncs',
  'walBytes',
  'imageBatches',
  'imageRecords',
  'imageBytes',
  'peerMessages',
  'peerBytes',
  'turns',
  'answers',
  'answerBytes',
  'writes',
  'heapBytes',
  'bufferBytes',
];

export interface Budget {
  readonly road: RoadName;
  /** Operations at the same time. */
  readonly clients: Clients;
  readonly max: Readonly<Record<Counter, number>>;
}

/**
 * Counts are exact. Lengths of numbers vary a little. Memory varies by what the engine keeps for itself, and by how much of it falls into
 * the piece of the work that takes least; and buffers are made from slabs of 8 KiB.
 */
const slackOf: Partial<Record<Counter, number>> = {
  imageBytes: 1.05,
  peerBytes: 1.05,
  answerBytes: 1.05,
  heapBytes: 1.1,
  bufferBytes: 1.1,
};
/** Over a whole count. */
const slackBytesOf: Partial<Record<Counter, number>> = { heapBytes: 300_000, bufferBytes: 2 * 8_192 };

const row = (road: RoadName, clients: Clients, ...max: readonly number[]): Budget => ({
  road,
  clients,
  max: Object.fromEntries(columns.map((counter, at) => [counter, max[at] ?? 0])) as Record<Counter, number>,
});

// biome-ignore format: a table
export const budgets: readonly Budget[] = [
  row('grant', 1, 3, 3, 1536, 0.06, 0.18, 138, 4.08, 215, 7, 1, 43.05, 1, 115152, 2542),
  row('grant', 100, 0.03, 0.03, 108, 0.006, 0.102, 106, 0.048, 71.035, 0.07, 1, 43.05, 1, 13358, 646),
  row('grant, follower', 1, 3, 3, 1536, 0.06, 0.18, 138, 7.04, 336, 10, 1, 43.05, 1, 145600, 2542),
  row('grant, follower', 100, 0.03, 0.03, 108, 0.006, 0.102, 106, 0.074, 104, 0.1, 1, 43.05, 1, 16454, 682),
  row('put-lease', 1, 3, 3, 1536, 0.06, 3.06, 1011, 4.08, 788, 7, 1, 29.4, 1, 125254, 22316),
  row('put-lease', 100, 0.03, 0.03, 922, 0.006, 3.006, 997, 0.048, 643, 0.07, 1, 30.45, 1, 18598, 9732),
  row('lock', 1, 3, 3, 1536, 0.06, 3.06, 1011, 4.08, 910, 7, 1, 39.9, 1, 150482, 22856),
  row('lock', 100, 0.03, 0.03, 1106, 0.006, 3.006, 997, 0.048, 765, 0.07, 1, 42, 1, 40017, 15717),
  row('revoke', 1, 3, 3, 1536, 0.06, 3.18, 205, 4.08, 207, 7, 1, 29.4, 1, 123691, 19612),
  row('revoke', 100, 0.03, 0.03, 92.16, 0.006, 3.102, 192, 0.048, 60.535, 0.07, 1, 30.45, 1, 15131, 2376),
  row('time-to-live', 1, 0, 0, 0, 0, 0, 0, 4, 122, 4, 1, 61.95, 1, 63655, 508),
  row('time-to-live', 100, 0, 0, 0, 0, 0, 0, 0.04, 1.218, 0.04, 1, 61.95, 1, 10142, 286),
  row('range', 1, 0, 0, 0, 0, 0, 0, 4, 122, 4, 1, 340, 1, 62060, 1229),
  row('range', 100, 0, 0, 0, 0, 0, 0, 0.04, 1.218, 0.04, 1, 340, 1, 10455, 970),
  row('range, follower', 1, 0, 0, 0, 0, 0, 0, 6, 184, 6, 1, 340, 1, 77343, 1229),
  row('range, follower', 100, 0, 0, 0, 0, 0, 0, 0.06, 1.838, 0.06, 1, 340, 1, 10535, 970),
  row('range, serializable', 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 340, 1, 23053, 1229),
  row('range, serializable', 100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 340, 1, 8709, 970),
  row('keep-alive', 1, 0, 0, 0, 0, 0, 0, 4, 122, 4, 1, 40.95, 1, 57971, 328),
  row('keep-alive', 100, 0, 0, 0, 0, 0, 0, 0.04, 1.218, 0.04, 1, 40.95, 0.01, 4933, 81.168),
  row('keep-alive, follower', 1, 0, 0, 0, 0, 0, 0, 6, 213, 6, 1, 40.95, 1, 73470, 328),
  row('keep-alive, follower', 100, 0, 0, 0, 0, 0, 0, 0.06, 33.327, 0.06, 1, 40.95, 0.01, 5972, 81.168),
  row('watch', 1, 3, 3, 1536, 0.06, 3.06, 1011, 4.08, 788, 7, 101, 33399, 12, 539246, 63002),
  row('watch', 100, 0.03, 0.03, 922, 0.006, 3.006, 997, 0.048, 643, 0.07, 2, 30408, 2, 133959, 43772),
];

export interface Excess {
  readonly counter: Counter;
  readonly seen: number;
  readonly max: number;
}

/** What is above its budget. */
export function excess(budget: Budget, seen: Counters): readonly Excess[] {
  return columns
    .map((counter) => ({ counter, seen: seen[counter], max: budget.max[counter] }))
    .filter((each) => each.seen > each.max + 1e-9);
}

/** One line for each, as a test that fails shows it. */
export function said({ road, clients }: Pick<Budget, 'road' | 'clients'>, { counter, seen, max }: Excess): string {
  return `${road}, ${clients} at once: ${counter} ${seen} an operation, and the budget is ${max}`;
}

/** The row that just holds this. */
export function rowOf(counted: Pick<Budget, 'road' | 'clients'> & { readonly counters: Counters }): string {
  const max = columns.map((counter) => {
    const more = (slackBytesOf[counter] ?? 0) / operationsOf(counted.clients);
    return rounded(counted.counters[counter] * (slackOf[counter] ?? 1) + more);
  });
  return `  row('${counted.road}', ${counted.clients}, ${max.join(', ')}),\n`;
}

/** Up, to few digits. */
function rounded(value: number): string {
  const digits = value >= 100 ? 0 : 3;
  return String(Math.ceil(value * 10 ** digits - 1e-6) / 10 ** digits);
}
