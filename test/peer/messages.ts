/** Arbitrary peer messages, for property tests and fuzzing. Built from a `Prng`, so that a seed repeats a run. */
import type { Prng } from '../../src/base/prng.ts';
import type { LeaseAnswer, PeerMessage } from '../../src/node/peer-message.ts';
import type { Entry, EntryKind } from '../../src/store/entry.ts';

export const messageTypes: readonly PeerMessage['type'][] = [
  'preVote',
  'preVoteReply',
  'vote',
  'voteReply',
  'append',
  'appendReply',
  'heartbeat',
  'heartbeatReply',
  'timeoutNow',
  'roundRequest',
  'roundReply',
  'forwardCommands',
  'forwardRefused',
  'forwardQuestions',
  'forwardAnswers',
];

/** A safe integer with all sizes about equally likely. */
export function anyNumber(prng: Prng): number {
  if (prng.chance(0.05)) return Number.MAX_SAFE_INTEGER;
  return Math.floor(2 ** (prng.unit() * 53)) - 1;
}

export function anyBytes(prng: Prng, bytesMax: number): Uint8Array {
  const bytes = new Uint8Array(prng.below(bytesMax + 1));
  for (let i = 0; i < bytes.length; i++) bytes[i] = prng.below(256);
  return bytes;
}

function list<T>(prng: Prng, lengthMax: number, make: () => T): T[] {
  return Array.from({ length: prng.below(lengthMax + 1) }, make);
}

function anyEntry(prng: Prng): Entry {
  return {
    index: anyNumber(prng),
    term: anyNumber(prng),
    kind: prng.pick<EntryKind>(['empty', 'commands', 'configuration']),
    payload: anyBytes(prng, prng.chance(0.02) ? 20_000 : 60),
  };
}

function anyAnswer(prng: Prng): LeaseAnswer {
  const seq = anyNumber(prng);
  const type = prng.pick<LeaseAnswer['type']>(['alive', 'gone', 'unavailable']);
  if (type !== 'alive') return { seq, type };
  return { seq, type, grantedMs: anyNumber(prng), remainingMs: (prng.unit() - 0.3) * 1e12 };
}

/** A message of the given type between the given ends. */
export function anyMessageOf(prng: Prng, type: PeerMessage['type'], from: bigint, to: bigint): PeerMessage {
  const number = (): number => anyNumber(prng);
  const flag = (): boolean => prng.chance(0.5);
  const ends = { from, to, term: number() };
  switch (type) {
    case 'preVote':
      return { ...ends, type, lastIndex: number(), lastTerm: number() };
    case 'preVoteReply':
    case 'voteReply':
      return { ...ends, type, granted: flag() };
    case 'vote':
      return { ...ends, type, lastIndex: number(), lastTerm: number(), transfer: flag() };
    case 'append': {
      const entries = list(prng, 5, () => anyEntry(prng));
      return { ...ends, type, prevIndex: number(), prevTerm: number(), entries, commit: number(), round: number() };
    }
    case 'appendReply': {
      const hint = { hintIndex: number(), hintTerm: number() };
      return { ...ends, type, accepted: flag(), match: number(), ...hint, needsSnapshot: flag(), round: number() };
    }
    case 'heartbeat':
      return { ...ends, type, commit: number(), round: number() };
    case 'heartbeatReply':
      return { ...ends, type, round: number(), needsSnapshot: flag() };
    case 'timeoutNow':
      return { ...ends, type };
    case 'roundRequest':
      return { ...ends, type, boot: number(), context: number() };
    case 'roundReply':
      return { ...ends, type, boot: number(), context: number(), index: number() };
    case 'forwardCommands':
      return { ...ends, type, boot: number(), batch: number(), commands: list(prng, 5, () => anyBytes(prng, 80)) };
    case 'forwardRefused':
      return {
        ...ends,
        type,
        boot: number(),
        why: prng.pick(['overloaded', 'noSpace'] as const),
        seqs: list(prng, 8, number),
      };
    case 'forwardQuestions': {
      const questions = list(prng, 8, () => ({
        seq: number(),
        kind: prng.pick(['keepAlive', 'timeToLive'] as const),
        id: BigInt.asIntN(64, prng.uint64()),
      }));
      return { ...ends, type, boot: number(), questions };
    }
    case 'forwardAnswers':
      return { ...ends, type, boot: number(), answers: list(prng, 8, () => anyAnswer(prng)) };
  }
}

export function anyMessage(prng: Prng): PeerMessage {
  return anyMessageOf(prng, prng.pick(messageTypes), prng.uint64(), prng.uint64());
}
