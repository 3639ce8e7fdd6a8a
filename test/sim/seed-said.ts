/** What a process that runs seeds says of each: the contract of `seeds-process.ts` and `scripts/sim.ts`. */
import type { CoverageJson } from './coverage.ts';

export interface SeedPassed {
  readonly type: 'passed';
  readonly seed: string;
  readonly simulatedMs: number;
  /** The part of it that was under faults. */
  readonly faultsMs: number;
  readonly cpuMs: number;
  readonly calls: number;
  readonly events: number;
  readonly entries: number;
  readonly crashes: number;
  readonly coverage: CoverageJson;
}

export interface SeedFailed {
  readonly type: 'failed';
  readonly seed: string;
  readonly invariant: string;
  readonly atMs: number;
  readonly message: string;
}

export type SeedSaid = SeedPassed | SeedFailed;
