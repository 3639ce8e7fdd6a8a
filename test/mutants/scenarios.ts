/** Scripted scenarios by name, each made for one kind of bug; they pass on the clean tree, and a mutant makes them fail. */
import { shorterAppend } from '../raft/shorter-append.ts';
import { leaderDies, linkFlaps } from '../sim/failover-scripts.ts';
import { modelCases, runModelCase } from '../sim/lease-model-cases.ts';
import { comesBackWhileItWaits, leapUnderWatches, streamFailsForGood, sweepOfALostTerm } from '../sim/rare-scripts.ts';
import {
  askedInTwoBoots,
  checkpointInFlight,
  cutAtEveryStage,
  cutOffFollowerReturns,
  handedOverAndCut,
  leadersComeAndGo,
  longerOldLog,
  overtakenBySnapshot,
  peersCut,
  renewedInTheLastSecond,
  stalledLeader,
} from '../sim/scripts.ts';

/** Runs the scenario with the jitter of `seed`. Throws what breaks. */
export type Scenario = (seed: number) => void;

export const scenarios: Readonly<Record<string, Scenario>> = {
  'peers-cut': peersCut,
  'cut-at-every-stage': cutAtEveryStage,
  'cut-off-follower-returns': cutOffFollowerReturns,
  'stalled-leader': stalledLeader,
  'leaders-come-and-go': leadersComeAndGo,
  'renewed-in-the-last-second': renewedInTheLastSecond,
  'checkpoint-in-flight': checkpointInFlight,
  'handed-over-and-cut': handedOverAndCut,
  'longer-old-log': longerOldLog,
  'overtaken-by-a-snapshot': overtakenBySnapshot,
  'leader-dies': leaderDies,
  'link-flaps': linkFlaps,
  'asked-in-two-boots': askedInTwoBoots,
  'stream-fails-for-good': streamFailsForGood,
  'sweep-of-a-lost-term': sweepOfALostTerm,
  'leap-under-watches': leapUnderWatches,
  'comes-back-while-it-waits': comesBackWhileItWaits,
  'shorter-append': shorterAppend,
  ...Object.fromEntries(modelCases.map((one) => [`model-${one.number}`, () => runModelCase(one)])),
};
