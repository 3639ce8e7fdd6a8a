/**
 * The lessor's replicated half: which leases there are, their stamps and recorded remaining times, and the keys attached to
 * each. No deadline lives here: time is the primary's. Columns by slot, so that a million leases cost some 32 MB, with keys and
 * recorded times 20 more, and no garbage collection. Invariants: L5 (keys of a lease), L6 (bounds of remaining), L8 (stamps), L9, L10.
 * Source: etcd server/lease/lessor.go for what grant, attach and detach mean.
 */
import { assert } from '../base/assert.ts';
import { bytesOf } from '../base/bytes.ts';
import { Float64Column, Int32Column, RefColumn } from '../base/columns.ts';
import { IdTable, NO_SLOT } from '../base/id-table.ts';
import type { ImageOp } from '../store/image.ts';
import type { LeaseId } from './command.ts';
import { RecordSum } from './digest.ts';
import { leaseQuotaBytes } from './growth.ts';
import {
  LEASE_BYTES,
  LEASE_PAGE_HEAD_BYTES,
  LEASES_PER_PAGE,
  type LeasePage,
  readUint64,
  writeLease,
} from './image-records.ts';
import type { KeyNode } from './key-index.ts';
import { LeasePages } from './lease-pages.ts';

export class Lessor {
  readonly #ids: IdTable;
  /** 0 where no lease lives. */
  readonly #stamps = new Float64Column();
  readonly #grantedMs = new Float64Column();
  readonly #remainingMs = new Float64Column();
  readonly #keyCounts = new Int32Column();
  /** Head of each lease's list of keys. */
  readonly #firstKeys = new RefColumn<KeyNode>();
  #attachedKeyCount = 0;
  #stampsGiven = 0;
  readonly #pages = new LeasePages();
  readonly #sum = new RecordSum();
  /** One lease, for the sum. */
  readonly #room = Buffer.alloc(LEASE_BYTES);

  /** `seed` as for `IdTable`: where ids lie is each member's own affair, and clients choose them. */
  constructor(seed?: number) {
    this.#ids = new IdTable(seed);
  }

  // ── the view (primary, rpc) ──────────────────────────────────────────────────────────────────────────────────────────

  /** Leases alive. */
  get count(): number {
    return this.#ids.size;
  }

  /** Keys attached to any lease. */
  get attachedKeyCount(): number {
    return this.#attachedKeyCount;
  }

  /** Every slot is below this. A slot is used again after its lease ended; the stamp tells lives apart. */
  get slotCount(): number {
    return this.#ids.slotCount;
  }

  /** The newest stamp given out; replicated. */
  get stampsGiven(): number {
    return this.#stampsGiven;
  }

  /** The slot of a live lease, or -1. */
  slotOf(id: LeaseId): number {
    return this.#ids.find(id);
  }

  isLive(slot: number): boolean {
    return this.stampAt(slot) !== 0;
  }

  /** Id of the live lease in `slot`. */
  idAt(slot: number): LeaseId {
    return this.#ids.idAt(slot);
  }

  /** 0 if no lease lives there. */
  stampAt(slot: number): number {
    return this.#stamps.get(slot);
  }

  grantedMsAt(slot: number): number {
    return this.#grantedMs.get(slot);
  }

  /** What a checkpoint recorded; 0: nothing, the lease has its full granted time. */
  remainingMsAt(slot: number): number {
    return this.#remainingMs.get(slot);
  }

  keyCountAt(slot: number): number {
    return this.#keyCounts.get(slot);
  }

  /** All live leases, ascending. */
  leases(): LeaseId[] {
    const ids = new BigInt64Array(this.count);
    let at = 0;
    for (let slot = 0; slot < this.slotCount; slot++) if (this.isLive(slot)) ids[at++] = this.idAt(slot);
    assert(at === ids.length, 'L10: every id has a live slot');
    return [...ids.sort()];
  }

  /** Keys attached to a lease, in byte order; empty if there is no such lease. */
  keysOf(id: LeaseId): Uint8Array[] {
    const slot = this.slotOf(id);
    return slot === NO_SLOT ? [] : this.keysAt(slot).map((node) => bytesOf(node.key));
  }

  // ── what commands do ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** A new lease with a new stamp. The id is not in use. Returns its slot. */
  grant(id: LeaseId, grantedMs: number): number {
    this.#stampsGiven += 1;
    const slot = this.#ids.add(id);
    this.#fill(slot, this.#stampsGiven, grantedMs, 0);
    this.#record(slot);
    this.#pages.granted(slot);
    return slot;
  }

  /** Takes a lease away. Its keys are gone already (L5). */
  end(slot: number): void {
    assert(this.isLive(slot), 'L2: only a live lease ends');
    assert(this.keyCountAt(slot) === 0 && this.#firstKeys.get(slot) === undefined, 'L5: a lease ends with its keys');
    this.#unrecord(slot);
    this.#stamps.set(slot, 0);
    if (this.remainingMsAt(slot) !== 0) this.#remainingMs.set(slot, 0);
    this.#ids.remove(slot);
    this.#pages.ended(slot);
  }

  /** Records what is left of a lease (L6): within 1 … granted. */
  checkpoint(slot: number, remainingMs: number): void {
    assert(remainingMs >= 1 && remainingMs <= this.grantedMsAt(slot), 'L6: 1 <= remaining <= granted');
    this.#rerecord(slot, this.stampAt(slot), remainingMs);
  }

  /** Forgets what was recorded and starts a new life under a new stamp (L8). */
  clear(slot: number): void {
    assert(this.remainingMsAt(slot) > 0, 'L6: only a recorded remaining time is cleared');
    this.#stampsGiven += 1;
    this.#rerecord(slot, this.#stampsGiven, 0);
  }

  /** Attaches a key to the lease in `slot` and detaches it from any other; `NO_SLOT` only detaches (L9). */
  move(node: KeyNode, slot: number): void {
    if (node.leaseSlot === slot) return;
    if (node.leaseSlot !== NO_SLOT) this.#detach(node);
    if (slot !== NO_SLOT) this.#attach(node, slot);
  }

  /** The keys attached to a live lease, in byte order: the order of a revoke's deletes (L5). */
  keysAt(slot: number): KeyNode[] {
    const nodes: KeyNode[] = [];
    for (let node = this.#firstKeys.get(slot); node !== undefined; node = node.nextOfLease) nodes.push(node);
    assert(nodes.length === this.keyCountAt(slot), 'L9: the list of keys and its count agree');
    return nodes.length < 2 ? nodes : nodes.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  // ── image and digest ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** Bytes that leases count for in the quota. */
  get sizeBytes(): number {
    return this.count * leaseQuotaBytes;
  }

  /** Sum over the records of all live leases. */
  get sum(): RecordSum {
    return this.#sum;
  }

  get pendingImageBytes(): number {
    return this.#pages.pendingBytes;
  }

  /** What changed since the last call: one operation a page of leases. */
  drainImageOps(): readonly ImageOp[] {
    return this.#pages.drain(this.#writeLiveAt);
  }

  /** Takes over a page of an image, in ascending order. False if a lease is out of bounds or there. Not counted before `restored`. */
  restore({ firstSlot, slots, bytes }: LeasePage): boolean {
    let at = LEASE_PAGE_HEAD_BYTES;
    for (let i = 0; i < LEASES_PER_PAGE; i++) {
      if ((slots & (1 << i)) === 0) continue;
      if (!this.#restoreAt(firstSlot + i, bytes, at)) return false;
      at += LEASE_BYTES;
    }
    return true;
  }

  /** All leases of the image were taken over. False if one has a stamp that was never given out. */
  restored(stampsGiven: number, sum: RecordSum): boolean {
    if (stampsGiven < this.#stampsGiven) return false;
    this.#stampsGiven = stampsGiven;
    this.#sum.addSum(sum);
    return true;
  }

  // ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #restoreAt(slot: number, bytes: Buffer, at: number): boolean {
    const [hi, lo] = [bytes.readInt32BE(at), bytes.readInt32BE(at + 4)];
    const stamp = readUint64(bytes, at + 8);
    const grantedMs = readUint64(bytes, at + 16);
    const remainingMs = readUint64(bytes, at + 24);
    if ((hi | lo) === 0 || stamp < 1 || grantedMs < 1 || remainingMs > grantedMs) return false;
    if (!this.#ids.restoreHalves(slot, hi, lo)) return false;
    this.#fill(slot, stamp, grantedMs, remainingMs);
    this.#pages.restored(slot);
    this.#stampsGiven = Math.max(this.#stampsGiven, stamp);
    return true;
  }

  #fill(slot: number, stamp: number, grantedMs: number, remainingMs: number): void {
    this.#stamps.set(slot, stamp);
    this.#grantedMs.set(slot, grantedMs);
    if (remainingMs !== 0) this.#remainingMs.set(slot, remainingMs);
  }

  #record(slot: number): void {
    this.#write(slot, this.#room, 0);
    this.#sum.add(this.#room, 0, LEASE_BYTES);
  }

  #unrecord(slot: number): void {
    this.#write(slot, this.#room, 0);
    this.#sum.subtract(this.#room, 0, LEASE_BYTES);
  }

  #rerecord(slot: number, stamp: number, remainingMs: number): void {
    this.#unrecord(slot);
    this.#stamps.set(slot, stamp);
    this.#remainingMs.set(slot, remainingMs);
    this.#record(slot);
    this.#pages.changed(slot);
  }

  #write(slot: number, bytes: Buffer, at: number): void {
    const [hi, lo] = [this.#ids.hiAt(slot), this.#ids.loAt(slot)];
    writeLease(bytes, at, hi, lo, this.stampAt(slot), this.grantedMsAt(slot), this.remainingMsAt(slot));
  }

  /** For `LeasePages.drain`. */
  readonly #writeLiveAt = (slot: number, bytes: Buffer, at: number): boolean => {
    if (slot >= this.slotCount || !this.isLive(slot)) return false;
    this.#write(slot, bytes, at);
    return true;
  };

  #attach(node: KeyNode, slot: number): void {
    assert(this.isLive(slot), 'L9: a key is attached to a live lease');
    const first = this.#firstKeys.get(slot);
    node.leaseSlot = slot;
    node.nextOfLease = first;
    if (first !== undefined) first.previousOfLease = node;
    this.#firstKeys.set(slot, node);
    this.#keyCounts.set(slot, this.keyCountAt(slot) + 1);
    this.#attachedKeyCount += 1;
  }

  #detach(node: KeyNode): void {
    const { leaseSlot: slot, previousOfLease: previous, nextOfLease: next } = node;
    if (previous === undefined) this.#firstKeys.set(slot, next);
    else previous.nextOfLease = next;
    if (next !== undefined) next.previousOfLease = previous;
    node.leaseSlot = NO_SLOT;
    node.nextOfLease = undefined;
    node.previousOfLease = undefined;
    this.#keyCounts.set(slot, this.keyCountAt(slot) - 1);
    this.#attachedKeyCount -= 1;
  }
}
