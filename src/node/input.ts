/**
 * The one door in (house §3, rule 1): everything that can happen to a node is one of these values. They queue; a turn drains
 * the queue in order.
 */
import type { SnapshotHead } from '../raft/message.ts';
import type { Command, LeaseId } from '../state/command.ts';
import type { Index, MemberId } from '../store/entry.ts';
import type { ImageRecord } from '../store/image.ts';
import type { Answer, BarrierAnswer, RenewalAnswer } from './answer.ts';
import type { Askings } from './asking.ts';
import type { PeerMessage } from './peer-message.ts';

export type Input =
  /** One lessor tick of host time has passed (several may have: they are not caught up). */
  | { readonly type: 'tick' }
  | { readonly type: 'message'; readonly message: PeerMessage }
  /** The connection from `member` broke: a hint, pre-vote still decides. */
  | { readonly type: 'linkLost'; readonly member: MemberId }
  /** A client's command, replicated; `reply` is called once, in a later step. */
  | {
      readonly type: 'propose';
      readonly command: Command;
      readonly timeoutMs: number;
      readonly reply: (answer: Answer) => void;
    }
  /** Linearizable read barrier: `reply` comes when this member has applied all that was committed when it was asked. */
  | { readonly type: 'barrier'; readonly timeoutMs: number; readonly reply: (answer: BarrierAnswer) => void }
  /** `reply` comes when what a compaction at `revision` made useless is gone from this member's memory and image. */
  | {
      readonly type: 'swept';
      readonly revision: number;
      readonly timeoutMs: number;
      readonly reply: (answer: BarrierAnswer) => void;
    }
  | {
      readonly type: 'question';
      readonly kind: 'keepAlive' | 'timeToLive';
      readonly id: LeaseId;
      readonly timeoutMs: number;
      readonly reply: (answer: RenewalAnswer) => void;
    }
  | Askings
  | { readonly type: 'persisted' }
  | { readonly type: 'imageWritten'; readonly appliedIndex: Index }
  | { readonly type: 'snapshotSent'; readonly to: MemberId; readonly index: Index; readonly ok: boolean }
  /** A whole image from `head.from` is staged and verified; `records` are its records in key order. */
  | { readonly type: 'snapshotStaged'; readonly head: SnapshotHead; readonly records: Iterable<ImageRecord> }
  | { readonly type: 'snapshotInstalled' }
  /** Write the image soon; `reply` comes once all that is applied now is in it on disk. */
  | { readonly type: 'flushImage'; readonly reply: () => void }
  /** Disk space left to us, measured by the host now and then. */
  | { readonly type: 'diskSpace'; readonly freeBytes: number; readonly reserveBytes: number }
  /** Hand leadership to `target` (NO_MEMBER: the most up-to-date follower). */
  | { readonly type: 'transfer'; readonly target: MemberId; readonly reply: (ok: boolean) => void }
  /** The process is going down: refuse new work, answer what waits. */
  | { readonly type: 'stop' };
