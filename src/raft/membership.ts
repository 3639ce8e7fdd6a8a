/**
 * The member list as bytes: the payload of a configuration entry, and what the ids of members and cluster are made of.
 * Entry 1 of every log is the initial membership, byte-identical on all members (house §3). Layout, little-endian:
 * format number u8 · voters (u16 count, u64 each) · learners (same) · members (u16 count; each id u64, name, u8 count of
 * peer URLs, the URLs; a text is u16 length and UTF-8). Lists ascend by id, so one membership has one encoding.
 * Invariants: R10, D1.
 */
import { assert } from '../base/assert.ts';
import type { MemberId, WriteGroup } from '../store/entry.ts';
import { NO_MEMBER } from '../store/entry.ts';
import type { Configuration } from './types.ts';

const formatNumber = 1;
const membersMax = 1_000;
const textBytesMax = 4_096;
const urlsMax = 255;

/** Who a member is: what it is called and where its peers reach it. */
export interface MembershipMember {
  readonly id: MemberId;
  readonly name: string;
  readonly peerUrls: readonly string[];
}

/** What a configuration entry says. Every voter and learner has its line in `members`, ascending by id. */
export interface Membership {
  readonly configuration: Configuration;
  readonly members: readonly MembershipMember[];
}

/** What all members of a new cluster derive, each for itself, from the same flags. */
export interface InitialMembership {
  readonly clusterId: bigint;
  readonly membership: Membership;
  /** The payload of entry 1. */
  readonly payload: Uint8Array;
}

/** A member's id: a hash of the cluster's token, its name and its sorted peer URLs. Never `NO_MEMBER`. */
export function memberIdOf(token: string, name: string, peerUrls: readonly string[]): MemberId {
  return hash64(['member', token, name, ...[...peerUrls].sort()]);
}

/** What is wrong with an initial member list, as one sentence for the operator; undefined if nothing is. */
export function refuseInitialMembers(members: readonly MembershipMember[]): string | undefined {
  if (members.length === 0) return 'the initial cluster names no member';
  if (members.length > membersMax) return `the initial cluster names more than ${membersMax} members`;
  const ids = new Set<MemberId>();
  const names = new Set<string>();
  const urls = new Set<string>();
  for (const { id, name, peerUrls } of members) {
    if (id <= NO_MEMBER || id > 0xffff_ffff_ffff_ffffn) return `the id of member ${name} is no positive uint64`;
    if (ids.has(id)) return `two members of the initial cluster have the id ${id.toString(16)}`;
    if (names.has(name)) return `two members of the initial cluster are called ${name}`;
    if (peerUrls.length === 0) return `member ${name} has no peer URL`;
    if (peerUrls.length > urlsMax) return `member ${name} has more than ${urlsMax} peer URLs`;
    for (const text of [name, ...peerUrls]) {
      if (Buffer.byteLength(text) > textBytesMax) return `a name or peer URL is longer than ${textBytesMax} bytes`;
    }
    for (const url of peerUrls) {
      if (urls.has(url)) return `the peer URL ${url} is given twice in the initial cluster`;
      urls.add(url);
    }
    ids.add(id);
    names.add(name);
  }
  return undefined;
}

/** Cluster id and entry 1 for a list that `refuseInitialMembers` let pass. The order of `members` does not matter. */
export function initialMembership(token: string, members: readonly MembershipMember[]): InitialMembership {
  const refusal = refuseInitialMembers(members);
  assert(refusal === undefined, `R10: ${refusal}`);
  const sorted = members.map((member) => ({ ...member, peerUrls: [...member.peerUrls].sort() })).sort(byId);
  const membership = { configuration: { voters: sorted.map(({ id }) => id), learners: [] }, members: sorted };
  const lines = sorted.flatMap(({ id, name, peerUrls }) => [id.toString(16), name, `${peerUrls.length}`, ...peerUrls]);
  return { clusterId: hash64(['cluster', token, ...lines]), membership, payload: encodeMembership(membership) };
}

/** What a fresh member's log holds before it ever runs: entry 1, committed, in term 1. */
export function initialLog(payload: Uint8Array): WriteGroup {
  return {
    hardState: { term: 1, vote: NO_MEMBER, commit: 1 },
    entries: [{ index: 1, term: 1, kind: 'configuration', payload }],
  };
}

/** The bytes of a membership; equal memberships have equal bytes. */
export function encodeMembership(membership: Membership): Uint8Array {
  const { configuration, members } = membership;
  const parts: Buffer[] = [Buffer.of(formatNumber)];
  for (const ids of [configuration.voters, configuration.learners]) parts.push(u16(ids.length), ...ids.map(u64));
  parts.push(u16(members.length));
  for (const { id, name, peerUrls } of members) {
    parts.push(u64(id), text(name), Buffer.of(peerUrls.length), ...peerUrls.map(text));
  }
  const bytes = Buffer.concat(parts);
  assert(decodeMembership(bytes) !== undefined, 'R10: a membership that could not be read again');
  return bytes;
}

/** Reads a membership; undefined for anything that `encodeMembership` would not have written. */
export function decodeMembership(payload: Uint8Array): Membership | undefined {
  const reader = new Reader(payload);
  if (reader.uint(1) !== formatNumber) return undefined;
  const voters = reader.list(2, () => reader.id());
  const learners = reader.list(2, () => reader.id());
  const members = reader.list(2, () => ({
    id: reader.id(),
    name: reader.text(),
    peerUrls: reader.list(1, () => reader.text()),
  }));
  if (!reader.done) return undefined;
  const configuration = { voters, learners };
  if (!isConfiguration(configuration) || !ascending(members.map(({ id }) => id))) return undefined;
  const listed = new Set(members.map(({ id }) => id));
  const counted = [...voters, ...learners];
  if (counted.length !== members.length || !counted.every((id) => listed.has(id))) return undefined;
  return { configuration, members };
}

/** Is this a configuration that could have been made: voters there, ids ascending, nobody both voter and learner? */
export function isConfiguration(configuration: Configuration): boolean {
  const { voters, learners } = configuration;
  if (voters.length === 0 || !ascending(voters) || !ascending(learners)) return false;
  return !learners.some((id) => voters.includes(id));
}

function ascending(ids: readonly MemberId[]): boolean {
  return ids.every((id, i) => id > (i === 0 ? NO_MEMBER : (ids[i - 1] as MemberId)));
}

function byId(a: MembershipMember, b: MembershipMember): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8');
  return Buffer.concat([u16(bytes.length), bytes]);
}

/** FNV-1a over length-prefixed texts, finished so that every bit of the input reaches every bit of the hash; never 0. */
function hash64(texts: readonly string[]): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.concat(texts.map(text))) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  hash = BigInt.asUintN(64, (hash ^ (hash >> 33n)) * 0xff51afd7ed558ccdn);
  hash = BigInt.asUintN(64, (hash ^ (hash >> 33n)) * 0xc4ceb9fe1a85ec53n);
  hash ^= hash >> 33n;
  return hash === 0n ? 1n : hash;
}

/** Reads little-endian fields; after the first that is not there everything reads as nothing, and `done` is false. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;
  #failed = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return !this.#failed && this.#at === this.#bytes.length;
  }

  uint(size: number): number {
    return this.#take(size) ? this.#bytes.readUIntLE(this.#at - size, size) : 0;
  }

  id(): bigint {
    return this.#take(8) ? this.#bytes.readBigUInt64LE(this.#at - 8) : 0n;
  }

  text(): string {
    const size = this.uint(2);
    if (size > textBytesMax || !this.#take(size)) {
      this.#failed = true;
      return '';
    }
    const bytes = this.#bytes.subarray(this.#at - size, this.#at);
    const value = bytes.toString('utf8');
    // Bytes that are no UTF-8 would come back different: no encoder of ours wrote them.
    if (Buffer.compare(Buffer.from(value, 'utf8'), bytes) !== 0) this.#failed = true;
    return value;
  }

  list<T>(countSize: number, item: () => T): T[] {
    const items: T[] = [];
    const count = this.uint(countSize);
    if (count > membersMax) this.#failed = true;
    for (let i = 0; i < count && !this.#failed; i++) items.push(item());
    return items;
  }

  #take(size: number): boolean {
    if (this.#failed || this.#at + size > this.#bytes.length) {
      this.#failed = true;
      return false;
    }
    this.#at += size;
    return true;
  }
}
