/** Nothing may look green that was not run. */
import { expect, it } from 'vitest';
import { stepLine } from '../../scripts/steps.ts';
import { settle, summaryLine } from '../../scripts/vitest-run.ts';

it('a run without counts is one failure', () => {
  expect(settle(undefined, true)).toEqual({ passed: 0, failed: 1, skipped: 0 });
});

it('a bad exit without a failed test is one failure', () => {
  expect(settle({ passed: 5, failed: 0, skipped: 0 }, false)).toEqual({ passed: 5, failed: 1, skipped: 0 });
  expect(settle({ passed: 5, failed: 2, skipped: 0 }, false)).toEqual({ passed: 5, failed: 2, skipped: 0 });
});

it('a run of nothing is one failure', () => {
  expect(settle({ passed: 0, failed: 0, skipped: 3 }, true)).toEqual({ passed: 0, failed: 1, skipped: 3 });
});

it('a good run stays as it is', () => {
  expect(settle({ passed: 7, failed: 0, skipped: 1 }, true)).toEqual({ passed: 7, failed: 0, skipped: 1 });
});

it('ends with the line CI reads', () => {
  expect(summaryLine({ passed: 12, failed: 0, skipped: 0 })).toBe('12 passed, 0 failed');
  expect(summaryLine({ passed: 12, failed: 3, skipped: 2 })).toBe('12 passed, 3 failed, 2 skipped');
  expect(stepLine(true, 'types', 1.25)).toMatch(/^ok {3}types +1\.[23] s$/);
});
