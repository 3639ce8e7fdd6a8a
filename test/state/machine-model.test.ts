/**
 * The machine against the naive model, over random logs (K2, K6, L5, L8, L9, D1, C22, C68): every outcome, every event, every
 * view; replay from the first entry; and restarts from the image at any point, with the live machine as the judge.
 */
import { describe, expect, it } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { unpackCommands } from '../../src/state/codec.ts';
import { Machine } from '../../src/state/machine.ts';
import type { Entry } from '../../src/store/entry.ts';
import { randomLog, range } from './commands.ts';
import { eventsOf, expectAlike } from './compare.ts';
import { ImageDouble } from './image-double.ts';
import { Model } from './model.ts';
import { answerOf } from './shapes.ts';

const seeds = Array.from({ length: 40 }, (_, i) => i + 1);

describe('the machine', () => {
  it.each(seeds)('answers as the model does, seed %i', (seed) => {
    const prng = new Prng(seed, 'model');
    const machine = new Machine();
    const model = new Model();
    for (const { entry, applied } of randomLog(prng, machine, 150)) {
      const why = `seed ${seed}, entry ${entry.index}`;
      const commands = entry.kind === 'commands' ? unpackCommands(entry.payload) : [];
      expect(applied.length, why).toBe(commands.length);
      applied.forEach(({ origin, command, outcome }, i) => {
        expect(origin, why).toEqual(commands[i]?.origin);
        expect(answerOf(outcome), `${why}: ${command.type}`).toEqual(model.apply(command, entry.term));
      });
      expectAlike(machine, model, why);
    }
    for (let revision = 1; revision <= model.revision; revision++) {
      expect(eventsOf(machine, revision), `seed ${seed}`).toEqual(model.eventsOf(revision));
      const all = range('\0', '\0', { revision, sortTarget: 'mod', sortOrder: 'descend' });
      expect(answerOf({ ok: true, revision, result: machine.range(all) as never })).toEqual({
        result: model.range(all),
        revision,
      });
    }
  });

  it.each(seeds)('is the same after replay and after restarts from the image, seed %i', (seed) => {
    const prng = new Prng(seed, 'restart');
    const machine = new Machine();
    const image = new ImageDouble();
    const log: Entry[] = [];
    const digests: string[] = [machine.digest()];
    // Each restarted machine goes on beside the live one and must answer alike, to the end.
    let restarted: Machine[] = [];
    for (const { entry, applied } of randomLog(prng, machine, 150)) {
      const why = `seed ${seed}, entry ${entry.index}`;
      log.push(entry);
      digests.push(machine.digest());
      for (const other of restarted) {
        expect(other.apply(entry), why).toEqual(applied);
        expect(other.digestAtIndex(), why).toEqual(machine.digestAtIndex());
        expect(eventsOf(other, other.revision), why).toEqual(eventsOf(machine, machine.revision));
        expect(other.sizeBytes, why).toBe(machine.sizeBytes);
        expect(other.hashKv(0), why).toEqual(machine.hashKv(0));
      }
      if (prng.chance(0.2)) {
        const batch = machine.takeImageBatch();
        expect(batch?.appliedIndex, why).toBe(entry.index);
        if (batch !== undefined) image.write(batch);
        expect(machine.takeImageBatch(), why).toBeUndefined();
        expect(machine.pendingImageBytes, why).toBe(0);
        const loaded = image.load();
        expect(loaded.digestAtIndex(), why).toEqual({ index: entry.index, digest: digests[entry.index] });
        restarted = [...restarted.slice(-2), loaded];
      }
      // A crash: the image as last written, then the log after it once more.
      if (prng.chance(0.1) && image.size > 0) {
        const back = image.load();
        for (const again of log.slice(back.appliedIndex)) {
          back.apply(again);
          expect(back.digest(), why).toBe(digests[again.index]);
        }
        expect(back.leases(), why).toEqual(machine.leases());
      }
    }
    const replayed = new Machine();
    for (const entry of log) {
      replayed.apply(entry);
      expect(replayed.digest(), `seed ${seed}, entry ${entry.index}`).toBe(digests[entry.index]);
    }
    // A restarted machine's own image equals the live one's, byte for byte.
    const [a, b] = [new ImageDouble(), new ImageDouble()];
    const whole = replayed.takeImageBatch();
    if (whole !== undefined) a.write(whole);
    const last = machine.takeImageBatch();
    if (last !== undefined) image.write(last);
    b.write({ ops: image.records(), appliedIndex: machine.appliedIndex });
    expect(a.records()).toEqual(b.records());
  });
});
