/**
 * That no road gets dearer: the counted work of each is within its budget. A road that fails is named with what there is too much of; whoever
 * means it raises the row of budgets.ts and says why.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Counted, type Printed, spoiledRoads } from './budget-process.ts';
import { type Budget, budgets, columns, excess, rowOf, said } from './budgets.ts';
import { clientCounts } from './count.ts';
import { type Counters, noWork } from './counters.ts';
import { roads } from './roads.ts';

const program = fileURLToPath(new URL('budget-process.ts', import.meta.url));
const flags = ['--no-opt', '--expose-gc', '--min-semi-space-size=128', '--max-semi-space-size=128'];
/** What an object takes is the business of Node's version; budgets are those of this one. */
const memoryCounts = process.versions.node.startsWith('20.');

let printed: Printed;

beforeAll(() => {
  const { stdout, stderr, status } = spawnSync(process.execPath, [...flags, '--import', 'tsx', program], {
    encoding: 'utf8',
    maxBuffer: 2 ** 24,
  });
  if (status !== 0) throw new Error(stderr);
  printed = JSON.parse(stdout) as Printed;
});

const of = (counted: readonly Counted[], { road, clients }: Budget): Counters => {
  const found = counted.find((each) => each.road === road && each.clients === clients)?.counters;
  if (found === undefined) throw new Error(`${road} was not counted`);
  return memoryCounts ? found : { ...found, heapBytes: 0, bufferBytes: 0 };
};

describe('the work of a road', () => {
  it.each(budgets)('$road, $clients at once, is within its budget', (budget) => {
    expect(excess(budget, of(printed.counted, budget)).map((each) => said(budget, each))).toEqual([]);
  });

  it('has a budget for every road', () => {
    const all = Object.keys(roads).flatMap((road) => clientCounts.map((clients) => `${road} ${clients}`));
    expect(budgets.map(({ road, clients }) => `${road} ${clients}`)).toEqual(all);
  });

  it.each(budgets.filter(({ road }) => spoiledRoads.includes(road)))(
    '$road, $clients at once, is above it with one command more',
    (budget) => {
      const counters = excess(budget, of(printed.spoiled, budget)).map(({ counter }) => counter);
      expect(counters).toEqual(expect.arrayContaining(['walEntries', 'walSyncs', 'walBytes', 'peerMessages', 'turns']));
    },
  );

  it('is counted to the last one, and a row holds just what it was made of', () => {
    const made = { road: 'grant', clients: 1, counters: { ...noWork(), walSyncs: 3, peerBytes: 100 } } as const;
    expect(rowOf(made)).toMatch(/^ {2}row\('grant', 1, 0, 3, 0, /);
    const max = { ...noWork(), walSyncs: 3, peerBytes: 105 };
    const budget: Budget = { road: 'grant', clients: 1, max };
    expect(excess(budget, made.counters)).toEqual([]);
    for (const counter of columns) {
      const [found] = excess(budget, { ...max, [counter]: max[counter] + 0.001 });
      expect(found?.counter).toBe(counter);
    }
    expect(said(budget, { counter: 'walSyncs', seen: 4, max: 3 })).toBe(
      'grant, 1 at once: walSyncs 4 an operation, and the budget is 3',
    );
  });
});
