/** --auto-compaction-mode and --auto-compaction-retention, as etcd reads them: a number of hours or a duration, or of revisions. */
import { parseDurationMs } from '../base/argv.ts';
import { ConfigMistake } from './config-mistake.ts';

/** What the two flags come to; `server/auto-compaction.ts` says what it means. */
export type AutoCompactionFlags =
  | { readonly mode: 'periodic'; readonly periodMs: number }
  | { readonly mode: 'revision'; readonly revisions: number };

const hourMs = 3_600_000;
/** A tenth of it is the time between two looks. */
const leastMs = 1_000;
const mostMs = 10 * 365 * 24 * hourMs;

/** Undefined for 0, the default: nothing is compacted unless a client asks. */
export function autoCompactionOf(textOf: (flag: string) => string): AutoCompactionFlags | undefined {
  const [mode, text] = [textOf('auto-compaction-mode'), textOf('auto-compaction-retention')];
  if (mode !== 'periodic' && mode !== 'revision')
    throw new ConfigMistake('auto-compaction-mode', `${JSON.stringify(mode)} is not one of periodic, revision`);
  const flag = 'auto-compaction-retention';
  const number = /^\+?\d+$/.test(text) ? Number(text) : undefined;
  if (mode === 'revision') {
    if (number === undefined || !Number.isSafeInteger(number))
      throw new ConfigMistake(flag, `${JSON.stringify(text)} is no number of revisions to keep, as in 1000`);
    return number === 0 ? undefined : { mode, revisions: number };
  }
  const periodMs = number === undefined ? parseDurationMs(text) : number * hourMs;
  if (periodMs === 0) return undefined;
  if (periodMs === undefined || periodMs < leastMs || periodMs > mostMs)
    throw new ConfigMistake(
      flag,
      `${JSON.stringify(text)} is no time to keep, of 1s or more, as in 30m, or 8 for hours`,
    );
  return { mode, periodMs };
}
