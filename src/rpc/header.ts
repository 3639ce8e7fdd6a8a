/** The header on every answer (etcd: ResponseHeader): who says it, in which term, and how far its store had come. */
import type { Sparse } from './codec.ts';
import {
  type Halves,
  halvesFieldSize,
  halvesOf,
  lengthFieldSize,
  numberFieldSize,
  putHalvesField,
  putLength,
  putNumberField,
} from './hot/fields.ts';
import { type Int64, int64Of } from './int64.ts';
import type { Member } from './member.ts';
import type { HeaderMessage } from './messages.ts';

/** A header as it stands in an answer: the field `header`, tag and length included, which has number 1 in all of them. */
export interface HeaderField {
  readonly revision: number;
  readonly term: number;
  readonly bytes: Uint8Array;
}

/** Makes headers for one member; the ids are converted once, and what is the same as the last time is not made again. */
export class Headers {
  readonly #member: Member;
  #clusterId: Int64 | undefined;
  #memberId: Int64 | undefined;
  #last: HeaderField | undefined;

  constructor(member: Member) {
    this.#member = member;
  }

  /** With the newest applied revision. */
  now(): Sparse<HeaderMessage> {
    return this.at(this.#member.header().revision);
  }

  /** With this revision: that of the outcome or the read the answer carries. */
  at(revision: number): Sparse<HeaderMessage> {
    const { clusterId, memberId, term } = this.#member.header();
    this.#clusterId ??= int64Of(clusterId);
    this.#memberId ??= int64Of(memberId);
    return { clusterId: this.#clusterId, memberId: this.#memberId, revision, raftTerm: term };
  }

  /** As bytes; with the newest applied revision if none is given. */
  field(of?: number): HeaderField {
    const { clusterId, memberId, revision: newest, term } = this.#member.header();
    const revision = of ?? newest;
    const last = this.#last;
    if (last?.revision === revision && last.term === term) return last;
    const bytes = headerField(halvesOf(clusterId), halvesOf(memberId), revision, term);
    this.#last = { revision, term, bytes };
    return this.#last;
  }
}

/** The field `header` of an answer. */
export function headerField(cluster: Halves, member: Halves, revision: number, term: number): Uint8Array {
  const ids = halvesFieldSize(cluster.hi, cluster.lo) + halvesFieldSize(member.hi, member.lo);
  const size = ids + numberFieldSize(revision) + numberFieldSize(term);
  const bytes = new Uint8Array(lengthFieldSize(size));
  let at = putLength(bytes, 0, 1, size);
  at = putHalvesField(bytes, at, 1, cluster.hi, cluster.lo);
  at = putHalvesField(bytes, at, 2, member.hi, member.lo);
  at = putNumberField(bytes, at, 3, revision);
  putNumberField(bytes, at, 4, term);
  return bytes;
}
