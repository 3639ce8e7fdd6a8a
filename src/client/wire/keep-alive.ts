/**
 * The two ways to ask for renewals, as bytes, written by hand because a client with many leases does little else: `leasehold.v1.Lease`
 * takes many ids in a message, etcd's stream one. A test holds both to protobufjs. Owns no stream and no time.
 */
import { CallFailure, grpcCodes } from '../errors.ts';
import { calls } from './schema.ts';

/** One way to ask. */
export interface RenewalDialect {
  /** Full name of the streaming method. */
  readonly path: string;
  /** Ids that are asked in one go, with one note of the time; at most so many in a message. */
  readonly burstMax: number;
  /** Ids that may be unanswered: what waits in a member's queue uses up its own TTL, and what is more urgent cannot pass it. */
  readonly unansweredMax: number;
  /** The messages that ask for these ids, in their order. */
  encode(ids: readonly bigint[]): readonly Uint8Array[];
  /** Tells each answer of a message: the TTL in ms from when it was renewed, 0 for a lease that is gone. Throws a `CallFailure`. */
  decode(bytes: Uint8Array, each: (id: bigint, ttlMs: number) => void): void;
}

/** Many ids a message; what the server takes at most. */
export const batchDialect: RenewalDialect = {
  path: '/leasehold.v1.Lease/KeepAlive',
  burstMax: 1_000,
  unansweredMax: 10_000,
  encode(ids) {
    const packed = new Uint8Array(ids.length * varintBytesMax);
    let end = 0;
    for (const id of ids) end = writeVarint(packed, end, id);
    const message = new Uint8Array(1 + varintBytesMax + end);
    message[0] = idsTag;
    const start = writeVarint(message, 1, BigInt(end));
    message.set(packed.subarray(0, end), start);
    return [message.subarray(0, start + end)];
  },
  decode(bytes, each) {
    const ids: bigint[] = [];
    const ttls: number[] = [];
    const reader = new Reader(bytes);
    while (reader.more()) {
      const tag = reader.uint32();
      if (tag === batchIdsTag) reader.packed((end) => reader.int64s(ids, end));
      else if (tag === batchTtlsTag) reader.packed((end) => reader.numbers(ttls, end));
      else if (tag === (batchIdsTag & ~7)) ids.push(reader.int64());
      else if (tag === (batchTtlsTag & ~7)) ttls.push(reader.number());
      else reader.skip(tag);
    }
    if (ids.length !== ttls.length) throw malformed(`${ids.length} ids with ${ttls.length} TTLs`);
    for (const [at, id] of ids.entries()) each(id, ttls[at] as number);
  },
};

/** etcd's: one id a message. */
export const etcdDialect: RenewalDialect = {
  path: calls.leaseKeepAlive[0],
  burstMax: 100,
  unansweredMax: 500,
  encode: (ids) =>
    ids.map((id) => {
      const message = new Uint8Array(1 + varintBytesMax);
      message[0] = idTag;
      return message.subarray(0, writeVarint(message, 1, id));
    }),
  decode(bytes, each) {
    let id = 0n;
    let ttl = 0;
    const reader = new Reader(bytes);
    while (reader.more()) {
      const tag = reader.uint32();
      if (tag === answerIdTag) id = reader.int64();
      else if (tag === answerTtlTag) ttl = reader.number();
      else reader.skip(tag);
    }
    each(id, ttl * 1_000);
  },
};

/** Field number << 3 | wire type: 0 is a varint, 2 has a length in front. */
const idsTag = (1 << 3) | 2;
const idTag = 1 << 3;
const batchIdsTag = (2 << 3) | 2;
const batchTtlsTag = (3 << 3) | 2;
const answerIdTag = 2 << 3;
const answerTtlTag = 3 << 3;

const varintBytesMax = 10;

/** Writes the two's complement of `value` in 64 bits; returns where it ends. */
function writeVarint(bytes: Uint8Array, at: number, value: bigint): number {
  const whole = BigInt.asUintN(64, value);
  let low = Number(whole & 0xffff_ffffn);
  let high = Number(whole >> 32n);
  let end = at;
  while (high !== 0 || low > 0x7f) {
    bytes[end++] = (low & 0x7f) | 0x80;
    low = ((low >>> 7) | (high << 25)) >>> 0;
    high >>>= 7;
  }
  bytes[end++] = low;
  return end;
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;
  /** The two halves of the varint that was read last. */
  #low = 0;
  #high = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  more(): boolean {
    return this.#at < this.#bytes.length;
  }

  uint32(): number {
    this.#varint();
    return this.#low >>> 0;
  }

  int64(): bigint {
    this.#varint();
    if (this.#high === 0) return BigInt(this.#low >>> 0);
    return BigInt.asIntN(64, (BigInt(this.#high >>> 0) << 32n) | BigInt(this.#low >>> 0));
  }

  /** A TTL; negative ones, which mean the same, as 0. */
  number(): number {
    this.#varint();
    return this.#high < 0 ? 0 : this.#high * 2 ** 32 + (this.#low >>> 0);
  }

  /** Reads what has its length in front. */
  packed(read: (end: number) => void): void {
    const length = this.uint32();
    const end = this.#at + length;
    if (end > this.#bytes.length) throw malformed('a field ends beyond it');
    read(end);
    if (this.#at !== end) throw malformed('a number ends beyond its field');
  }

  int64s(into: bigint[], end: number): void {
    while (this.#at < end) into.push(this.int64());
  }

  numbers(into: number[], end: number): void {
    while (this.#at < end) into.push(this.number());
  }

  /** Passes over a field that is not asked for. */
  skip(tag: number): void {
    const wireType = tag & 7;
    if (wireType === 0) this.#varint();
    else if (wireType === 1) this.#at += 8;
    else if (wireType === 5) this.#at += 4;
    else if (wireType === 2)
      this.packed((end) => {
        this.#at = end;
      });
    else throw malformed(`wire type ${wireType}`);
    if (this.#at > this.#bytes.length) throw malformed('a field ends beyond it');
  }

  #varint(): void {
    let low = 0;
    let high = 0;
    for (let bit = 0; bit < 70; bit += 7) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw malformed('it ends within a number');
      const part = byte & 0x7f;
      if (bit < 28) low |= part << bit;
      else if (bit === 28) {
        low |= part << 28;
        high = part >>> 4;
      } else high |= part << (bit - 32);
      if (byte < 0x80) {
        this.#low = low;
        this.#high = high;
        return;
      }
    }
    throw malformed('a number has more than ten bytes');
  }
}

function malformed(text: string): CallFailure {
  return new CallFailure(grpcCodes.internal, `an answer to a renewal is malformed: ${text}`, true);
}
