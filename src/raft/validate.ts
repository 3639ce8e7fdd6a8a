/**
 * The gate for whatever peers send (house §3): a message that no correct member can have sent is refused as a value, with a
 * sentence for the log, so that no rule behind it ever asserts on peer input. What only our own log can judge (a conflict
 * with committed entries) is refused where it is met. Invariants: R1, R3, R5 against broken peers.
 */
import { peerFrameBytesMax } from '../base/limits.ts';
import type { Entry, MemberId } from '../store/entry.ts';
import { NO_MEMBER } from '../store/entry.ts';
import { decodeMembership, isConfiguration } from './membership.ts';
import type { Append, AppendReply, Message, SnapshotHead } from './message.ts';
import { isMember } from './quorum.ts';
import type { Configuration } from './types.ts';

/** Terms, indexes, rounds and contexts end here: far from where adding one would lose a bit. */
const numberMax = 2 ** 52;

/** Why `message` is refused by member `self`, or undefined if it is sound. */
export function validateMessage(message: Message, self: MemberId, configuration: Configuration): string | undefined {
  const envelope = refuseEnvelope(message, self, configuration);
  if (envelope !== undefined) return envelope;
  switch (message.type) {
    case 'preVote':
    case 'vote':
      if (message.type === 'vote' && !isBoolean(message.transfer)) return 'transfer is no boolean';
      return refusePosition(message.lastIndex, message.lastTerm, message.term - 1, 'last');
    case 'preVoteReply':
    case 'voteReply':
      return isBoolean(message.granted) ? undefined : 'granted is no boolean';
    case 'append':
      return refuseAppend(message);
    case 'appendReply':
      return refuseAppendReply(message);
    case 'heartbeat':
      return isNumber(message.commit) && isNumber(message.round) ? undefined : 'commit or round is no number';
    case 'heartbeatReply':
      return isNumber(message.round) && isBoolean(message.needsSnapshot) ? undefined : 'a malformed heartbeat reply';
    case 'timeoutNow':
      return undefined;
    case 'roundRequest':
      return isNumber(message.boot) && isNumber(message.context) ? undefined : 'boot or context is no number';
    case 'roundReply':
      return [message.boot, message.context, message.index].every(isNumber) ? undefined : 'a malformed round reply';
    default:
      return 'an unknown type of message';
  }
}

/** Why the head of a snapshot stream is refused, or undefined if it is sound. */
export function validateSnapshotHead(
  head: SnapshotHead,
  self: MemberId,
  configuration: Configuration,
): string | undefined {
  const envelope = refuseEnvelope(head, self, configuration);
  if (envelope !== undefined) return envelope;
  const { index, term } = head.meta;
  if (!isNumber(index) || index === 0) return 'a snapshot without an index';
  if (!isNumber(term) || term === 0 || term > head.term) return "a snapshot's term is 0 or beyond its sender's";
  return isConfiguration(head.meta.configuration) ? undefined : 'a snapshot with an impossible configuration';
}

function refuseEnvelope(
  { from, to, term }: { readonly from: MemberId; readonly to: MemberId; readonly term: number },
  self: MemberId,
  configuration: Configuration,
): string | undefined {
  if (to !== self) return 'addressed to another member';
  if (from === self || from === NO_MEMBER) return 'a sender that cannot be';
  if (!isMember(configuration, from)) return 'from a member of another cluster';
  return isNumber(term) && term >= 1 ? undefined : 'a term that cannot be';
}

function refuseAppend(message: Append): string | undefined {
  const { prevIndex, prevTerm, entries, commit, round, term } = message;
  const position = refusePosition(prevIndex, prevTerm, term, 'previous');
  if (position !== undefined) return position;
  if (!isNumber(commit) || !isNumber(round)) return 'commit or round is no number';
  if (!Array.isArray(entries)) return 'entries are no list';
  let bytes = 0;
  let lastTerm = Math.max(prevTerm, 1);
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i] as Entry;
    if (typeof entry !== 'object' || entry === null) return 'an entry that is none';
    if (entry.index !== prevIndex + 1 + i) return 'a gap in the entries';
    if (!isNumber(entry.term) || entry.term < lastTerm || entry.term > term) return 'terms fall, or pass the sender';
    if (!(entry.payload instanceof Uint8Array)) return 'an entry without payload';
    const content = refuseContent(entry);
    if (content !== undefined) return content;
    lastTerm = entry.term;
    bytes += entry.payload.length;
  }
  if (!isNumber(prevIndex + entries.length)) return 'an index that cannot be';
  return bytes <= peerFrameBytesMax ? undefined : 'more payload than one message may carry';
}

function refuseContent({ kind, payload }: Entry): string | undefined {
  switch (kind) {
    case 'empty':
      return payload.length === 0 ? undefined : 'an empty entry with content';
    case 'commands':
      return undefined;
    case 'configuration':
      return decodeMembership(payload) === undefined ? 'an unreadable configuration' : undefined;
    default:
      return 'an unknown kind of entry';
  }
}

function refuseAppendReply(message: AppendReply): string | undefined {
  const { match, hintIndex, hintTerm, round, term } = message;
  if (![match, hintIndex, hintTerm, round].every(isNumber)) return 'an append reply with what is no number';
  if (!isBoolean(message.accepted) || !isBoolean(message.needsSnapshot))
    return 'an append reply with what is no boolean';
  if (message.accepted) return undefined;
  return hintIndex <= match && hintTerm <= term ? undefined : 'a hint beyond what was refused';
}

/** A place in a log: index 0 has term 0, every other a term from 1 to `termMax`. */
function refusePosition(index: number, term: number, termMax: number, what: string): string | undefined {
  if (!isNumber(index) || !isNumber(term)) return `the ${what} index or term is no number`;
  if ((index === 0) !== (term === 0)) return `the ${what} index and term do not belong together`;
  return term <= termMax ? undefined : `the ${what} term is beyond the sender's`;
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= numberMax;
}

function isBoolean(value: unknown): boolean {
  return typeof value === 'boolean';
}
