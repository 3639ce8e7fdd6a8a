/** All mutants in the order of the table, and the five that `npm test` plants because they are caught soonest. */
import { compactionMutants } from './compaction-mutants.ts';
import { etcdMutants } from './etcd-mutants.ts';
import { expiryMutants } from './expiry-mutants.ts';
import { holderMutants } from './holder-mutants.ts';
import { leaseStateMutants } from './lease-state-mutants.ts';
import { lockMutants } from './lock-mutants.ts';
import { modelMutants } from './model-mutants.ts';
import type { Mutant } from './mutant.ts';
import { raftMutants } from './raft-mutants.ts';
import { renewalMutants } from './renewal-mutants.ts';
import { storageMutants } from './storage-mutants.ts';
import { strangerMutants } from './stranger-mutants.ts';
import { watchMutants } from './watch-mutants.ts';

export const mutants: readonly Mutant[] = [
  ...raftMutants,
  ...storageMutants,
  ...renewalMutants,
  ...expiryMutants,
  ...leaseStateMutants,
  ...watchMutants,
  ...lockMutants,
  ...compactionMutants,
  ...etcdMutants,
  ...modelMutants,
  ...strangerMutants,
  ...holderMutants,
];

/** Ids of the fastest, as measured by `npm run mutants`. */
export const fastest: readonly string[] = ['M05', 'M01', 'M22', 'M45', 'M43'];
