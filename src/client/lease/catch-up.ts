/** What becomes of the renewals that were missed, once there is a stream again: many are not sent all at once. */
import type { Clock } from '../clock.ts';
import type { Kept } from './kept.ts';
import type { Ready } from './ready.ts';
import type { Schedule } from './schedule.ts';
import { catchUpMs } from './timing.ts';

/**
 * Leaves in `ready` what is to be asked for at once - who is urgent, who is waited for, who is not known yet, and the nearest to its
 * deadline in any case, to see whether this member answers - and schedules the rest.
 */
export function catchUp(ready: Ready, schedule: Schedule, clock: Clock): void {
  const nowMs = clock.monotonicMs();
  let first: Kept | undefined;
  let firstLeftMs = Number.POSITIVE_INFINITY;
  for (const kept of ready) {
    if (!kept.known || kept.wantedFrom > 0) continue;
    const leftMs = kept.leftMs(clock);
    const atMs = catchUpMs(kept.dueMs, nowMs, leftMs, kept.ttlMs);
    if (leftMs < firstLeftMs) {
      firstLeftMs = leftMs;
      first = kept;
    }
    if (atMs <= nowMs) continue;
    ready.delete(kept);
    schedule.renewAt(kept, atMs);
  }
  if (first === undefined) return;
  schedule.doNotRenew(first);
  ready.add(first);
}
