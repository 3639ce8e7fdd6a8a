/**
 * What a node needs of the world, and all it may touch. Server, simulator and tests each bring their own ports; the node is
 * the same (house §8). Every call returns at once; what comes of it arrives later as an `Input`.
 */
import type { SnapshotHead } from '../raft/message.ts';
import type { Index, MemberId, WriteGroup } from '../store/entry.ts';
import type { ImageBatch } from '../store/image.ts';
import type { PeerMessage } from './peer-message.ts';

export interface Ports {
  readonly wal: WalPort;
  readonly image: ImagePort;
  readonly peers: PeersPort;
  readonly snapshots: SnapshotsPort;
  /** Something waits: schedule a turn soon. Called at most once between two turns. */
  wake(): void;
  /** A turn is wanted after this long: a lease falls due before the next tick, or followers wait for news. If none comes, all is later. */
  wakeIn(delayMs: number): void;
}

export interface WalPort {
  /** Ends in `Input{persisted}`. */
  write(group: WriteGroup): void;
  dropUpTo(index: Index): void;
}

export interface ImagePort {
  /** Ends in `Input{imageWritten}`. */
  write(batch: ImageBatch): void;
}

export interface PeersPort {
  /** Fire and forget: may be lost, and is when the peer's queue is full. */
  send(to: MemberId, message: PeerMessage): void;
}

export interface SnapshotsPort {
  /**
   * Streams the image that is on disk to a member, on a connection of its own; `term` and `from` go into the head, the
   * meta is read from the same iterator as the records. Ends in `Input{snapshotSent}`.
   */
  send(to: MemberId, term: number): void;
  /**
   * Makes the staged image and a log that holds just `log` the member's next generation: the one commit point is the rename
   * of IDENTITY. Ends in `Input{snapshotInstalled}`.
   */
  install(head: SnapshotHead, log: WriteGroup): void;
  /** Forgets the staged image: it came too late. */
  discard(): void;
}
