/** Carries out what `auto-compaction.ts` decides: one proposal at a time, and a line in the log for each. */
import type { Log } from '../ops/log.ts';
import type { Member } from '../rpc/member.ts';
import { type AutoCompactionRule, autoCompaction } from './auto-compaction.ts';

/** To be called every so often; never rejects. */
export interface AutoCompactor {
  readonly everyMs: number;
  step(): Promise<void>;
}

/** Undefined without a rule: nothing is compacted unless a client asks. `clock` in milliseconds, never going back. */
export function autoCompactor(
  rule: AutoCompactionRule | undefined,
  member: Pick<Member, 'state' | 'status' | 'propose'>,
  log: Pick<Log, 'info' | 'warn'>,
  clock: () => number,
): AutoCompactor | undefined {
  if (rule === undefined) return undefined;
  const compaction = autoCompaction(rule, clock(), member.state.revision);
  let underWay = false;
  const step = async (): Promise<void> => {
    const revision = compaction.look(clock(), member.state.revision, !underWay && member.status().isLeader);
    if (revision === undefined) return;
    underWay = true;
    try {
      const patience = { timeoutMs: undefined, signal: new AbortController().signal };
      const outcome = await member.propose({ type: 'compact', revision }, patience);
      if (!outcome.ok && outcome.refusal !== 'compacted') throw new Error(outcome.refusal);
      compaction.done(clock(), revision);
      log.info('compacted by itself', { revision, ...rule });
    } catch (error) {
      log.warn('cannot compact by itself', { revision, ...rule, error });
    } finally {
      underWay = false;
    }
  };
  return { everyMs: compaction.everyMs, step };
}
