import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { Wheel } from '../../src/base/wheel.ts';

/** Everything due, taken out in the wheel's order. */
function takeAll(wheel: Wheel, nowMs: number): number[] {
  const slots: number[] = [];
  for (let slot = wheel.peekDue(nowMs); slot >= 0; slot = wheel.peekDue(nowMs)) {
    wheel.take(slot);
    slots.push(slot);
  }
  return slots;
}

test('a slot comes out at its millisecond, not before, and keeps its due time until it is removed', () => {
  const wheel = new Wheel(0);
  wheel.set(3, 100.25);
  expect(wheel.advance(100.9, 100)).toBe(true);
  expect(wheel.peekDue(100.9)).toBe(-1);
  wheel.advance(101, 100);
  expect(takeAll(wheel, 101)).toEqual([3]);
  expect(wheel.has(3)).toBe(false);
  expect(wheel.dueAt(3)).toBe(100.25);
  wheel.putBack(3);
  expect(takeAll(wheel, 101)).toEqual([3]);
  wheel.remove(3);
  expect(wheel.dueAt(3)).toBe(0);
});

test('putting off is found out late and honoured; a slot put off while due goes back', () => {
  const wheel = new Wheel(0);
  wheel.set(0, 10);
  wheel.set(1, 10);
  wheel.raise(0, 5);
  expect(wheel.dueAt(0)).toBe(10);
  wheel.raise(0, 500);
  wheel.advance(10, 100);
  expect(wheel.dueCount).toBe(1);
  wheel.raise(1, 400);
  expect(wheel.dueCount).toBe(0);
  wheel.advance(499, 100);
  expect(takeAll(wheel, 499)).toEqual([1]);
  wheel.advance(500, 100);
  expect(takeAll(wheel, 500)).toEqual([0]);
});

test('raising a slot that is not in the wheel keeps the time and does not put it in', () => {
  const wheel = new Wheel(0);
  wheel.raise(5_000, 7);
  expect(wheel.has(5_000)).toBe(false);
  expect(wheel.dueAt(5_000)).toBe(7);
  wheel.advance(1_000, 100);
  expect(wheel.dueCount).toBe(0);
});

test('a set to an earlier time moves the slot; what is due already comes with the next millisecond', () => {
  const wheel = new Wheel(0);
  wheel.set(0, 1e9);
  wheel.set(0, 20);
  wheel.advance(50, 100);
  expect(takeAll(wheel, 50)).toEqual([0]);
  wheel.set(1, 3);
  wheel.advance(51, 100);
  expect(takeAll(wheel, 51)).toEqual([1]);
});

test('285 years: the largest TTL is neither early nor lost (M25)', () => {
  const wheel = new Wheel(123.5);
  const due = 123.5 + 9e12 * 1.002;
  wheel.set(0, due);
  wheel.set(1, 2 ** 31 + 5);
  wheel.set(2, 2 ** 32 + 5);
  wheel.advance(2 ** 31, 1e6);
  expect(wheel.peekDue(2 ** 31)).toBe(-1);
  wheel.advance(2 ** 33, 1e6);
  expect(takeAll(wheel, 2 ** 33)).toEqual([1, 2]);
  for (let nowMs = 2 ** 33; nowMs < due - 1; nowMs += 1e11) wheel.advance(Math.min(nowMs, due - 1), 1e9);
  wheel.advance(due - 1, 1e9);
  expect(wheel.peekDue(due - 1)).toBe(-1);
  wheel.advance(due + 1, 1e9);
  expect(takeAll(wheel, due + 1)).toEqual([0]);
});

test('a budget of moves splits the work without losing or reordering anything', () => {
  const wheel = new Wheel(0);
  for (let slot = 0; slot < 1000; slot++) wheel.set(slot, 70_000 + slot);
  const out: number[] = [];
  let calls = 0;
  while (!wheel.advance(80_000, 64)) {
    calls++;
    out.push(...takeAll(wheel, 80_000));
  }
  out.push(...takeAll(wheel, 80_000));
  expect(calls).toBeGreaterThan(15);
  expect(out).toEqual(Array.from({ length: 1000 }, (_, slot) => slot));
});

test('the next deadline is found by a short look, or not at all', () => {
  const wheel = new Wheel(0);
  for (let slot = 0; slot < 10; slot++) wheel.set(slot, 10 + slot);
  wheel.advance(5, 1e9);
  expect(wheel.nextDue(9, 64)).toBeUndefined();
  expect(wheel.nextDue(25, 64)).toBe(10);
  for (let slot = 0; slot < 5; slot++) wheel.raise(slot, 5_000);
  expect(wheel.nextDue(25, 64)).toBe(15);
  expect(wheel.nextDue(25, 5)).toBeUndefined();
  for (let slot = 5; slot < 10; slot++) wheel.remove(slot);
  // What lies farther out has to come down at 256 if there is anything.
  expect(wheel.nextDue(300, 64)).toBeUndefined();
  wheel.set(11, 270);
  expect(wheel.nextDue(300, 64)).toBe(256);
});

test('taking or putting back in the wrong state is a bug of ours and said so', () => {
  const wheel = new Wheel(0);
  expect(() => wheel.take(0)).toThrow('wheel');
  wheel.set(0, 5);
  expect(() => wheel.putBack(0)).toThrow('wheel');
  wheel.remove(77);
});

test('agrees with a list of times over random sets, raises, removes, budgets and leaps', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const prng = new Prng(seed, 'wheel');
    const why = `seed ${seed}`;
    let nowMs = prng.unit() * 1e7;
    const wheel = new Wheel(nowMs);
    const due = new Map<number, number>();
    const span = (): number => prng.unit() * prng.pick([3, 300, 3e4, 3e6, 1e8, 1e10]);
    for (let step = 0; step < 300; step++) {
      const slot = prng.below(40);
      const dice = prng.unit();
      if (dice < 0.4) {
        const at = nowMs + span();
        wheel.set(slot, at);
        due.set(slot, at);
      } else if (dice < 0.55) {
        const at = due.get(slot);
        if (at === undefined) continue;
        const later = nowMs + span();
        wheel.raise(slot, later);
        due.set(slot, Math.max(at, later));
      } else if (dice < 0.65) {
        wheel.remove(slot);
        due.delete(slot);
      } else {
        nowMs += span();
        const movesMax = prng.pick([1, 3, 1000]);
        while (!wheel.advance(nowMs, movesMax)) {
          if (!prng.chance(0.5)) continue;
          const early = prng.below(40);
          wheel.raise(early, nowMs + 9);
          const at = due.get(early);
          if (at !== undefined) due.set(early, Math.max(at, nowMs + 9));
          else wheel.remove(early);
        }
        const out = takeAll(wheel, nowMs);
        for (const taken of out)
          if ((due.get(taken) ?? Number.NaN) <= nowMs !== true) expect.fail(`${why} step ${step}: early`);
        // What was due a whole millisecond ago may not be missing.
        for (const taken of out) due.delete(taken);
        for (const [left, at] of due)
          expect(at, `${why} step ${step}: slot ${left} is late`).toBeGreaterThan(nowMs - 1);
        for (const taken of out) wheel.remove(taken);
        // The next look may come for nothing, but never after something fell due.
        const first = Math.min(...[...due.values()].map((at) => Math.ceil(at)));
        const next = wheel.nextDue(nowMs + 1_000, 1e9);
        if (first <= nowMs + 1_000) expect(next, `${why} step ${step}: a look too late`).toBeLessThanOrEqual(first);
      }
    }
  }
});
