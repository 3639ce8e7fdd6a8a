/**
 * Watches and views over a whole cluster on time that the test moves, while members are killed, cut off and compacted, and readers dawdle:
 * every watch tells every revision once, or says that it listed anew, and every view is in the end what there is.
 */
import { expect, test } from 'vitest';
import { Prng } from '../../../src/base/prng.ts';
import type { Client, View, Watch } from '../../../src/client/client.ts';
import { LeaseError } from '../../../src/client/errors.ts';
import { TestCluster } from '../../../src/client/testing/test-cluster.ts';

/** What a reader has been told, folded; throws at what a watch may not tell. */
class Fold {
  readonly values = new Map<string, string>();
  revision: bigint;
  resyncs = 0;

  constructor(from: bigint) {
    this.revision = from - 1n;
  }

  async read(watch: Watch, dawdle: () => Promise<void>): Promise<void> {
    for await (const event of watch) {
      if (event.type === 'resync') {
        expect(event.revision).toBeGreaterThanOrEqual(this.revision);
        this.values.clear();
        for (const { keyText, text } of event.items) this.values.set(keyText, text);
        this.resyncs++;
      } else {
        // Nobody else writes, and every write is one event of this range.
        expect(event.revision).toBe(this.revision + 1n);
        if (event.type === 'put') this.values.set(event.keyText, event.kv.text);
        else if (event.type === 'delete') this.values.delete(event.keyText);
      }
      this.revision = event.revision;
      await dawdle();
    }
  }
}

async function unlessUnknown(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof LeaseError) || !error.retryable) throw error;
  }
}

async function run(seed: number): Promise<{ readonly resyncs: number; readonly revisions: number }> {
  await using cluster = await TestCluster.start({ members: 3, seed });
  const prng = new Prng(BigInt(seed), 'faults of watches');
  return await cluster.until(
    async () => {
      const client = (): Client => cluster.client({ namespace: '/n/', timeout: '20s' });
      const writer = client();
      // Clients of one member each, so that its end is felt.
      const readers = cluster.endpoints.map((endpoint) => cluster.client({ namespace: '/n/', endpoints: [endpoint] }));
      const watches = readers.map((reader) => reader.watch({ all: true }));
      const folds: Fold[] = [];
      const readings: Promise<void>[] = [];
      for (const [i, watch] of watches.entries()) {
        const fold = new Fold(await watch.started());
        folds.push(fold);
        const dawdle = async (): Promise<void> => {
          if (i === 2 && prng.between(0, 20) === 0) await cluster.advance(prng.between(1, 500));
        };
        readings.push(fold.read(watch, dawdle));
      }
      const views: View[] = [];
      for (const reader of readers) views.push(await reader.view({ all: true }, undefined, { timeout: '20s' }));
      for (let round = 0; round < 12; round++) {
        const member = prng.between(0, 2);
        const fault = prng.between(0, 2);
        if (fault === 0) cluster.kill(member);
        else if (fault === 1) cluster.isolate(member);
        for (let i = 0; i < 15; i++) {
          const key = `k${prng.between(0, 9)}`;
          await unlessUnknown(writer.put(key, `${round}/${i}`));
          if (prng.between(0, 4) === 0) await unlessUnknown(writer.delete(`k${prng.between(0, 9)}`));
        }
        if (prng.between(0, 2) === 0) {
          const { revision } = await writer.list('k0', { timeout: '60s' });
          await unlessUnknown(writer.compact(revision));
        }
        if (fault === 0) cluster.restart(member);
        else cluster.heal();
        await cluster.advance(prng.between(0, 4_000));
      }
      const { items, revision } = await writer.list({ all: true }, { timeout: '60s' });
      const there = items.map(({ keyText, text }) => [keyText, text]);
      for (let waited = 0; waited < 300 && folds.some((fold) => fold.revision < revision); waited++)
        await cluster.advance(100);
      for (const fold of folds) {
        expect(fold.revision).toBe(revision);
        expect([...fold.values].sort()).toEqual(there);
      }
      for (const view of views) expect(view.entries().map(({ keyText, text }) => [keyText, text])).toEqual(there);
      for (const watch of watches) watch.close();
      await Promise.all(readings);
      return { resyncs: folds.reduce((sum, { resyncs }) => sum + resyncs, 0), revisions: Number(revision) };
    },
    { within: '1h' },
  );
}

const seeds = Number(process.env['LEASEHOLD_WATCH_SEEDS'] ?? 4);

test(`faults of ${seeds} seeds`, async () => {
  let resyncs = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      const ran = await run(seed);
      resyncs += ran.resyncs;
      expect(ran.revisions).toBeGreaterThan(150);
    } catch (error) {
      throw new Error(
        `seed ${seed}: LEASEHOLD_WATCH_SEEDS=${seed} npx vitest run test/client/watch/watch-faults.test.ts`,
        {
          cause: error,
        },
      );
    }
  }
  expect(resyncs).toBeGreaterThan(0);
}, 600_000);
