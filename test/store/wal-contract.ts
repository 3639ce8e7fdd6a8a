/**
 * The one suite of the `Wal` contract; run on the files of `disk/fs-wal.ts` and on the twin in memory.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AssertionFailure } from '../../src/base/assert.ts';
import { Prng } from '../../src/base/prng.ts';
import type { Index, LogBase, WriteGroup } from '../../src/store/entry.ts';
import type { LoadedLog, Wal } from '../../src/store/wal.ts';
import { entries, entry, hardState, LogModel, randomGroup } from './wal-model.ts';

export interface OpenedHere {
  readonly loaded: LoadedLog;
  readonly droppedTornGroup: boolean;
}

/** One log on one disk, driven the same way whatever it is made of. */
export interface WalHarness {
  readonly wal: Wal;
  create(base: LogBase, initial: WriteGroup, segmentBytes: number): Promise<void>;
  /** Resolves when the group is on disk. */
  write(group: WriteGroup): Promise<void>;
  /** Lets go of the log, its writes done, and opens it again. Throws on damage. */
  reopen(expected?: { lastAtLeast?: Index; baseAtMost?: Index }): Promise<OpenedHere>;
  /** Begins to write the group, loses power at some point of it, opens the log again. */
  crashDuring(group: WriteGroup, prng: Prng): Promise<OpenedHere & { readonly acknowledged: boolean }>;
  segmentNames(): Promise<string[]>;
  end(): Promise<void>;
}

const start: LogBase = { index: 0, term: 0 };
const first: WriteGroup = { hardState: hardState(1, 0n, 1), entries: [entry(1, 1, 40, 'configuration')] };

export function walContract(title: string, makeHarness: () => Promise<WalHarness>, seeds: number): void {
  describe(`${title}: the WAL contract`, () => {
    let harness: WalHarness;
    beforeEach(async () => {
      harness = await makeHarness();
    });
    afterEach(() => harness.end());

    async function expectLog(model: LogModel): Promise<void> {
      const { loaded, droppedTornGroup } = await harness.reopen();
      expect(LogModel.of(loaded).text()).toBe(model.text());
      expect(droppedTornGroup).toBe(false);
    }

    it('holds what it was created with', async () => {
      await harness.create(start, first, 8192);
      await expectLog(LogModel.created(start, first));
    });

    it('can begin after an image, with no entry at all', async () => {
      const initial: WriteGroup = { hardState: hardState(7, 3n, 120), entries: [] };
      await harness.create({ index: 120, term: 6 }, initial, 8192);
      const model = LogModel.created({ index: 120, term: 6 }, initial);
      await expectLog(model);
      const next: WriteGroup = { hardState: undefined, entries: entries(121, 123, 7) };
      await harness.write(next);
      await expectLog(model.after(next));
    });

    it('appends and finds all kinds and sizes of entries again', async () => {
      await harness.create(start, first, 64 * 1024);
      let model = LogModel.created(start, first);
      const groups: WriteGroup[] = [
        {
          hardState: undefined,
          entries: [entry(2, 1, 0, 'empty'), entry(3, 1, 1), entry(4, 1, 511), entry(5, 1, 5000)],
        },
        { hardState: hardState(2, 9n, 4), entries: [] },
        { hardState: hardState(2, 9n, 5), entries: entries(6, 40, 2, 300) },
      ];
      for (const group of groups) {
        await harness.write(group);
        model = model.after(group);
      }
      await expectLog(model);
    });

    it('keeps ids and numbers that need more than 32 bits', async () => {
      const big = 2 ** 52 + 7;
      const initial: WriteGroup = {
        hardState: hardState(big, 0xffff_ffff_ffff_fff1n, big),
        entries: [entry(big + 1, big)],
      };
      await harness.create({ index: big, term: big - 1 }, initial, 8192);
      await expectLog(LogModel.created({ index: big, term: big - 1 }, initial));
    });

    it('overwrites a suffix, across segments too', async () => {
      await harness.create(start, first, 4096);
      let model = LogModel.created(start, first);
      const groups: WriteGroup[] = [
        { hardState: undefined, entries: entries(2, 9, 1, 200) },
        { hardState: undefined, entries: entries(10, 19, 1, 200) },
        { hardState: hardState(2, 0n, 4), entries: entries(5, 6, 2, 200) },
        { hardState: undefined, entries: entries(7, 8, 2, 200) },
        { hardState: hardState(3, 0n, 4), entries: entries(8, 8, 3) },
      ];
      for (const group of groups) {
        await harness.write(group);
        model = model.after(group);
        await expectLog(model);
      }
      expect(model.last).toMatchObject({ index: 8, term: 3 });
      expect((await harness.segmentNames()).length).toBeGreaterThan(2);
    });

    it('rolls over many segments and keeps every byte', async () => {
      await harness.create(start, first, 4096);
      let model = LogModel.created(start, first);
      for (let i = 2; i < 120; i++) {
        const group: WriteGroup = { hardState: hardState(1, 0n, i - 1), entries: [entry(i, 1, 400)] };
        await harness.write(group);
        model = model.after(group);
      }
      expect((await harness.segmentNames()).length).toBeGreaterThan(15);
      await expectLog(model);
      await expectLog(model);
    });

    it('takes a group that is larger than a segment', async () => {
      await harness.create(start, first, 4096);
      let model = LogModel.created(start, first);
      for (const bytes of [3000, 50_000, 10, 4096, 100_000, 200_000, 30]) {
        const group: WriteGroup = { hardState: undefined, entries: [entry(model.last.index + 1, 1, bytes)] };
        await harness.write(group);
        model = model.after(group);
      }
      await expectLog(model);
    });

    it('drops segments wholly below an index, once a later group is on disk, and begins after them', async () => {
      await harness.create(start, first, 4096);
      let model = LogModel.created(start, first);
      const append = async (count: number): Promise<void> => {
        for (let i = 0; i < count; i++) {
          const index = model.last.index + 1;
          const group: WriteGroup = { hardState: hardState(4, 2n, index), entries: [entry(index, 4, 300)] };
          await harness.write(group);
          model = model.after(group);
        }
      };
      await append(60);
      const sizeBefore = harness.wal.sizeBytes;
      harness.wal.dropUpTo(40);
      expect(harness.wal.sizeBytes).toBe(sizeBefore);
      await append(1);
      expect(harness.wal.sizeBytes).toBeLessThan(sizeBefore);

      const { loaded } = await harness.reopen({ baseAtMost: 40, lastAtLeast: 61 });
      expect(loaded.base.index).toBeGreaterThan(25);
      expect(loaded.base.index).toBeLessThanOrEqual(40);
      expect(LogModel.of(loaded).text()).toBe(model.from(loaded.base).text());
      expect(loaded.hardState).toEqual(hardState(4, 2n, 62));
      await expect(harness.reopen({ baseAtMost: loaded.base.index - 1 })).rejects.toThrow(/begins after index/);
    });

    it('deletes nothing that no synced group has announced: a drop during a write waits for the next one', async () => {
      await harness.create(start, first, 4096);
      let index = 1;
      const append = (): Promise<void> => {
        index += 1;
        return harness.write({ hardState: hardState(1, 0n, index), entries: [entry(index, 1, 300)] });
      };
      for (let i = 0; i < 40; i++) await append();
      const names = await harness.segmentNames();
      const writing = append();
      harness.wal.dropUpTo(40);
      await writing;
      const { loaded } = await harness.reopen();
      expect(loaded.base).toEqual(start);
      expect(loaded.entries.length).toBe(index);
      expect(await harness.segmentNames()).toEqual(expect.arrayContaining(names));
    });

    it('keeps a segment whose base was overwritten from a later one', async () => {
      await harness.create(start, first, 4096);
      let model = LogModel.created(start, first);
      const groups: WriteGroup[] = [
        { hardState: hardState(1, 0n, 1), entries: entries(2, 9, 1, 300) },
        { hardState: undefined, entries: entries(10, 12, 1, 300) },
        { hardState: hardState(2, 0n, 8), entries: entries(9, 12, 2, 20) },
        { hardState: hardState(2, 0n, 12), entries: [] },
      ];
      for (const group of groups) {
        await harness.write(group);
        model = model.after(group);
      }
      harness.wal.dropUpTo(12);
      const last: WriteGroup = { hardState: undefined, entries: [entry(13, 2)] };
      await harness.write(last);
      // Segment 3 opened after index 9 of term 1, which was overwritten from within it: 9/1 must never be taken for a base.
      const { loaded } = await harness.reopen();
      expect(loaded.base).toEqual({ index: 1, term: 1 });
      expect(LogModel.of(loaded).text()).toBe(model.after(last).from(loaded.base).text());
    });

    it('is refused when it ends below what its opener knows', async () => {
      await harness.create(start, first, 8192);
      await harness.write({ hardState: undefined, entries: entries(2, 5, 1) });
      await harness.reopen({ lastAtLeast: 5, baseAtMost: 0 });
      await expect(harness.reopen({ lastAtLeast: 6 })).rejects.toThrow(/ends at index 5, yet it once reached 6/);
    });

    it('allows one write at a time, and none that breaks the log', async () => {
      await harness.create(start, first, 8192);
      expect(() => harness.wal.write({ hardState: undefined, entries: [entry(3, 1)] }, () => undefined)).toThrow(
        AssertionFailure,
      );
    });

    it('asserts that no second write is outstanding', async () => {
      await harness.create(start, first, 8192);
      const writing = harness.write({ hardState: undefined, entries: [entry(2, 1)] });
      expect(() => harness.wal.write({ hardState: undefined, entries: [entry(3, 1)] }, () => undefined)).toThrow(
        /one write/,
      );
      await writing;
    });

    it('never calls done in the same step', async () => {
      await harness.create(start, first, 8192);
      let inStep = true;
      let early = false;
      const group: WriteGroup = { hardState: undefined, entries: [entry(2, 1)] };
      const original = harness.wal.write.bind(harness.wal);
      harness.wal.write = (g, done) =>
        original(g, (error) => {
          early ||= inStep;
          done(error);
        });
      const writing = harness.write(group);
      inStep = false;
      await writing;
      expect(early).toBe(false);
    });

    it(`recovers a prefix of groups that holds all synced ones, on ${seeds} seeds of crashes at any point`, async () => {
      const only = process.env['SEED'];
      for (
        let seed = only === undefined ? 1 : Number(only);
        seed <= (only === undefined ? seeds : Number(only));
        seed++
      ) {
        try {
          await harness.end();
          harness = await makeHarness();
          await crashRun(harness, seed);
        } catch (error) {
          throw new Error(`seed ${seed} (replay: SEED=${seed} npx vitest run, this file)`, { cause: error });
        }
      }
    });
  });
}

/** Random groups, drops, clean restarts and crashes; the log found is always one of the few it may be. */
async function crashRun(harness: WalHarness, seed: number): Promise<void> {
  const prng = new Prng(seed, 'wal contract');
  const segmentBytes = prng.pick([2048, 4096, 8192, 65536]);
  await harness.create(start, first, segmentBytes);
  let model = LogModel.created(start, first);
  let dropped = 0;
  const settle = (found: LoadedLog, candidates: readonly LogModel[]): void => {
    expect(found.base.index).toBeLessThanOrEqual(dropped);
    expect(found.base.index).toBeGreaterThanOrEqual(model.base.index);
    expect(found.base.term).toBe(model.termAt(found.base.index));
    const text = LogModel.of(found).text();
    const match = candidates.find((candidate) => candidate.from(found.base).text() === text);
    expect(match, `found:\n${text}\nexpected one of:\n${candidates.map((c) => c.text()).join('\nor\n')}`).toBeDefined();
    model = LogModel.of(found);
  };
  for (let step = 0; step < 40; step++) {
    const group = randomGroup(prng, model, segmentBytes * 2);
    const dice = prng.below(10);
    if (dice === 0) {
      settle((await harness.reopen()).loaded, [model]);
    } else if (dice <= 2) {
      const { loaded, acknowledged } = await harness.crashDuring(group, prng);
      const whole = model.after(group);
      settle(loaded, acknowledged ? [whole] : [model, model.withVoteOf(group), whole]);
    } else {
      await harness.write(group);
      model = model.after(group);
      if (dice === 3) {
        dropped = Math.max(dropped, prng.between(0, model.hardState.commit));
        harness.wal.dropUpTo(dropped);
      }
    }
  }
  settle((await harness.reopen()).loaded, [model]);
}
