/** Scripted scenarios of the whole cluster: clean here, each fails with its mutant (`test/mutants`). */
import { test } from 'vitest';
import { leaderDies, linkFlaps } from './failover-scripts.ts';
import {
  askedInTwoBoots,
  cutOffFollowerReturns,
  handedOverAndCut,
  leadersComeAndGo,
  longerOldLog,
  overtakenBySnapshot,
  renewedInTheLastSecond,
  stalledLeader,
} from './scripts.ts';

const scripts = [
  askedInTwoBoots,
  cutOffFollowerReturns,
  handedOverAndCut,
  leaderDies,
  leadersComeAndGo,
  linkFlaps,
  longerOldLog,
  overtakenBySnapshot,
  renewedInTheLastSecond,
  stalledLeader,
];

test.each(scripts)('%o', (script) => {
  for (let seed = 1; seed <= 5; seed++) script(seed);
});
