/**
 * A snapshot takes the place of image and log. The decision is the core's (is it new enough, what of our log stays), the
 * disk's work is the node's; between `beginInstall` and `installed` nothing else is written, appended or handed out.
 * Invariants: R11 (commit and applied never fall; a suffix that matches stays), M16.
 */
import { assert } from '../base/assert.ts';
import type { WriteGroup } from '../store/entry.ts';
import { NO_MEMBER } from '../store/entry.ts';
import type { Core } from './core.ts';
import { accept } from './follower.ts';
import type { SnapshotHead } from './message.ts';
import { validateSnapshotHead } from './validate.ts';

/** The log that goes with the snapshot, or undefined if it is refused: malformed, of an old term, or not newer than we are. */
export function beginInstall(core: Core, head: SnapshotHead): WriteGroup | undefined {
  const refusal = validateSnapshotHead(head, core.id, core.configuration);
  if (refusal !== undefined) {
    core.refuse(refusal);
    return undefined;
  }
  if (core.writeOutstanding || head.term < core.term) return undefined;
  if (head.term === core.term) {
    if (core.role === 'leader' || (core.leader !== NO_MEMBER && core.leader !== head.from)) {
      core.refuse('a snapshot of a second leader in one term');
      return undefined;
    }
  }
  core.becomeFollower(head.term, head.from);
  const { log, commit } = core;
  const { index, term } = head.meta;
  // With its image lost a member needs this one even for what it had applied before; only a hole in the log forbids it.
  if (core.needsSnapshot ? index < log.base.index : index <= commit) return undefined;
  const held = log.term(index) === term;
  if (!held && index <= commit) {
    core.refuse('a snapshot that contradicts what is committed');
    return undefined;
  }
  const entries = held ? log.slice(index + 1, log.lastIndex, Number.POSITIVE_INFINITY) : [];
  return { hardState: core.installBegins(head, Math.max(commit, index)), entries };
}

/** Snapshot and log are on disk: the state below the log's new base is the image's. Tells the leader. */
export function installed(core: Core): void {
  const { head } = core.installDone();
  const { index, term, configuration } = head.meta;
  core.log.install({ index, term });
  core.configurations.install(
    configuration,
    index,
    core.log.slice(index + 1, core.log.lastIndex, Number.POSITIVE_INFINITY),
  );
  core.commitTo(index);
  core.handedOut = index;
  core.needsSnapshot = false;
  assert(core.commit <= core.log.lastIndex, 'R11: the new log ends below what was committed');
  if (core.term === head.term && core.leader === head.from) accept(core, head.from, core.commit, 0);
}
