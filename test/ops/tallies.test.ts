import { Counter, Histogram, Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { Distributions, distribution, Tallies, tally } from '../../src/ops/tallies.ts';

const bounds = [0.5, 1, 2.5];
const observed = [0.1, 0.5, 0.50001, 2.5, 7];

test('a page reads as prom-client itself would write it', async () => {
  const [ours, theirs] = [new Registry(), new Registry()];
  const plain = tally(ours, 'a_total', 'A.');
  const labelled = new Tallies(ours, 'b_total', 'B.', ['kind', 'code']);
  const x = labelled.series({ kind: 'x', code: '1' });
  labelled.series({ kind: 'y', code: '2' });
  const single = distribution(ours, 'c', 'C.', bounds);
  distribution(ours, 'd', 'D.', bounds);
  const several = new Distributions(ours, 'e', 'E.', bounds);
  const first = several.series({ kind: 'x' });
  several.series({ kind: 'never observed' });

  const registers = [theirs];
  const a = new Counter({ name: 'a_total', help: 'A.', registers });
  const b = new Counter({ name: 'b_total', help: 'B.', labelNames: ['kind', 'code'], registers });
  const c = new Histogram({ name: 'c', help: 'C.', buckets: bounds, registers });
  new Histogram({ name: 'd', help: 'D.', buckets: bounds, registers });
  const e = new Histogram({ name: 'e', help: 'E.', labelNames: ['kind'], buckets: bounds, registers });

  plain.add(3);
  x.add(1);
  x.add(41);
  a.inc(3);
  b.inc({ kind: 'x', code: '1' }, 42);
  b.inc({ kind: 'y', code: '2' }, 0);
  for (const value of observed) {
    single.observe(value);
    first.observe(value);
    c.observe(value);
    e.observe({ kind: 'x' }, value);
  }
  expect(await ours.metrics()).toBe(await theirs.metrics());
  // A second scrape starts from the same counts.
  expect(await ours.metrics()).toBe(await theirs.metrics());
});
