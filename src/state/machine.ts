/**
 * The state machine: committed entries in, outcomes out; the same on every member, byte for byte (D1, D2). Owns the order in
 * which an entry's commands take effect and what the whole state stands at; what they do to leases is lease.ts's, to keys kv.ts's and
 * txn.ts's. It reads no clock, no option and no chance: those the proposer read, and wrote what came of them into the command.
 * Invariants: L2, L5, L6, L8, L10, L13, K2, K6, D1, D3, S2, S5.
 */
import { assert, unreachable } from '../base/assert.ts';
import { emptyBytes } from '../base/bytes.ts';
import type { Entry, Index, Term } from '../store/entry.ts';
import type { ImageBatch, ImageOp, ImageOps } from '../store/image.ts';
import { Alarms } from './alarms.ts';
import { unpackCommands } from './codec.ts';
import type { Command, LeaseId, OriginatedCommand, Range, Txn } from './command.ts';
import type { Compaction } from './compaction.ts';
import { RecordSum } from './digest.ts';
import { hashKvAt, type KvHash } from './hash-kv.ts';
import type { History } from './history.ts';
import { type ImageMeta, type MemberRecord, metaRecord, sealed, type VersionRecord } from './image-records.ts';
import { KeyIndex } from './key-index.ts';
import { Kv, type Refused, refused } from './kv.ts';
import { applyCheckpoint, applyClear, applyExpire, applyGrant, applyRevoke, type LeaseObserver } from './lease.ts';
import { Lessor } from './lessor.ts';
import { Members } from './members.ts';
import type { AppliedCommand, Outcome, RangeResult, Result, TxnResult } from './outcome.ts';
import { Revisions } from './revision.ts';
import { type StateCounters, stateDigest } from './state-digest.ts';
import { applyTxn, isReadOnly } from './txn.ts';

export type { LeaseObserver } from './lease.ts';

export class Machine {
  readonly lessor: Lessor;
  readonly alarms = new Alarms();
  readonly #revisions = new Revisions();
  readonly #kv: Kv;
  readonly #members = new Members();
  #appliedIndex: Index = 0;
  #appliedTerm: Term = 0;
  #configuration: Uint8Array = emptyBytes;
  /** Applied index of the last batch taken. */
  #takenIndex: Index = 0;

  /** An empty state, before the first entry. `seed`: a uint32 unknown to clients, no part of the state (`Lessor`). */
  constructor(seed?: number) {
    this.lessor = new Lessor(seed);
    this.#kv = new Kv(this.#revisions, new KeyIndex(), this.lessor);
  }

  // ── what it stands at ────────────────────────────────────────────────────────────────────────────────────────────────

  get appliedIndex(): Index {
    return this.#appliedIndex;
  }

  get appliedTerm(): Term {
    return this.#appliedTerm;
  }

  /** The store's revision; 1 when nothing was ever written, as in etcd. */
  get revision(): number {
    return this.#revisions.current;
  }

  /** Reads below it are refused; -1: never compacted. */
  get compactRevision(): number {
    return this.#revisions.compacted;
  }

  /** What the last compaction left to sweep. */
  get compaction(): Compaction {
    return this.#kv.compaction;
  }

  /** Payload of the last applied configuration entry, as it came; empty before the first. Raft knows what it says. */
  get configuration(): Uint8Array {
    return this.#configuration;
  }

  /** Keys that have a value. */
  get keyCount(): number {
    return this.#kv.index.liveCount;
  }

  /** What counts for the quota: keys, values and their history, and leases. */
  get sizeBytes(): number {
    return this.#kv.sizeBytes + this.lessor.sizeBytes;
  }

  /** Hash of the whole state, 32 hexadecimal digits. Without the applied index: equal states give equal digests (D1). */
  digest(): string {
    const sums = [this.lessor.sum, this.#kv.records.sum, this.#members.records.sum, this.alarms.records.sum];
    return stateDigest(sums, this.#counters());
  }

  #counters(): StateCounters {
    return {
      revision: this.revision,
      compactRevision: this.compactRevision,
      sweep: this.compaction.position,
      swept: this.#kv.swept.hex(),
      stamps: this.lessor.stampsGiven,
      configuration: this.#configuration,
    };
  }

  /** The digest together with the index it stands for: two members compare these where the indexes are equal. */
  digestAtIndex(): { readonly index: Index; readonly digest: string } {
    return { index: this.#appliedIndex, digest: this.digest() };
  }

  // ── reads ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Events by revision, for watchers. */
  get history(): History {
    return this.#kv.history;
  }

  /** The present, or the end of an older revision that is not compacted. */
  range(range: Range): RangeResult | Refused {
    return this.#kv.range(range);
  }

  /** A txn that only reads: what it would come to if it were the next command. */
  readTxn(txn: Txn): TxnResult | Refused {
    assert(isReadOnly(txn), 'K4: only what is in the log changes the state');
    return applyTxn(this.#kv, txn);
  }

  /** Bytes of a key's value; 0 without one. */
  valueBytes(key: Uint8Array): number {
    return this.#kv.valueBytes(key);
  }

  /** All live leases, ascending. */
  leases(): LeaseId[] {
    return this.lessor.leases();
  }

  /** Keys attached to a lease, in byte order. */
  leaseKeys(id: LeaseId): Uint8Array[] {
    return this.lessor.keysOf(id);
  }

  /** What members published of themselves, ascending by id. */
  members(): MemberRecord[] {
    return this.#members.list();
  }

  /** Hash over the keys as of `revision` (0: now), equal on all members that hold it. */
  hashKv(revision: number): KvHash | Refused {
    return hashKvAt(this.#kv, revision);
  }

  // ── image ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** About how many bytes `takeImageBatch` would hand out; 0: nothing was applied since the last one. */
  get pendingImageBytes(): number {
    if (this.#appliedIndex === this.#takenIndex) return 0;
    const queued = [this.#kv, this.#members, this.alarms].reduce((sum, part) => sum + part.records.pendingBytes, 0);
    return 64 + this.lessor.pendingImageBytes + queued;
  }

  /** All changes since the last batch and the meta record that fits them, or undefined if nothing was applied since. */
  takeImageBatch(): ImageBatch | undefined {
    if (this.#appliedIndex === this.#takenIndex) return undefined;
    const { appliedIndex, appliedTerm } = this;
    const meta = sealed(metaRecord({ appliedIndex, appliedTerm, digest: this.digest(), ...this.#counters() }));
    const queues = [this.#kv, this.#members, this.alarms].map((part) => part.records.drain());
    const ops = new JoinedOps([this.lessor.drainImageOps(), ...queues, [meta]]);
    this.#takenIndex = appliedIndex;
    return { ops, appliedIndex };
  }

  /** Takes over what the meta record says; false if a sweep stands where nothing is. For `MachineLoader`, as those below. */
  restoreMeta(meta: ImageMeta): boolean {
    this.#appliedIndex = meta.appliedIndex;
    this.#appliedTerm = meta.appliedTerm;
    this.#takenIndex = meta.appliedIndex;
    this.#configuration = meta.configuration;
    this.#revisions.restore(meta.revision, meta.compactRevision);
    this.#kv.swept.addSum(RecordSum.fromHex(meta.swept));
    return this.compaction.restore(meta.sweep);
  }

  /** As `Kv.restoring`. */
  restoringKeys(versions: readonly VersionRecord[], sum: RecordSum): Generator<void, boolean> {
    return this.#kv.restoring(versions, sum);
  }

  restoreMember(member: MemberRecord): void {
    this.#members.restore(member);
  }

  // ── apply ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Applies the next entry of the log. Each of its commands is answered, in order. `commands`: its own, if they were read before. */
  apply(entry: Entry, observer?: LeaseObserver, commands?: readonly OriginatedCommand[]): readonly AppliedCommand[] {
    assert(entry.index === this.#appliedIndex + 1, 'D1: entries are applied in order, each once');
    assert(entry.term >= this.#appliedTerm, 'R2: terms do not go back along the log');
    this.#appliedIndex = entry.index;
    this.#appliedTerm = entry.term;
    switch (entry.kind) {
      case 'empty':
        return [];
      case 'configuration':
        this.#configuration = Uint8Array.from(entry.payload);
        return [];
      case 'commands':
        return (commands ?? unpackCommands(entry.payload)).map(({ origin, command }) => {
          const outcome = this.#outcome(this.#execute(command, entry.term, observer));
          return { origin, command, outcome };
        });
      default:
        return unreachable(entry.kind);
    }
  }

  #outcome(result: Result | Refused): Outcome {
    assert(!this.#revisions.open, 'K2: a command closes its revision');
    const { revision } = this;
    return result.type === 'refused'
      ? { ok: false, revision, refusal: result.refusal }
      : { ok: true, revision, result };
  }

  #execute(command: Command, term: Term, observer: LeaseObserver | undefined): Result | Refused {
    const refusal = this.alarms.refusalOf(command);
    if (refusal !== undefined) return refused(refusal);
    switch (command.type) {
      case 'grant':
        return applyGrant(this.lessor, command, observer);
      case 'revoke':
        return applyRevoke(this.lessor, this.#kv, command, observer);
      case 'put': {
        if (this.#kv.namesUnknownLease(command)) return refused('leaseNotFound');
        if (this.#kv.lacksKey(command)) return refused('keyNotFound');
        return this.#closing(this.#kv.put(command));
      }
      case 'deleteRange': {
        const refusal = this.#kv.refusesAnswer([command]);
        return refusal === undefined ? this.#closing(this.#kv.deleteRange(command)) : refused(refusal);
      }
      case 'txn':
        return this.#closing(applyTxn(this.#kv, command));
      case 'expire':
        return command.term === term ? applyExpire(this.lessor, this.#kv, command, observer) : refused('wrongTerm');
      case 'checkpoint':
        return command.term === term ? applyCheckpoint(this.lessor, command, observer) : refused('wrongTerm');
      case 'clear':
        return command.term === term ? applyClear(this.lessor, command, observer) : refused('wrongTerm');
      case 'publish':
        this.#members.publish(command);
        return { type: 'done', touched: 1 };
      case 'alarm':
        return this.alarms.apply(command);
      case 'compact':
        return this.#kv.compact(command);
      case 'sweep':
        return { type: 'done', touched: this.compaction.sweep(command) };
      default:
        return unreachable(command);
    }
  }

  /** Ends the command's revision, if it changed anything. */
  #closing<T>(result: T): T {
    this.#revisions.close();
    return result;
  }
}

/** Operations of several kinds, one kind behind the other. */
class JoinedOps implements ImageOps {
  readonly length: number;
  readonly #parts: readonly ImageOps[];

  constructor(parts: readonly ImageOps[]) {
    this.#parts = parts;
    this.length = parts.reduce((sum, part) => sum + part.length, 0);
  }

  *[Symbol.iterator](): Generator<ImageOp> {
    for (const part of this.#parts) yield* part;
  }
}
