/** Scripted runs of what is rare: clean here, each fails with its mutant (`test/mutants`). */
import { test } from 'vitest';
import { comesBackWhileItWaits, leapUnderWatches, streamFailsForGood, sweepOfALostTerm } from './rare-scripts.ts';

test.each([comesBackWhileItWaits, leapUnderWatches, streamFailsForGood, sweepOfALostTerm])('%o', (script) => {
  for (let seed = 1; seed <= 6; seed++) script(seed);
});
