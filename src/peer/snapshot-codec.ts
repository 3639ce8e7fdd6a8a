/**
 * The frames of a snapshot stream to bytes and back: head, chunks of records, end. Owns layouts only. Like `codec.ts` it refuses
 * whatever is malformed as a value. What the records hold is checked by the image's own checksums and digest (R11).
 */
import type { SnapshotHead } from '../raft/message.ts';
import type { ImageRecord } from '../store/image.ts';
import { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';

/** What closes a stream: a receiver that counted differently was cut short. */
export interface SnapshotEnd {
  readonly records: number;
}

export function writeSnapshotHead(writer: ByteWriter, head: SnapshotHead): void {
  writer.u64(head.from);
  writer.u64(head.to);
  writer.varint(head.term);
  writer.varint(head.meta.index);
  writer.varint(head.meta.term);
  writer.varint(head.meta.configuration.voters.length);
  for (const voter of head.meta.configuration.voters) writer.u64(voter);
  writer.varint(head.meta.configuration.learners.length);
  for (const learner of head.meta.configuration.learners) writer.u64(learner);
}

/** Undefined if the bytes are no head. */
export function readSnapshotHead(body: Buffer): SnapshotHead | undefined {
  const reader = new ByteReader(body);
  const from = reader.u64();
  const to = reader.u64();
  const term = reader.varint();
  const index = reader.varint();
  const metaTerm = reader.varint();
  const voters = reader.list(8, () => reader.u64());
  const learners = reader.list(8, () => reader.u64());
  if (!reader.finished || voters.length === 0) return undefined;
  return { from, to, term, meta: { index, term: metaTerm, configuration: { voters, learners } } };
}

export function writeSnapshotRecords(writer: ByteWriter, records: readonly ImageRecord[]): void {
  writer.varint(records.length);
  for (const record of records) {
    writer.bytes(record.key);
    writer.bytes(record.value);
  }
}

/** Undefined if the bytes are no records. What it returns does not share memory with other socket reads. */
export function readSnapshotRecords(body: Buffer, owned: boolean): readonly ImageRecord[] | undefined {
  const reader = new ByteReader(owned ? body : Buffer.from(body));
  const records = reader.list(2, () => ({ key: reader.bytes(), value: reader.bytes() }));
  return reader.finished ? records : undefined;
}

export function writeSnapshotEnd(writer: ByteWriter, end: SnapshotEnd): void {
  writer.varint(end.records);
}

/** Undefined if the bytes are no end. */
export function readSnapshotEnd(body: Buffer): SnapshotEnd | undefined {
  const reader = new ByteReader(body);
  const records = reader.varint();
  return reader.finished ? { records } : undefined;
}

/** Wire size of a record, near enough to cut chunks by. */
export function snapshotRecordBytes(record: ImageRecord): number {
  return record.key.byteLength + record.value.byteLength + 6;
}
