/** Who is in the cluster, and with `discover: true`, endpoints that are learnt from that. */
import type { Clock } from '../clock.ts';
import type { CallSettings, Calls } from './calls.ts';
import { parseEndpoint } from './endpoint.ts';
import type { Members } from './members.ts';
import { Rounds } from './rounds.ts';

/** A member of the cluster. */
export interface MemberInfo {
  readonly id: bigint;
  /** Empty for one that has been added and has not started yet. */
  readonly name: string;
  /** Where other members reach it. */
  readonly peerUrls: readonly string[];
  /** Where it says that clients reach it. */
  readonly clientUrls: readonly string[];
  /** A learner does not vote yet, and serves no clients. */
  readonly isLearner: boolean;
}

/** Between two looks while nothing fails. */
const everyMs = 300_000;

/** All members, as far as the one that is asked knows. Rejects with a `LeaseError`. */
export async function memberList(calls: Calls, settings?: CallSettings): Promise<readonly MemberInfo[]> {
  const { members } = await calls.call('memberList', {}, { kind: 'read', withoutLeader: true }, settings);
  return members.map(({ ID, name, peerURLs, clientURLs, isLearner }) => ({
    id: ID,
    name,
    peerUrls: peerURLs,
    clientUrls: clientURLs,
    isLearner,
  }));
}

/** Adds members' client URLs to the endpoints; begins with the first connection, ends with the client. */
export function discover(clock: Clock, members: Members, calls: Calls, given: readonly string[], tls: boolean): void {
  new Rounds(clock, members, everyMs, async () => {
    try {
      const listed = await memberList(calls);
      const urls = listed.filter(({ isLearner }) => !isLearner).flatMap(({ clientUrls }) => clientUrls);
      for (const url of urls) if (isUsable(url, given, tls)) members.add(url);
      return true;
    } catch {
      // The next round asks again.
      return false;
    }
  });
}

/**
 * Whether an address that a member names for itself leads to it from here: one that stands for "all of mine" does not, nor does the
 * member's own loopback unless the given endpoints are on it as well. One without TLS is not used where all that were given have it.
 */
export function isUsable(url: string, given: readonly string[], tls: boolean): boolean {
  const known = given.map((endpoint) => parseEndpoint(endpoint, tls));
  try {
    const { target, secure } = parseEndpoint(url, tls);
    const host = hostOf(target);
    if (isUnspecified(host)) return false;
    if (isLoopback(host) && !known.some((each) => isLoopback(hostOf(each.target)))) return false;
    if (!secure && known.every((each) => each.secure)) return false;
    return !known.some((each) => each.target === target && each.secure === secure);
  } catch {
    return false;
  }
}

function hostOf(target: string): string {
  return target
    .replace(/:\d+$/, '')
    .replace(/^\[|\]$/g, '')
    .toLowerCase();
}

function isUnspecified(host: string): boolean {
  return host === '0.0.0.0' || /^[0:]*:[0:]*$/.test(host);
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}
