/** Slots do what a sorted list would. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Slots } from '../../../src/client/lease/slots.ts';

test('each thing comes up at its time, rounded down to its grain, unless it was removed', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('add'), atMs: fc.integer({ min: 0, max: 2_000 }), grain: fc.constantFrom(1, 4, 64) }),
    fc.record({ do: fc.constant('remove'), which: fc.nat() }),
    fc.record({ do: fc.constant('pass'), ms: fc.integer({ min: 0, max: 200 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const slots = new Slots<{ slotMs: number }>();
      const waiting = new Set<{ slotMs: number }>();
      let nowMs = 0;
      for (const each of steps) {
        if ('atMs' in each) {
          const thing = { slotMs: 0 };
          thing.slotMs = slots.add(thing, nowMs + 64 + each.atMs, each.grain);
          expect(nowMs + 64 + each.atMs - thing.slotMs).toBeGreaterThanOrEqual(0);
          expect(nowMs + 64 + each.atMs - thing.slotMs).toBeLessThan(each.grain);
          waiting.add(thing);
        } else if ('which' in each) {
          const thing = [...waiting][each.which % Math.max(1, waiting.size)];
          if (thing === undefined) continue;
          slots.remove(thing, thing.slotMs);
          waiting.delete(thing);
        } else {
          nowMs += each.ms;
          let lastMs = 0;
          slots.takeDue(nowMs, (thing) => {
            expect(waiting.delete(thing)).toBe(true);
            expect(thing.slotMs).toBeGreaterThanOrEqual(lastMs);
            expect(thing.slotMs).toBeLessThanOrEqual(nowMs);
            lastMs = thing.slotMs;
          });
        }
        const times = [...waiting].map(({ slotMs }) => slotMs);
        expect(slots.nextMs()).toBe(times.length === 0 ? undefined : Math.min(...times));
      }
    }),
  );
});

test('nothing is left of what was removed', () => {
  const slots = new Slots<object>();
  const stays = {};
  slots.add(stays, 5, 1);
  for (let i = 0; i < 10_000; i++) {
    const thing = {};
    slots.remove(thing, slots.add(thing, 1_000_000 + i, 1));
  }
  expect(slots.times).toBeLessThan(200);
  slots.remove(stays, 5);
  expect(slots.times).toBe(0);
  expect(slots.nextMs()).toBeUndefined();
});

test('taken one by one: the earliest first, those of one slot as they came', () => {
  const slots = new Slots<string>();
  const at: Readonly<Record<string, number>> = { a: 9, b: 2, c: 9, d: 5, e: 2 };
  for (const [name, atMs] of Object.entries(at)) slots.add(name, atMs, 4);
  expect(slots.takeFirst()).toBe('b');
  slots.remove('e', 0);
  slots.add('f', 3, 4);
  slots.add('b', 3, 4);
  expect([1, 2, 3, 4, 5, 6].map(() => slots.takeFirst())).toEqual(['f', 'b', 'd', 'a', 'c', undefined]);
  expect(slots.nextMs()).toBeUndefined();
});
