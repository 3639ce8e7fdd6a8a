/**
 * The question of a member that comes with an empty directory (house §4): has anybody known me with data? Owns the question, the
 * answer's layout and the policy. A member that lost its hard state must never speak again under its old id, or it could vote twice
 * in one term. Invariants: S6, R13.
 */
import type { MemberId } from '../store/entry.ts';
import type { PeerAddress } from './address.ts';
import { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import { type Dialer, dial } from './dial.ts';
import { hex, type Refusal } from './handshake.ts';

/** What a peer knows. */
export interface AskAnswer {
  /** The highest start of the asker that the peer has seen; 0: it does not know it. */
  readonly knownBoot: number;
  /** The peer itself holds nothing yet that the cluster could have acknowledged. */
  readonly fresh: boolean;
}

/** What became of one question. */
export type AskOutcome =
  | ({ readonly type: 'answer' } & AskAnswer)
  | { readonly type: 'refused'; readonly refusal: Refusal }
  | { readonly type: 'silent'; readonly why: string };

/** What the asker does next. `text` is one line for the operator. */
export type StartDecision =
  | { readonly type: 'proceed'; readonly text: string }
  | { readonly type: 'refuse'; readonly text: string }
  | { readonly type: 'wait'; readonly text: string };

/**
 * Decides from the latest answers. Whoever is known stays out. Else it may start when every peer said so, or when it and fresh peers
 * make a quorum: then nothing was ever acknowledged without one of them, and this is the cluster's first formation.
 */
export function decideStart(
  self: MemberId,
  peers: readonly MemberId[],
  outcomes: ReadonlyMap<MemberId, AskOutcome>,
): StartDecision {
  const missing: string[] = [];
  let fresh = 1;
  for (const peer of peers) {
    const outcome = outcomes.get(peer);
    if (outcome?.type === 'answer') {
      if (outcome.knownBoot > 0) {
        const known = `member ${hex(self)} is known to member ${hex(peer)} with data (start ${outcome.knownBoot})`;
        const remedy = 'restore its data directory, or remove it and come back under a new id';
        return { type: 'refuse', text: `${known}, but its data directory is empty: ${remedy}` };
      }
      if (outcome.fresh) fresh++;
    } else if (outcome?.type === 'refused' && isFinal(outcome.refusal)) {
      return { type: 'refuse', text: `member ${hex(peer)} refuses us: ${outcome.refusal.text}` };
    } else {
      missing.push(`${hex(peer)} (${outcome === undefined ? 'not asked' : reasonOf(outcome)})`);
    }
  }
  const quorum = Math.floor((peers.length + 1) / 2) + 1;
  if (missing.length === 0) return { type: 'proceed', text: 'no member of the cluster knows this one with data' };
  if (fresh >= quorum) return { type: 'proceed', text: `first formation: ${fresh} of ${peers.length + 1} are new` };
  return { type: 'wait', text: `empty data directory: waiting for an answer of ${missing.join(', ')}` };
}

/** A refusal that asking again does not change. */
function isFinal(refused: Refusal): boolean {
  return refused.reason === 'clusterMismatch' || refused.reason === 'unknownMember';
}

function reasonOf(outcome: Exclude<AskOutcome, { type: 'answer' }>): string {
  return outcome.type === 'refused' ? outcome.refusal.text : outcome.why;
}

/** Asks one peer, once. */
export async function askPeer(dialer: Dialer, peer: PeerAddress, signal: AbortSignal): Promise<AskOutcome> {
  const dialed = await dial(dialer, peer.member, peer.url, 'ask', signal);
  if (dialed.type === 'refused') return { type: 'refused', refusal: dialed.refusal };
  if (dialed.type === 'failed') return { type: 'silent', why: dialed.why };
  const frame = await dialed.channel.read();
  dialed.channel.end('asked');
  const answer = frame?.type === 'askAnswer' ? readAskAnswer(frame.body) : undefined;
  return answer === undefined ? { type: 'silent', why: 'no readable answer' } : { type: 'answer', ...answer };
}

/** Asks until it is decided; `undefined` if `signal` ended it first. `onWaiting` hears each new reason to wait. */
export async function askUntilDecided(
  dialer: Dialer,
  peers: readonly PeerAddress[],
  signal: AbortSignal,
  onWaiting: (text: string) => void,
): Promise<StartDecision | undefined> {
  const members = peers.map((peer) => peer.member);
  let told = '';
  for (let attempt = 0; !signal.aborted; attempt++) {
    const asked = await Promise.all(
      peers.map(async (peer) => [peer.member, await askPeer(dialer, peer, signal)] as const),
    );
    if (signal.aborted) break;
    const decision = decideStart(dialer.checks.self, members, new Map(asked));
    if (decision.type !== 'wait') return decision;
    if (decision.text !== told) onWaiting(decision.text);
    told = decision.text;
    const { backoffMsMin, backoffMsMax } = dialer.timings;
    await pause(Math.min(backoffMsMax, backoffMsMin * 2 ** Math.min(attempt, 16)), signal);
  }
  return undefined;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}

export function writeAskAnswer(writer: ByteWriter, answer: AskAnswer): void {
  writer.varint(answer.knownBoot);
  writer.bool(answer.fresh);
}

/** Undefined if the bytes are no answer. */
export function readAskAnswer(body: Buffer): AskAnswer | undefined {
  const reader = new ByteReader(body);
  const knownBoot = reader.varint();
  const fresh = reader.bool();
  return reader.finished ? { knownBoot, fresh } : undefined;
}
