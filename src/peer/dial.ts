/**
 * Opens a connection to a member and shakes hands: the dialer's half of `acceptor.ts`. Used by links, snapshots and questions.
 * Ends in an open channel, a refusal, or a plain failure; never throws for what a network can do.
 */
import { connect } from 'node:net';
import type { MemberId } from '../store/entry.ts';
import { parsePeerUrl } from './address.ts';
import { Channel } from './channel.ts';
import {
  type BootVerdict,
  checkAcceptor,
  type Hello,
  type HelloChecks,
  hex,
  type Purpose,
  type Refusal,
  readHello,
  readRefusal,
  refusal,
  writeHello,
} from './handshake.ts';
import type { PeerTimings } from './timings.ts';

/** Remembers how often members were seen to start, over our own restarts (S6). */
export interface KnownBoots {
  /** The highest boot seen, 0 if none. */
  seen(member: MemberId): number;
  /** Tells starts of one number apart by their token. Without it only the number counts. */
  check?(member: MemberId, boot: number, token: bigint): BootVerdict;
  /** Called for every connection of a member; resolves when this start, and all noted before, are on disk. May overlap. */
  note(member: MemberId, boot: number, token: bigint): Promise<void>;
}

/** Everything a dialer needs to know of itself. */
export interface Dialer {
  readonly checks: HelloChecks;
  readonly knownBoots: KnownBoots;
  readonly timings: PeerTimings;
}

export type Dialed =
  | { readonly type: 'open'; readonly channel: Channel }
  /** `by` says who refused: the peer us, or we the peer. */
  | { readonly type: 'refused'; readonly by: 'peer' | 'us'; readonly refusal: Refusal }
  | { readonly type: 'failed'; readonly why: string };

/** Dials `target` at `url`. `signal` gives up at once. */
export async function dial(
  dialer: Dialer,
  target: MemberId,
  url: string,
  purpose: Purpose,
  signal: AbortSignal,
): Promise<Dialed> {
  if (signal.aborted) return { type: 'failed', why: 'stopped' };
  const { host, port } = parsePeerUrl(url);
  const socket = connect({ host, port });
  const channel = new Channel(socket);
  const timer = setTimeout(() => channel.end('handshake timed out'), dialer.timings.handshakeMs);
  const stop = (): void => channel.end('stopped');
  signal.addEventListener('abort', stop, { once: true });
  try {
    const hello: Hello = {
      clusterId: dialer.checks.clusterId,
      member: dialer.checks.self,
      target,
      boot: dialer.checks.boot,
      token: dialer.checks.token,
      purpose,
    };
    channel.write('hello', (writer) => writeHello(writer, hello));
    const dialed = await shake(dialer, channel, hello);
    if (dialed.type === 'open') channel.open(dialer.timings);
    else channel.end('handshake failed');
    return dialed;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

async function shake(dialer: Dialer, channel: Channel, asked: Hello): Promise<Dialed> {
  const frame = await channel.read();
  if (frame === undefined) return { type: 'failed', why: channel.why ?? 'closed' };
  if (frame.type === 'refusal') {
    const told = readRefusal(frame.body) ?? refusal('malformed', 'refused without a readable reason');
    return { type: 'refused', by: 'peer', refusal: told };
  }
  if (frame.type !== 'hello') return { type: 'refused', by: 'us', refusal: refusal('notAPeer', 'no hello came back') };
  const answer = readHello(frame.body);
  if ('reason' in answer) return { type: 'refused', by: 'us', refusal: answer };
  const refused = checkAcceptor(answer, asked, dialer.checks);
  if (refused !== undefined) return { type: 'refused', by: 'us', refusal: refused };
  if (asked.purpose !== 'ask') {
    try {
      await dialer.knownBoots.note(answer.member, answer.boot, answer.token);
    } catch {
      return { type: 'failed', why: `cannot remember the start of member ${hex(answer.member)}` };
    }
  }
  if (channel.why !== undefined) return { type: 'failed', why: channel.why };
  return { type: 'open', channel };
}
