/**
 * The hash that members compare over the wire (etcd's HashKV): over all key versions there ever were up to a revision, those that
 * compaction took away included. So it depends on the revision alone, and not on how far a member has applied the sweeps. Of the
 * present it is at hand; of an older revision it is the present's less what came since.
 */
import { CRC_BYTES, versionRecordBytes, writeVersionRecord } from './image-records.ts';
import { type Kv, type Refused, refused } from './kv.ts';

/** `hash` is a uint32; `revision` the one it stands for. */
export interface KvHash {
  readonly type: 'hash';
  readonly hash: number;
  readonly revision: number;
  /** -1: never compacted. */
  readonly compactRevision: number;
}

/** 0 asks for the present. Costs as much as there are changes after `revision`. */
export function hashKvAt(kv: Kv, revision: number): KvHash | Refused {
  const { current, compacted } = kv.revisions;
  if (revision > current) return refused('futureRevision');
  if (revision > 0 && revision <= compacted) return refused('compacted');
  const at = revision > 0 ? revision : current;
  const sum = kv.records.sum.copy();
  sum.addSum(kv.swept);
  let room = Buffer.alloc(1024);
  for (let later = current; later > at; later--) {
    for (const version of kv.history.changesOf(later)) {
      const end = versionRecordBytes(version) - CRC_BYTES;
      if (end > room.length) room = Buffer.alloc(end * 2);
      writeVersionRecord(room, 0, version);
      sum.subtract(room, 0, end);
    }
  }
  return { type: 'hash', hash: sum.lanes[0] as number, revision: at, compactRevision: compacted };
}
