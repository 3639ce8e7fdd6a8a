/** What comes out of a run: a report, or a failure that names what broke. Values only; `run.ts` makes them. */
import { AssertionFailure } from '../../src/base/assert.ts';
import type { FaultKind } from './fault-kinds.ts';
import type { CallOutcome } from './history.ts';
import type { Observer, RunContext } from './observer.ts';
import type { Schedule } from './schedule.ts';
import { Violation } from './violation.ts';

/** `runSchedule(schedule, hooks)`. @public */
export interface RunHooks {
  /** Of every member; large enough for all schedules if not given. */
  readonly quotaBytes?: number | undefined;
  /** Makes the checks of the run; default: all of them. */
  readonly observe?: (context: RunContext) => Observer;
  /** Told in words what happens; costs much. `member` is 0-based, -1: the world or a client. */
  readonly trace?: (atMs: number, member: number, text: string) => void;
}

/** What a run that broke nothing did. @public */
export interface RunReport {
  readonly schedule: Schedule;
  /** Of everything that was delivered and applied, in order: one schedule, one hash. */
  readonly traceHash: string;
  readonly simulatedMs: number;
  readonly events: number;
  readonly entries: number;
  readonly term: number;
  /** Client calls by how they ended, and their sum. */
  readonly calls: ReadonlyMap<CallOutcome, number>;
  readonly callCount: number;
  readonly watchEvents: number;
  /** Faults that struck (those that waited for an event that never came are not counted). */
  readonly faults: ReadonlyMap<FaultKind, number>;
  readonly faultCount: number;
  readonly crashes: number;
  readonly installs: number;
  readonly ruined: number;
  readonly expiries: number;
  /** How often a client was told that it holds a lock, and writes of former holders that a resource with an eye on tokens turned away. */
  readonly lockTurns: number;
  readonly turnedAway: number;
}

/** A run that broke something. `invariant` is the violated one, `assert R9` for an assert of the node, else `crash`. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly invariant: string;
  readonly schedule: Schedule;
  readonly atMs: number;

  constructor(schedule: Schedule, atMs: number, cause: unknown) {
    const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    super(`seed 0x${schedule.seed.toString(16)} (${schedule.profile}) at ${atMs.toFixed(3)} ms: ${text}`, { cause });
    this.invariant = invariantOf(cause);
    this.schedule = schedule;
    this.atMs = atMs;
  }
}

function invariantOf(cause: unknown): string {
  if (cause instanceof Violation) return cause.invariant;
  if (!(cause instanceof AssertionFailure)) return 'crash';
  const named = /^([A-Z]\d+)/.exec(cause.message)?.[1];
  return named === undefined ? 'assert' : `assert ${named}`;
}
