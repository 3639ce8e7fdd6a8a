/** How long clients' commands wait for each other. */
import { beforeEach, expect, test } from 'vitest';
import { gatherCommandsMax, gatherFreshMsMax, gatherMsMax, gatherTurnsMax } from '../../src/base/limits.ts';
import { Gathering } from '../../src/node/gathering.ts';

let alarms: number[] = [];
let gathering = new Gathering({ wakeIn: () => {} });

beforeEach(() => {
  alarms = [];
  gathering = new Gathering({ wakeIn: (delayMs) => void alarms.push(delayMs) });
});

test('before the first answer, and long after one, nobody waits', () => {
  expect(gathering.mayGo(1, 0)).toBe(true);
  gathering.answered(10, 0, 5);
  expect(gathering.mayGo(1, 5 + gatherFreshMsMax + 0.1)).toBe(true);
  expect(alarms).toEqual([]);
});

test('a lone client does not wait', () => {
  for (let nowMs = 0; nowMs < 100; nowMs++) {
    gathering.answered(1, 0, nowMs);
    expect(gathering.mayGo(1, nowMs)).toBe(true);
  }
  expect(alarms).toEqual([]);
});

test('after an answer commands wait until all are there that were answered or waited then', () => {
  gathering.answered(6, 4, 10);
  expect(gathering.mayGo(4, 10)).toBe(false);
  expect(gathering.mayGo(9, 10.25)).toBe(false);
  expect(gathering.mayGo(10, 10.5)).toBe(true);
  expect(alarms).toEqual([gatherMsMax, gatherMsMax - 0.25]);
});

test('but no longer than the moment, from the first of them on', () => {
  gathering.answered(10, 0, 10);
  expect(gathering.mayGo(1, 12)).toBe(false);
  expect(gathering.mayGo(2, 12 + gatherMsMax - 0.1)).toBe(false);
  expect(gathering.mayGo(2, 12 + gatherMsMax)).toBe(true);
});

test('nor if the clock stands still', () => {
  gathering.answered(10, 0, 10);
  let turns = 1;
  while (!gathering.mayGo(1, 10)) turns++;
  expect(turns).toBe(gatherTurnsMax);
});

test('and not for more than make an entry worth its cost', () => {
  gathering.answered(10 * gatherCommandsMax, 0, 10);
  expect(gathering.mayGo(gatherCommandsMax - 1, 10)).toBe(false);
  expect(gathering.mayGo(gatherCommandsMax, 10.5)).toBe(true);
});

/** One answer of ten, and then `come` commands within the moment; returns whether they waited. */
function waited(come: number, nowMs: number): boolean {
  gathering.answered(10, 0, nowMs);
  if (gathering.mayGo(1, nowMs)) return false;
  if (!gathering.mayGo(come, nowMs + gatherMsMax / 2)) expect(gathering.mayGo(come, nowMs + gatherMsMax)).toBe(true);
  return true;
}

test('where those who were answered do not come back, waiting ends, but is tried now and then, and begins again when they do', () => {
  const share = (come: number, rounds: number): number => {
    let waits = 0;
    for (let round = 0; round < rounds; round++) if (waited(come, round * 10)) waits++;
    return waits / rounds;
  };
  expect(share(10, 100)).toBe(1);
  share(2, 20);
  expect(share(2, 640)).toBeCloseTo(1 / 32, 3);
  share(10, 640);
  expect(share(10, 100)).toBe(1);
});
