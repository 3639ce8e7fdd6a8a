/**
 * What members made known of themselves: name and client URLs (etcd's member attributes). Who *is* a member stands in the
 * configuration, whose bytes are Raft's; here they are only kept.
 */
import type { MemberId } from '../store/entry.ts';
import type { Publish } from './command.ts';
import { ImageQueue } from './image-queue.ts';
import { type MemberRecord, memberRecord } from './image-records.ts';

export class Members {
  readonly #byId = new Map<MemberId, MemberRecord>();
  /** Member records for the image, and their sum. */
  readonly records = new ImageQueue();

  /** Ascending by id. */
  list(): MemberRecord[] {
    return [...this.#byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  publish(command: Publish): void {
    const record = { id: command.member, name: command.name, clientUrls: command.clientUrls };
    const before = this.#byId.get(record.id);
    if (before !== undefined) this.records.takeFromSum(memberRecord(before));
    this.#byId.set(record.id, record);
    this.records.putRecord(memberRecord(record));
  }

  /** Takes over a member of an image. */
  restore(record: MemberRecord): void {
    this.#byId.set(record.id, record);
    this.records.addToSum(memberRecord(record));
  }
}
