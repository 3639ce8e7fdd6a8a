/** What a process that runs rounds says of each, one JSON object a line: the contract of `rounds-process.ts` and `scripts/holders.ts`. */
import type { RoundReport } from './round.ts';

export interface RoundPassed {
  readonly type: 'passed';
  readonly seed: string;
  readonly kind: string;
  readonly cpuMs: number;
  readonly report: RoundReport;
}

export interface RoundFailed {
  readonly type: 'failed';
  readonly seed: string;
  readonly kind: string;
  readonly invariant: string;
  readonly message: string;
}

export type RoundSaid = RoundPassed | RoundFailed;

/** Runs of rounds, summed up. */
export class Totals {
  rounds = 0;
  simulatedMs = 0;
  cpuMs = 0;
  readonly kinds: Record<string, number> = {};
  readonly faults: Record<string, number> = {};
  holds = 0;
  writes = 0;
  changes = 0;
  looks = 0;
  looksLost = 0;
  timedOut = 0;
  turnedAway = 0;
  overlaps = 0;
  stale = 0;

  add({ report, kind, cpuMs }: Pick<RoundPassed, 'report' | 'kind' | 'cpuMs'>): void {
    this.rounds++;
    this.cpuMs += cpuMs;
    this.kinds[kind] = (this.kinds[kind] ?? 0) + 1;
    for (const [fault, count] of Object.entries(report.faults)) this.faults[fault] = (this.faults[fault] ?? 0) + count;
    this.simulatedMs += report.simulatedMs;
    this.holds += report.holds;
    this.writes += report.writes;
    this.changes += report.changes;
    this.looks += report.looks;
    this.looksLost += report.looksLost;
    this.timedOut += report.timedOut;
    this.turnedAway += report.turnedAway;
    this.overlaps += report.overlaps;
    this.stale += report.stale;
  }
}
