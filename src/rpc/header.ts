/** The header on every answer (etcd: ResponseHeader): who says it, in which term, and how far its store had come. */
import type { Sparse } from './codec.ts';
import { type Int64, int64Of } from './int64.ts';
import type { Member } from './member.ts';
import type { HeaderMessage } from './messages.ts';

/** Makes headers for one member; the ids are converted once. */
export class Headers {
  readonly #member: Member;
  #clusterId: Int64 | undefined;
  #memberId: Int64 | undefined;

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
}
