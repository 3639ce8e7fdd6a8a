/**
 * Handing leadership over (Raft thesis §3.10): no more proposals, the target catches up, `timeoutNow` makes it campaign past
 * the stickiness of the others. Given up after an election timeout. A leader whose disk is stuck hands over by itself.
 * Invariant: R14.
 */
import type { MemberId } from '../store/entry.ts';
import { NO_MEMBER } from '../store/entry.ts';
import type { Core } from './core.ts';
import type { Leading } from './parts.ts';
import type { Progress } from './progress.ts';
import { isVoter } from './quorum.ts';

/** Starts a hand-over to `target` (`NO_MEMBER`: the follower that is furthest). False: not leading, or no such follower. */
export function beginTransfer(core: Core, target: MemberId): boolean {
  const { leading } = core;
  if (leading === undefined) return false;
  if (leading.transferTarget !== NO_MEMBER) return target === NO_MEMBER || target === leading.transferTarget;
  const chosen = target === NO_MEMBER ? furthest(core, leading) : target;
  if (chosen === undefined || chosen === core.id || !isVoter(core.configuration, chosen)) return false;
  const progress = leading.followers.get(chosen);
  if (progress === undefined || !canTakeOver(core, progress)) return false;
  leading.transferTarget = chosen;
  leading.transferElapsed = 0;
  tellTarget(core);
  return true;
}

/** The target acknowledged something, or a heartbeat interval passed: if it holds our whole log, it may campaign. */
export function tellTarget(core: Core): void {
  const { leading, id, term } = core;
  if (leading === undefined || leading.transferTarget === NO_MEMBER) return;
  const to = leading.transferTarget;
  if (leading.followers.get(to)?.match === core.log.lastIndex) core.send({ type: 'timeoutNow', from: id, to, term });
}

/** A tick: a hand-over that takes an election timeout has failed; a stuck disk asks for one. */
export function tickTransfer(core: Core, leading: Leading): void {
  if (leading.transferTarget !== NO_MEMBER && ++leading.transferElapsed >= core.electionTicks) {
    leading.transferTarget = NO_MEMBER;
  }
  if (core.diskStuck) beginTransfer(core, NO_MEMBER);
}

/** Of those that can: one whose connection has not just broken, and of these the one that holds most. */
function furthest(core: Core, leading: Leading): MemberId | undefined {
  let best: MemberId | undefined;
  let bestRank = -1;
  for (const [member, progress] of leading.followers) {
    const rank = progress.match + (progress.state === 'replicate' ? core.log.lastIndex + 1 : 0);
    if (!isVoter(core.configuration, member) || !canTakeOver(core, progress) || rank <= bestRank) continue;
    best = member;
    bestRank = rank;
  }
  return best;
}

/** It lives, and its image is not lost. */
function canTakeOver(core: Core, progress: Progress): boolean {
  return progress.silentTicks <= core.electionTicks && !progress.needsImage && progress.state !== 'snapshot';
}
