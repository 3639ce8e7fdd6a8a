/** Who the cluster's first members are, as every member derives it from the same flags. */
import type { MemberConfig } from '../ops/config.ts';
import { type InitialMembership, initialMembership, memberIdOf } from '../raft/membership.ts';
import type { MemberId } from '../store/entry.ts';

export interface FirstMembership extends InitialMembership {
  /** This member. */
  readonly self: MemberId;
}

/** The configuration has checked names, URLs and that this member is on the list. */
export function firstMembership(config: MemberConfig): FirstMembership {
  const token = config.initialClusterToken;
  const members = config.initialCluster.map(({ name, peerUrl }) => {
    return { id: memberIdOf(token, name, [peerUrl]), name, peerUrls: [peerUrl] };
  });
  return { ...initialMembership(token, members), self: memberIdOf(token, config.name, [config.advertisePeerUrl]) };
}
