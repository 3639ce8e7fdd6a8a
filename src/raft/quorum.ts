/**
 * Who decides, as functions of a configuration value (house §3: a quorum is no number). Learners never count.
 * Invariants: R7, R10.
 */
import type { Index, MemberId } from '../store/entry.ts';
import type { Configuration } from './types.ts';

/** How a ballot stands. `lost`: even if all others said yes, there would be no quorum. */
export type Tally = 'won' | 'open' | 'lost';

/** Do the voters for which `has` holds form a quorum? */
export function hasQuorum(configuration: Configuration, has: (voter: MemberId) => boolean): boolean {
  let count = 0;
  for (const voter of configuration.voters) if (has(voter)) count++;
  return count > configuration.voters.length / 2;
}

/** Counts a ballot: yes, no, or no answer yet. */
export function tally(configuration: Configuration, votes: ReadonlyMap<MemberId, boolean>): Tally {
  if (hasQuorum(configuration, (voter) => votes.get(voter) === true)) return 'won';
  return hasQuorum(configuration, (voter) => votes.get(voter) !== false) ? 'open' : 'lost';
}

/** The highest index that a quorum holds, given what each voter holds. */
export function quorumIndex(configuration: Configuration, matchOf: (voter: MemberId) => Index): Index {
  const held = configuration.voters.map(matchOf).sort((a, b) => b - a);
  return held[Math.floor(held.length / 2)] ?? 0;
}

/** Is `member` a voter of this configuration? */
export function isVoter(configuration: Configuration, member: MemberId): boolean {
  return configuration.voters.includes(member);
}

/** Does `member` belong at all, as voter or learner? */
export function isMember(configuration: Configuration, member: MemberId): boolean {
  return configuration.voters.includes(member) || configuration.learners.includes(member);
}
