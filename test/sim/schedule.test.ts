/** A schedule is plain text and back, and a failure names what broke. */
import { expect, test } from 'vitest';
import { AssertionFailure } from '../../src/base/assert.ts';
import { Failure } from './report.ts';
import { decodeSchedule, encodeSchedule, type Schedule } from './schedule.ts';
import { Violation } from './violation.ts';

const schedule: Schedule = {
  format: 1,
  seed: 0xfedc_ba98_7654_3210n,
  profile: 'usual',
  members: 3,
  clients: 2,
  faultsMs: 60_000,
  noise: {
    loss: 0.1,
    duplicate: 0,
    delayMsMin: 0.2,
    delayMsMax: 3,
    inOrder: false,
    diskMsMin: 0.1,
    diskMsMax: 1,
    diskSlowChance: 0,
    diskSlowMsMax: 0,
    clockRateOff: 0.002,
    clockDrift: 1,
    logTailEntriesMax: 100,
    segmentBytes: 16_384,
    appendBytesMax: 600,
  },
  faults: [{ atMs: 10, kind: 'peersCut', target: { role: 'leader' }, forMs: 500, params: {} }],
  ops: [{ atMs: 1, client: 0, member: 2, op: { type: 'keepAlive', lease: 3 } }],
  core: [0, 2],
};

test('a schedule survives text', () => {
  const text = encodeSchedule(schedule);
  expect(decodeSchedule(text)).toEqual(schedule);
  expect(text.split('\n').filter((line) => line.includes('"atMs"')).length).toBe(2);
  expect(() => decodeSchedule(text.replace('"format": 1', '"format": 2'))).toThrow('format 2');
});

test('a failure names the invariant', () => {
  expect(new Failure(schedule, 5, new Violation('L1', 'too early')).invariant).toBe('L1');
  expect(new Failure(schedule, 5, new AssertionFailure('R9: next > match')).invariant).toBe('assert R9');
  expect(new Failure(schedule, 5, new Error('what')).invariant).toBe('crash');
});
