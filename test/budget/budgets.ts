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
 * Counts are exact. Lengths of numbers vary a little; memory does so with what the compiler has seen, and buffers are made from slabs of
 * 8 KiB, of which one more or less says nothing.
 */
const slackOf: Partial<Record<Counter, number>> = {
  imageBytes: 1.05,
  peerBytes: 1.05,
  answerBytes: 1.05,
  heapBytes: 1.15,
  bufferBytes: 1.1,
};
const slabBytes = 8_192;

const row = (road: RoadName, clients: Clients, ...max: readonly number[]): Budget => ({
  road,
  clients,
  max: Object.fromEntries(columns.map((counter, at) => [counter, max[at] ?? 0])) as Record<Counter, number>,
});

// biome-ignore format: a table
export const budgets: readonly Budget[] = [
  row('grant', 1, 3, 3, 1536, 0.15, 0.3, 166, 4.2, 219, 7, 1, 43.05, 1, 141422, 3136),
  row('grant', 100, 0.03, 0.03, 108, 0.006, 0.108, 108, 0.048, 71.035, 0.07, 1, 43.05, 1, 17199, 880),
  row('grant, follower', 1, 3, 3, 1536, 0.15, 0.3, 166, 7.1, 337, 10, 1, 43.05, 1, 150205, 3136),
  row('grant, follower', 100, 0.03, 0.03, 108, 0.006, 0.108, 108, 0.074, 104, 0.1, 1, 43.05, 1, 18241, 970),
  row('put-lease', 1, 3, 3, 1536, 0.15, 3.15, 1034, 4.2, 792, 7, 1, 29.4, 1, 138445, 48579),
  row('put-lease', 100, 0.03, 0.03, 922, 0.006, 3.006, 997, 0.048, 643, 0.07, 1, 30.45, 1, 25329, 11613),
  row('lock', 1, 3, 3, 1536, 0.15, 3.15, 1034, 4.2, 914, 7, 1, 39.9, 1, 168884, 49030),
  row('lock', 100, 0.03, 0.03, 1106, 0.006, 3.006, 997, 0.048, 765, 0.07, 1, 42, 1, 52904, 15861),
  row('revoke', 1, 3, 3, 1536, 0.15, 3.3, 228, 4.2, 208, 7, 1, 29.4, 1, 142698, 46326),
  row('revoke', 100, 0.03, 0.03, 92.16, 0.006, 3.108, 192, 0.048, 60.535, 0.07, 1, 30.45, 1, 24038, 2394),
  row('time-to-live', 1, 0, 0, 0, 0, 0, 0, 4, 122, 4, 1, 61.95, 1, 72823, 1270),
  row('time-to-live', 100, 0, 0, 0, 0, 0, 0, 0.04, 1.218, 0.04, 1, 61.95, 1, 12385, 412),
  row('range', 1, 0, 0, 0, 0, 0, 0, 4, 122, 4, 1, 340, 1, 67934, 3072),
  row('range', 100, 0, 0, 0, 0, 0, 0, 0.04, 1.218, 0.04, 1, 340, 1, 13316, 2142),
  row('range, follower', 1, 0, 0, 0, 0, 0, 0, 6, 184, 6, 1, 340, 1, 81626, 3072),
  row('range, follower', 100, 0, 0, 0, 0, 0, 0, 0.06, 1.838, 0.06, 1, 340, 1, 13426, 2142),
  row('range, serializable', 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 340, 1, 30284, 3072),
  row('range, serializable', 100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 340, 1, 11508, 2142),
  row('keep-alive', 1, 0, 0, 0, 0, 0, 0, 4, 122, 4, 1, 40.95, 1, 59382, 820),
  row('keep-alive', 100, 0, 0, 0, 0, 0, 0, 0.04, 1.218, 0.04, 1, 40.95, 0.01, 4756, 81.168),
  row('keep-alive, follower', 1, 0, 0, 0, 0, 0, 0, 6, 213, 6, 1, 40.95, 1, 85948, 820),
  row('keep-alive, follower', 100, 0, 0, 0, 0, 0, 0, 0.06, 33.327, 0.06, 1, 40.95, 0.01, 6960, 81.168),
  row('watch', 1, 3, 3, 1536, 0.15, 3.15, 1034, 4.2, 792, 7, 101, 33399, 12, 648250, 89446),
  row('watch', 100, 0.03, 0.03, 922, 0.006, 3.006, 997, 0.048, 643, 0.07, 2, 30408, 2, 158682, 41717),
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
    const slab = counter === 'bufferBytes' ? (2 * slabBytes) / operationsOf(counted.clients) : 0;
    return rounded(counted.counters[counter] * (slackOf[counter] ?? 1) + slab);
  });
  return `  row('${counted.road}', ${counted.clients}, ${max.join(', ')}),\n`;
}

/** Up, to few digits. */
function rounded(value: number): string {
  const digits = value >= 100 ? 0 : 3;
  return String(Math.ceil(value * 10 ** digits - 1e-6) / 10 ** digits);
}
