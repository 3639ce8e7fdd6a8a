/**
 * The first frame each way: who speaks, from which cluster, at which start, and what for. Owns its layout and the checks; nothing
 * else is parsed before all of them passed. Values only, no socket. Invariants: S6 (foreign, older or emptied directories are
 * found out), and the answer to "no stranger's bytes reach the core" of reliability.md §6.
 */
import { peerFirstFrameBytesMax } from '../base/limits.ts';
import type { MemberId } from '../store/entry.ts';
import { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';

/** Raised when members of two builds could misread each other. */
export const peerProtocolVersion = 1;

/** Opens a hello; what a browser or an etcd sends differs in the first byte already. */
const magic = Buffer.from('LHpeer\r\n', 'latin1');

/** What a connection is for. Messages and snapshots flow from dialer to acceptor only. */
export type Purpose = 'messages' | 'snapshot' | 'ask';
const purposes: readonly Purpose[] = ['messages', 'snapshot', 'ask'];

/** What each side says first. */
export interface Hello {
  readonly clusterId: bigint;
  readonly member: MemberId;
  /** Whom the speaker believes to talk to. */
  readonly target: MemberId;
  /** The speaker's count of starts; 0: it has no data yet. */
  readonly boot: number;
  /** Drawn at random at that start, so that two starts with one number are told apart; 0n: does not say. */
  readonly token: bigint;
  readonly purpose: Purpose;
}

/** Why a connection is refused. */
export type RefusalReason =
  | 'notAPeer'
  | 'protocolVersion'
  | 'malformed'
  | 'clusterMismatch'
  | 'selfDial'
  | 'wrongTarget'
  | 'unknownMember'
  | 'notReady'
  | 'emptyReturn'
  | 'staleBoot'
  | 'busy'
  | 'badMessage';
/** Position is the wire's code, from 1; append only. */
const reasons: readonly RefusalReason[] = [
  'notAPeer',
  'protocolVersion',
  'malformed',
  'clusterMismatch',
  'selfDial',
  'wrongTarget',
  'unknownMember',
  'notReady',
  'emptyReturn',
  'staleBoot',
  'busy',
  'badMessage',
];

/** A refusal with the sentence an operator reads. */
export interface Refusal {
  readonly reason: RefusalReason;
  readonly text: string;
}

/** Whether a member that is told this must stop: going on could break the promises of its old self. */
export function isFatal(reason: RefusalReason): boolean {
  return reason === 'clusterMismatch' || reason === 'emptyReturn' || reason === 'staleBoot';
}

/** What a member knows of itself and others when a hello comes in. */
export interface HelloChecks {
  readonly clusterId: bigint;
  readonly self: MemberId;
  /** Our own count of starts; 0 while we have no data: then only questions are answered. */
  readonly boot: number;
  /** This start's token. */
  readonly token: bigint;
  /** Whether the member belongs to the cluster. */
  knows(member: MemberId): boolean;
  /** The highest boot seen of the member, 0 if none. */
  seen(member: MemberId): number;
  /** Whether a start is newer than, the same as, or not the newest that was seen. */
  check(member: MemberId, boot: number, token: bigint): BootVerdict;
}

/** A start next to what was seen: newer, the same one, or of a directory that went back in time. */
export type BootVerdict = 'new' | 'same' | 'older';

export function writeHello(writer: ByteWriter, hello: Hello): void {
  writer.raw(magic);
  writer.varint(peerProtocolVersion);
  writer.u64(hello.clusterId);
  writer.u64(hello.member);
  writer.u64(hello.target);
  writer.varint(hello.boot);
  writer.u64(hello.token);
  writer.u8(purposes.indexOf(hello.purpose));
}

/** Magic and version are looked at before anything behind them: another version may lay out the rest differently. */
export function readHello(body: Buffer): Hello | Refusal {
  const reader = new ByteReader(body);
  if (!reader.raw(magic.byteLength).equals(magic)) return refusal('notAPeer', 'this port is for cluster members');
  const version = reader.varint();
  if (!reader.ok) return refusal('malformed', 'malformed hello');
  if (version !== peerProtocolVersion) {
    return refusal('protocolVersion', `peer protocol ${version} is not ours (${peerProtocolVersion})`);
  }
  const clusterId = reader.u64();
  const member = reader.u64();
  const target = reader.u64();
  const boot = reader.varint();
  const token = reader.u64();
  const purpose = purposes[reader.u8()];
  if (!reader.finished || purpose === undefined || member === 0n) return refusal('malformed', 'malformed hello');
  return { clusterId, member, target, boot, token, purpose };
}

/** The acceptor's checks of a dialer. Undefined: let it in, once its boot is noted. */
export function checkDialer(hello: Hello, own: HelloChecks): Refusal | undefined {
  const stranger = checkIdentity(hello, own);
  if (stranger !== undefined) return stranger;
  if (hello.purpose === 'ask') return undefined;
  if (own.boot === 0) return refusal('notReady', `member ${hex(own.self)} has not started yet`);
  return checkBoot(hello, own);
}

/** The dialer's checks of whoever answered at the peer's address. */
export function checkAcceptor(hello: Hello, asked: Hello, own: HelloChecks): Refusal | undefined {
  const stranger = checkIdentity(hello, own);
  if (stranger !== undefined) return stranger;
  if (hello.member !== asked.target) {
    return refusal('wrongTarget', `dialed member ${hex(asked.target)} but ${hex(hello.member)} answered`);
  }
  if (hello.purpose !== asked.purpose) return refusal('malformed', 'the answer is for another purpose');
  return asked.purpose === 'ask' ? undefined : checkBoot(hello, own);
}

function checkIdentity(hello: Hello, own: HelloChecks): Refusal | undefined {
  if (hello.clusterId !== own.clusterId) {
    return refusal('clusterMismatch', `cluster id mismatch: yours ${hex(hello.clusterId)}, ours ${hex(own.clusterId)}`);
  }
  if (hello.member === own.self) return refusal('selfDial', `member ${hex(own.self)} talks to itself`);
  if (hello.target !== own.self) {
    return refusal('wrongTarget', `looking for member ${hex(hello.target)}, this is ${hex(own.self)}`);
  }
  if (!own.knows(hello.member)) return refusal('unknownMember', `member ${hex(hello.member)} is not in the cluster`);
  return undefined;
}

/** A boot below the highest seen, or that one drawn anew, means: this directory is not the one its member spoke from last (S6). */
function checkBoot(hello: Hello, own: HelloChecks): Refusal | undefined {
  if (hello.boot > 0 && own.check(hello.member, hello.boot, hello.token) !== 'older') return undefined;
  const seen = own.seen(hello.member);
  const comes = hello.boot === seen ? 'another start of that number' : `start ${hello.boot}`;
  const known = `member ${hex(hello.member)} was seen at start ${seen} and comes with ${comes}`;
  if (hello.boot <= 1) {
    return refusal('emptyReturn', `${known}: its data directory is new; restore the old one or join under a new id`);
  }
  return refusal(
    'staleBoot',
    `${known}: its data directory is an older copy; restore the newest or join under a new id`,
  );
}

export function writeRefusal(writer: ByteWriter, refused: Refusal): void {
  writer.u8(reasons.indexOf(refused.reason) + 1);
  writer.text(refused.text.slice(0, peerFirstFrameBytesMax / 4));
}

/** Undefined if the bytes are no refusal of this version. */
export function readRefusal(body: Buffer): Refusal | undefined {
  const reader = new ByteReader(body);
  const reason = reasons[reader.u8() - 1];
  const text = reader.text();
  return reader.finished && reason !== undefined ? { reason, text } : undefined;
}

/** Short for a literal. */
export function refusal(reason: RefusalReason, text: string): Refusal {
  return { reason, text };
}

/** A member or cluster id as etcd prints it. */
export function hex(id: bigint): string {
  return id.toString(16);
}
