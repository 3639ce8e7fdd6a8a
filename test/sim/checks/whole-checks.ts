/**
 * Whole histories, once a run is over: by revisions always, by search on every 20th run and whenever the first one finds something, so
 * that its word does not stand alone.
 */
import type { LeaseId } from '../../../src/state/command.ts';
import type { CallRecord } from '../history.ts';
import type { RunContext } from '../observer.ts';
import { Violation } from '../violation.ts';
import { type CallKnowledge, checkLinearizable, type Expiry, linearOps } from './linearizability.ts';
import type { Life, Lives } from './lives.ts';
import { checkRevisions } from './revision-check.ts';
import type { StateChecks } from './state-checks.ts';

const searchEvery = 20n;
/** Of what only looks: it is tried first anyway. */
const last = Number.MAX_SAFE_INTEGER;

export function checkWhole(context: RunContext, calls: readonly CallRecord[], state: StateChecks, lives: Lives): void {
  const { members, seed } = context;
  const idOf = (member: number): bigint => members[member]?.id ?? 0n;
  try {
    const resolved = checkRevisions(calls, state.places, state.model, idOf);
    if (seed % searchEvery !== 0n) return;
    const known = ({ number }: CallRecord): CallKnowledge => {
      const item = resolved.get(number);
      return { happenedMs: item?.atMs ?? 'never', outcome: item?.applied.outcome, hint: item?.order ?? last };
    };
    const bornBy = ({ number }: CallRecord, id: LeaseId): Life | undefined => {
      const item = resolved.get(number);
      return item?.applied.outcome.ok === true ? lives.bornAt(id, item.position + 1, item.among) : undefined;
    };
    checkLinearizable(linearOps(calls, expiriesOf(context, calls, bornBy), known));
  } catch (error) {
    if (error instanceof Violation && !error.invariant.startsWith('K1'))
      throw new Violation(error.invariant, `${error.what} (${secondOpinion(context, calls, lives)})`);
    throw error;
  }
}

/** The lives that expired, each with the call that granted it. */
function expiriesOf(
  { clocksInSpec }: RunContext,
  calls: readonly CallRecord[],
  bornBy: (call: CallRecord, id: LeaseId) => Life | undefined,
): Expiry[] {
  const expiries: Expiry[] = [];
  for (const record of calls) {
    const { number, call, sentMs } = record;
    if (call.type !== 'command' || call.command.type !== 'grant') continue;
    const life = bornBy(record, call.command.id);
    if (life === undefined || life.cause !== 'expire') continue;
    const promisedMs = Math.max(life.floorMs, sentMs + life.grantedMs);
    expiries.push({
      hint: (life.endedIndex as number) - 1,
      id: life.id,
      grantedBy: number,
      fromMs: clocksInSpec ? promisedMs : sentMs,
      toMs: life.endedMs as number,
    });
  }
  return expiries;
}

/** What the search says, without the log's word on what became of unknown calls. */
function secondOpinion(context: RunContext, calls: readonly CallRecord[], lives: Lives): string {
  const asCalled = ({ number }: CallRecord): CallKnowledge => ({ happenedMs: undefined, hint: number });
  const bornBy = ({ sentMs, endedMs }: CallRecord, id: LeaseId): Life | undefined =>
    lives
      .overlapping(id, sentMs, endedMs ?? sentMs)
      .find(({ bornMs }) => bornMs >= sentMs && bornMs <= (endedMs ?? sentMs));
  try {
    checkLinearizable(linearOps(calls, expiriesOf(context, calls, bornBy), asCalled), 100_000);
    return 'a search finds an order of calls all the same';
  } catch (error) {
    return error instanceof Violation ? `a search: ${error.message}` : 'the search failed';
  }
}
