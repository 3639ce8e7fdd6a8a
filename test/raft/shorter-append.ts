/**
 * A follower whose log goes on where the leader's says something else gets an append that ends before that place, and with it a higher
 * commit index. Leaders send such a thing when the rest does not fit into one message. Only what the append reaches is committed (R5).
 */
import type { Append } from '../../src/raft/message.ts';
import { Violation } from '../sim/violation.ts';
import { entry, LoneMember, restored } from './lone-member.ts';

/** Throws a `Violation` if the follower commits what its leader does not hold. */
export function shorterAppend(): void {
  const follower = new LoneMember(restored(3, [entry(2, 1), entry(3, 1), entry(4, 1)]));
  const append: Append = {
    type: 'append',
    from: 2n,
    to: 1n,
    term: 3,
    prevIndex: 1,
    prevTerm: 1,
    entries: [entry(2, 1)],
    commit: 4,
    round: 0,
  };
  follower.raft.step(append);
  const { commit } = follower.raft;
  if (commit > 2) throw new Violation('R5', `commits ${commit}, of which its leader holds no more than 2`);
}
