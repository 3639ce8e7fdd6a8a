/**
 * What must hold of a core at every `takeReady`, cheap enough to stay on in production. A failure is a bug of ours: the
 * process exits and the log replays. Invariants: R1, R6, R7, R8, R9, R14 as far as one member can see them.
 */
import { assert } from '../base/assert.ts';
import type { Core } from './core.ts';
import { isVoter } from './quorum.ts';

/** Fails if the core contradicts itself. Reads only. */
export function assertInvariants(core: Core): void {
  const { log } = core;
  assert(core.commit <= log.lastIndex, 'R7: commit is beyond the log');
  assert(core.handedOut <= core.commit, 'R7: applied is ahead of commit');
  assert(core.handedOut <= log.persisted, 'S1: applied what is not on our own disk');
  assert(core.needsSnapshot || core.handedOut >= log.base.index, 'R11: the log begins above what is applied');
  assert(log.persisted <= log.written && log.written <= log.lastIndex, 'R6: persisted <= written <= last');
  assert(log.lastTerm <= core.term, 'R3: an entry of a future term');
  assert((core.role === 'leader') === (core.leading !== undefined), 'R1: a leader has followers to feed, others none');
  assert((core.role === 'leader') === (core.leader === core.id), 'R1: whoever leads knows it');
  if (core.leading === undefined) return;
  assert(isVoter(core.configuration, core.id) && !core.needsSnapshot, 'R10: only a whole voter leads');
  assert(
    log.term(core.leading.termStart) === core.term || core.leading.termStart <= log.base.index,
    'R8: own-term entry',
  );
  for (const progress of core.leading.followers.values()) {
    assert(progress.next > progress.match, 'R9: next > match');
    assert(progress.match <= log.lastIndex, 'R9: a follower vouches for more than we have');
    assert(progress.next <= log.lastIndex + 1, 'R9: sent more than we have');
  }
}
