/**
 * What clients do: the operations of a schedule turned into calls with real ids, keys and values, and leases kept alive by holders
 * that may be sick: stop, fall silent and resend, ask twice. Keeps the table of lease slots and what is known of each key.
 */
import { Prng } from '../../src/base/prng.ts';
import type { Compare, LeaseId, Put, Range, Txn, TxnOp } from '../../src/state/command.ts';
import type { KeyValue, Result } from '../../src/state/outcome.ts';
import type { CallRecord, ClientCall } from './history.ts';
import { wantLock } from './locking.ts';
import type { SimMember } from './member.ts';
import type { ClientOp, KeyCompare, KeyPut, KeyRange, Op, Renewal, TxnOf, TxnPart } from './schedule.ts';
import { openWatch } from './watching.ts';
import type { World } from './world.ts';

/** How long a client waits for an answer. */
export const callTimeoutMs = 5_000;

/** Keys in byte order; the last two sort the other way round as UTF-16. */
const keyTexts = ['k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7', 'k\u{fb00}', 'k\u{1f600}'];
export const keyCount = keyTexts.length;
const keys = keyTexts.map((text) => Buffer.from(text));
const afterKeys = Buffer.from('l');
const nothing = Buffer.alloc(0);

/** The bytes of key `number`; one too far is behind all. */
export function keyBytes(number: number): Uint8Array {
  return keys[number] ?? afterKeys;
}

/** The end of a range up to key `keyTo`; -1: one key alone. */
export function rangeEndBytes(keyTo: number): Uint8Array {
  return keyTo < 0 ? nothing : keyBytes(keyTo);
}

interface Slot {
  readonly ownId: LeaseId;
  id: LeaseId;
}

export class Workload {
  readonly #world: World;
  readonly #slots: Slot[] = [];
  /** The newest value that any client saw, by key. */
  readonly #known: (KeyValue | undefined)[] = [];
  readonly #prngs: Prng[];
  #nextOp = 0;

  constructor(world: World) {
    this.#world = world;
    const { seed, clients } = world.schedule;
    this.#prngs = Array.from({ length: clients }, (_, i) => new Prng(seed, `client c${i + 1}`));
  }

  begin(): void {
    this.#awaitNext();
  }

  // ── operations ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #awaitNext(): void {
    const op = this.#world.schedule.ops[this.#nextOp];
    if (op === undefined) return;
    this.#world.timeline.after(op.atMs - this.#world.nowMs, () => {
      this.#nextOp++;
      if (this.#world.working) this.#do(op);
      this.#awaitNext();
    });
  }

  #do({ client: number, member: index, op }: Op): void {
    const { members, schedule } = this.#world;
    const client = number % schedule.clients;
    const member = this.#listening(index % members.length);
    if (op.type === 'grant') this.#grant(client, member, op);
    else if (op.type === 'lock') wantLock(this.#world, client, member, op);
    else if (op.type === 'watch') openWatch(this.#world, client, member, op);
    else this.#world.clients.call(client, member, this.#callOf(op), callTimeoutMs, (record) => this.#learn(record));
  }

  /** Where nobody listens a client goes on to the next address. */
  #listening(index: number): SimMember {
    const { members } = this.#world;
    for (let i = 0; i < members.length; i++) {
      const member = members[(index + i) % members.length] as SimMember;
      if (member.up) return member;
    }
    return members[index] as SimMember;
  }

  #callOf(op: Exclude<ClientOp, { type: 'grant' | 'watch' | 'lock' }>): ClientCall {
    switch (op.type) {
      case 'keepAlive':
      case 'timeToLive':
        return { type: op.type, id: this.#slot(op.lease).id };
      case 'revoke':
        return { type: 'command', command: { type: 'revoke', id: this.#slot(op.lease).id }, serverId: false };
      case 'put':
        return { type: 'command', command: this.#put(op, '0'), serverId: false };
      case 'delete':
        return { type: 'command', command: deletion(op), serverId: false };
      case 'compact': {
        const revision = Math.max(0, this.#world.clients.newestRevision - op.back);
        return { type: 'command', command: { type: 'compact', revision }, serverId: false };
      }
      case 'range':
        return { type: 'range', range: this.#range(op), serializable: op.serializable };
      default:
        return { type: 'command', command: this.#txn(op, ''), serverId: false };
    }
  }

  /** Values are unique: the number of the call, and the place in it. */
  #put({ key, lease, prevKv, ignoreValue, ignoreLease }: KeyPut, place: string): Put {
    const value = Buffer.from(`${this.#world.clients.calls.length}.${place}`);
    return {
      type: 'put',
      key: keyBytes(key),
      value: ignoreValue ? nothing : value,
      lease: lease < 0 || ignoreLease ? 0n : this.#slot(lease).id,
      prevKv,
      ignoreValue,
      ignoreLease,
    };
  }

  #range({ key, keyTo, back, limit }: KeyRange): Range {
    const revision = back > 0 ? Math.max(1, this.#world.clients.newestRevision - back) : 0;
    return {
      type: 'range',
      key: keyBytes(key),
      rangeEnd: rangeEndBytes(keyTo),
      limit,
      revision,
      sortOrder: 'none',
      sortTarget: 'key',
      keysOnly: false,
      countOnly: false,
      minModRevision: 0,
      maxModRevision: 0,
      minCreateRevision: 0,
      maxCreateRevision: 0,
    };
  }

  /** `at`: where it stands in the txns around it. */
  #txn({ compares, success, failure }: TxnOf, at: string): Txn {
    const parts = (list: readonly TxnPart[]): TxnOp[] => list.map((part, i) => this.#part(part, `${at}${i}`));
    return {
      type: 'txn',
      compares: compares.map((compare) => this.#compare(compare)),
      success: parts(success),
      failure: parts(failure),
    };
  }

  #part(part: TxnPart, place: string): TxnOp {
    if (part.type === 'txn') return this.#txn(part, `${place}.`);
    if (part.type === 'put') return this.#put(part, place);
    return part.type === 'delete' ? deletion(part) : this.#range(part);
  }

  #compare({ target, result, key, keyTo = -1, off }: KeyCompare): Compare {
    const known = this.#known[key];
    const operand = (): number | bigint | Uint8Array => {
      switch (target) {
        case 'version':
          return Math.max(0, (known?.version ?? 0) + off);
        case 'create':
          return Math.max(0, (known?.createRevision ?? 0) + off);
        case 'mod':
          return Math.max(0, (known?.modRevision ?? 0) + off);
        case 'value':
          return off === 0 && known !== undefined ? known.value : Buffer.from('none');
        default:
          return known?.lease ?? 0n;
      }
    };
    return { target, result, key: keyBytes(key), rangeEnd: rangeEndBytes(keyTo), operand: operand() };
  }

  // ── leases ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #grant(client: number, member: SimMember, op: ClientOp & { readonly type: 'grant' }): void {
    const slot = this.#slot(op.lease);
    const id = op.serverId ? member.ids.uint64() & 0x7fff_ffff_ffff_ffffn || 1n : slot.ownId;
    const command = { type: 'grant', id, ttlMs: op.ttlMs } as const;
    const call: ClientCall = { type: 'command', command, serverId: op.serverId };
    this.#world.clients.call(client, member, call, callTimeoutMs, ({ outcome }) => {
      if (outcome !== 'ok') return;
      slot.id = id;
      if (op.renewal.everyMs > 0) this.#hold(client, member.index, id, op.renewal, 0);
    });
  }

  /** Asks for the `done`-th renewal after a while, and then for the next. */
  #hold(client: number, home: number, id: LeaseId, renewal: Renewal, done: number): void {
    if (done >= renewal.times) return;
    const { timeline, clients, members } = this.#world;
    const prng = this.#prngs[client] as Prng;
    const silent = renewal.pauseAfter > 0 && done > 0 && done % renewal.pauseAfter === 0;
    const waitMs = renewal.everyMs * (0.8 + 0.4 * prng.unit()) + (silent ? renewal.pauseMs : 0);
    timeline.after(waitMs, () => {
      if (!this.#world.working) return;
      const call: ClientCall = { type: 'keepAlive', id };
      let next = home;
      const timeoutMs = Math.min(callTimeoutMs, Math.max(1_000, renewal.everyMs * 2));
      clients.call(client, this.#listening(home), call, timeoutMs, (record) => {
        const { result } = record;
        if (result?.type === 'lease' && result.answer.type === 'gone') return;
        if (record.outcome !== 'ok') next = (home + 1) % members.length;
        this.#hold(client, next, id, renewal, done + 1);
      });
      if (!renewal.twice) return;
      clients.call(client, this.#listening((home + 1) % members.length), call, timeoutMs);
    });
  }

  #slot(number: number): Slot {
    const found = this.#slots[number];
    if (found !== undefined) return found;
    const own = idOfSlot(number);
    const slot = { ownId: own, id: own };
    this.#slots[number] = slot;
    return slot;
  }

  // ── what answers teach ───────────────────────────────────────────────────────────────────────────────────────────────

  #learn({ result }: CallRecord): void {
    if (result?.type === 'range') for (const kv of result.result.kvs) this.#know(kv);
    if (result?.type === 'outcome' && result.outcome.ok) this.#learnResult(result.outcome.result);
  }

  #learnResult(result: Result): void {
    if (result.type === 'range') for (const kv of result.kvs) this.#know(kv);
    else if (result.type === 'put' && result.prevKv !== undefined) this.#know(result.prevKv);
    else if (result.type === 'txn') for (const response of result.responses) this.#learnResult(response);
  }

  #know(kv: KeyValue): void {
    const key = keyTexts.indexOf(Buffer.from(kv.key).toString());
    if (key < 0) return;
    const known = this.#known[key];
    if (known === undefined || known.modRevision < kv.modRevision) this.#known[key] = kv;
  }
}

function deletion({ key, keyTo, prevKv }: { readonly key: number; readonly keyTo: number; readonly prevKv: boolean }) {
  return { type: 'deleteRange', key: keyBytes(key), rangeEnd: rangeEndBytes(keyTo), prevKv } as const;
}

/** Small ones, negative ones, and ones that a double cannot hold. */
function idOfSlot(number: number): LeaseId {
  if (number % 4 === 1) return BigInt(-1 - number);
  if (number % 4 === 2) return 7_587_861_231_231_231_231n + BigInt(number);
  if (number % 4 === 3) return -7_587_861_231_231_231_231n - BigInt(number);
  return BigInt(number + 1);
}
