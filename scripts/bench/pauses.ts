/** Pauses of the members' event loops, as their metrics tell them. */
import { type MemberProcess, metric } from '../../test/cluster/processes.ts';

/**
 * The longest pause of any of these since their metrics were read last, or since their start, in milliseconds. Up to 10 of them are the
 * meter's own, which looks that often. Reading forgets it, whoever reads.
 */
export async function longestPauseMs(members: readonly MemberProcess[]): Promise<number> {
  const seconds = await Promise.all(members.map((member) => metric(member, 'nodejs_eventloop_lag_max_seconds')));
  return 1_000 * Math.max(...seconds.map((each) => each ?? Number.NaN));
}

/** No pause of a member may be longer than this, in promotion, expiry or snapshot. */
export const pauseMsMax = 100;
