/**
 * What checks are told while a run goes on. The world calls; a check that finds something wrong throws a `Violation`. Calls are
 * synchronous, in the order of virtual time, and must be cheap: no scan per event.
 */
import type { Node } from '../../src/node/node.ts';
import type { PeerMessage } from '../../src/node/peer-message.ts';
import type { EventView } from '../../src/state/history.ts';
import type { AppliedCommand, Outcome } from '../../src/state/outcome.ts';
import type { Entry, HardState, Index, LogBase, MemberId, Term, WriteGroup } from '../../src/store/entry.ts';
import type { CallRecord, LockRecord, WatchRecord } from './history.ts';
import type { Fault } from './schedule.ts';

/** What is on a member's disk for certain, whatever crashes. */
export interface DurableLog {
  readonly hardState: HardState;
  readonly base: LogBase;
  /** From the base to the last; undefined elsewhere. */
  term(index: Index): Term | undefined;
  readonly lastIndex: Index;
}

/** A member as checks see it: running or not, its disk is there. The same object for the whole run. */
export interface Watched {
  readonly id: MemberId;
  /** Undefined while it is down. */
  readonly node: Node | undefined;
  readonly boot: number;
  readonly durable: DurableLog;
  /** It refused to start and is down for good: its disk was damaged beyond what it may repair. */
  readonly ruined: boolean;
  /** Virtual real time, the same for all members. */
  readonly nowMs: number;
}

/** What a run is, for checks. */
export interface RunContext {
  readonly seed: bigint;
  readonly profile: string;
  readonly members: readonly Watched[];
  /** Entry 1, which every log begins with. */
  readonly first: Entry;
  readonly electionTimeoutMs: number;
  /** The lessor's tick. */
  readonly tickMs: number;
  /** Clocks keep within 1 ± 1/500; else L1 is not promised. */
  readonly clocksInSpec: boolean;
  /** Damage keeps a copy of every committed entry on a healthy quorum; else halting is allowed. */
  readonly atlas: boolean;
}

export interface Observer {
  /** After a boot, before its first turn. */
  booted(member: Watched): void;
  /** Its node is gone already. */
  crashed(member: Watched): void;
  /** After every turn. */
  turned(member: Watched): void;
  /** A message leaves. */
  sent(message: PeerMessage, member: Watched): void;
  /** Before the turn that handles the message; what is returned runs after that turn. */
  stepping(message: PeerMessage, member: Watched): (() => void) | undefined;
  /** Before the turn that handles it, in order with the messages: its connection to `peer` broke. */
  linkLost(peer: MemberId, member: Watched): void;
  /** A write is handed to the log's disk. */
  written(group: WriteGroup, member: Watched): void;
  /** It became durable: `member.durable` shows it. */
  synced(group: WriteGroup, member: Watched): void;
  /** The node applied an entry, in the middle of a turn. */
  applied(entry: Entry, commands: readonly AppliedCommand[], member: Watched): void;
  /** Its machine came from an image: at boot, and when a snapshot was installed. */
  restored(member: Watched): void;
  /** A client sent a call. */
  called(call: CallRecord): void;
  /** It is at its member, perhaps long after its client gave up. */
  reached(call: CallRecord): void;
  /** The member that it reached is done with it: it replied, or crashed. */
  settled(call: CallRecord): void;
  /** The call ended: answered, or given up. */
  answered(call: CallRecord): void;
  watchOpened(watch: WatchRecord): void;
  /** The client took these; they are in the record already, and so is the revision they bring it to. */
  watched(watch: WatchRecord, events: readonly EventView[], member: Watched): void;
  watchEnded(watch: WatchRecord): void;
  /** These had the time they needed to be told everything up to `revision`. */
  watchesDue(watches: readonly WatchRecord[], revision: number): void;
  /** A client holds a lock from now on, as far as it knows. */
  locked(lock: LockRecord): void;
  /** A holder's write that asks for its token was answered. */
  guarded(lock: LockRecord, outcome: Outcome): void;
  /** A holder's write reached the resource that looks at tokens, which took it or not. */
  fenced(lock: LockRecord, accepted: boolean): void;
  /** A fault strikes, or (`over`) is over. */
  fault(fault: Fault, over: boolean, nowMs: number): void;
  /** The liveness phase begins: from here on the core is whole. */
  healed(core: readonly Watched[], nowMs: number): void;
  /**
   * The run is over, everything is quiet: what must hold in the end, and the checks of whole histories. Leases expire to the end;
   * all of the core had applied `revision` so early that every watch was told of it.
   */
  finished(core: readonly Watched[], revision: number): void;
}
