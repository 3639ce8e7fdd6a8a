/**
 * Random calls for the comparison with a real etcd: few keys, few leases, all options, valid and not, so that everything meets
 * everything. Says what is asked, not of whom: a lease whose id the server chose is named by its slot.
 */
import type { Prng } from '../../src/base/prng.ts';
import type { Sparse } from '../../src/rpc/codec.ts';
import { type Int, int64Of } from '../../src/rpc/int64.ts';
import type {
  CompareMessage,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
  WatchCreateRequest,
} from '../../src/rpc/messages.ts';
import { randomRequest } from './random-requests.ts';
import { bytes } from './wire-client.ts';

/** One request and what may come of it. */
export type Step =
  | { readonly type: 'unary'; readonly path: string; readonly message: object }
  /** As they are, whether they are a message or not. */
  | { readonly type: 'bytes'; readonly path: string; readonly request: Uint8Array }
  /** A grant whose id the server chooses, for a slot. */
  | { readonly type: 'grant'; readonly slot: number; readonly ttl: Int }
  | { readonly type: 'keepAlive'; readonly id: Int }
  /** A watcher, which then sees a put and a delete of `key`. */
  | { readonly type: 'watch'; readonly create: Sparse<WatchCreateRequest>; readonly key: Uint8Array };

/** What the calls so far have shown. */
export interface Seen {
  revision: number;
  compacted: number;
  /** More keys than Go sorts stably. */
  crowded: boolean;
}

const slots = [0, 1, 2];
/** Stands for the id that the server gave the lease of a slot. */
export const placeholderOf = (slot: number): number => 0x7eed_0000 + slot;

const keys = ['a', 'b', 'c', 'a\xff', 'k/1', 'k/2', 'k/3'];
const ends = ['', '', '\0', 'b', 'c', 'l', 'z', 'a', 'k0'];
const everything = { key: bytes('\0'), rangeEnd: bytes('\0') };
const chosenIds: readonly Int[] = [7, 8, 9, 99, -1, int64Of(2n ** 63n - 1n), int64Of(-(2n ** 63n))];
/** Methods that may be asked anything: nothing of it depends on the time. */
const anyMethods = ['KV/Range', 'KV/Put', 'KV/DeleteRange', 'KV/Txn', 'KV/Compact', 'Lease/LeaseRevoke'].concat([
  'Lease/LeaseTimeToLive',
  'Lease/LeaseLeases',
  'Maintenance/HashKV',
]);

export class RandomCalls {
  readonly #random: Prng;
  /** Raised, perhaps more than once. */
  readonly #alarms: { readonly memberID: number; readonly alarm: number }[] = [];
  readonly seen: Seen = { revision: 1, compacted: 0, crowded: false };

  constructor(random: Prng) {
    this.#random = random;
  }

  next(): { readonly kind: string; readonly step: Step } {
    const random = this.#random;
    if (this.seen.crowded) {
      this.seen.crowded = false;
      return { kind: 'DeleteRange', step: unary('KV/DeleteRange', everything) };
    }
    // What an alarm refuses tells little, so none lasts long.
    const [alarm] = this.#alarms;
    if (alarm !== undefined && random.chance(0.15)) {
      this.#alarms.shift();
      return { kind: 'Alarm', step: unary('Maintenance/Alarm', { ...alarm, action: 2 }) };
    }
    const draws: readonly [number, string, () => Step][] = [
      [50, 'Range', () => unary('KV/Range', this.#range(false))],
      [60, 'Put', () => unary('KV/Put', this.#put())],
      [25, 'DeleteRange', () => unary('KV/DeleteRange', this.#delete())],
      [90, 'Txn', () => unary('KV/Txn', this.#txn(1))],
      [3, 'Compact', () => unary('KV/Compact', { revision: this.#revision(), physical: random.chance(0.2) })],
      [8, 'LeaseGrant', () => unary('Lease/LeaseGrant', { ID: this.#chosenId(), TTL: random.pick(ttls) })],
      [3, 'LeaseGrant', () => ({ type: 'grant', slot: random.pick(slots), ttl: random.pick(ttls) })],
      [8, 'LeaseRevoke', () => unary('Lease/LeaseRevoke', { ID: this.#lease() })],
      [12, 'LeaseTimeToLive', () => unary('Lease/LeaseTimeToLive', { ID: this.#lease(), keys: random.chance(0.7) })],
      [4, 'LeaseLeases', () => unary('Lease/LeaseLeases', {})],
      [4, 'LeaseKeepAlive', () => ({ type: 'keepAlive', id: this.#lease() })],
      [4, 'Watch', () => this.#watch()],
      [3, 'HashKV', () => unary('Maintenance/HashKV', { revision: this.#revision() })],
      [2, 'Alarm', () => this.#alarm(random.below(3))],
      [1, 'Defragment', () => unary('Maintenance/Defragment', {})],
      [1, 'MemberList', () => unary('Cluster/MemberList', {})],
      [20, 'any message', () => this.#any()],
      [2, 'too large', () => unary('KV/Put', { key: bytes('big'), value: new Uint8Array(1_600_000) })],
    ];
    let at = random.below(draws.reduce((sum, [weight]) => sum + weight, 0));
    let chosen = 0;
    for (; at >= (draws[chosen]?.[0] ?? 0); chosen++) at -= draws[chosen]?.[0] ?? 0;
    const [, kind, draw] = draws[chosen] as (typeof draws)[number];
    return { kind, step: draw() };
  }

  /** 0 asks for the list, 1 raises, 2 disarms. One kind at a time, as etcd forgets what an alarm of another kind refuses. */
  #alarm(action: number): Step {
    const random = this.#random;
    const kind = action === 1 ? (this.#alarms[0]?.alarm ?? random.between(1, 2)) : random.below(3);
    const alarm = { memberID: random.below(3), alarm: kind };
    if (action === 1) this.#alarms.push(alarm);
    return unary('Maintenance/Alarm', { ...alarm, action });
  }

  #any(): Step {
    const name = this.#random.pick(anyMethods.filter((one) => one !== 'KV/Txn' || this.#alarms.length === 0));
    const type = name === 'KV/Compact' ? 'Compaction' : name.slice(name.indexOf('/') + 1);
    return {
      type: 'bytes',
      path: `/etcdserverpb.${name}`,
      request: randomRequest(`etcdserverpb.${type}Request`, this.#random),
    };
  }

  #key(): Uint8Array {
    return bytes(this.#random.chance(0.01) ? '' : this.#random.pick(keys));
  }

  #chosenId(): Int {
    return this.#random.pick(chosenIds);
  }

  #lease(): Int {
    return this.#random.chance(0.2) ? placeholderOf(this.#random.pick(slots)) : this.#chosenId();
  }

  /** Around the present mostly. */
  #revision(): Int {
    const { revision } = this.seen;
    const random = this.#random;
    if (random.chance(0.1)) return random.pick<Int>([-1, -2, 1, int64Of(2n ** 63n - 1n), int64Of(-(2n ** 63n))]);
    return random.chance(0.3) ? revision : Math.max(0, revision - random.below(30) + 1);
  }

  #range(inTxn: boolean): Sparse<RangeRequest> {
    const random = this.#random;
    const bound = (): Int => (random.chance(0.9) ? 0 : random.chance(0.1) ? -5 : this.#revision());
    return {
      key: this.#key(),
      rangeEnd: bytes(random.pick(ends)),
      limit: random.chance(0.6) ? 0 : random.pick<Int>([1, 2, 3, 5, -1, int64Of(2n ** 63n - 1n)]),
      revision: random.chance(inTxn ? 0.9 : 0.6) ? 0 : this.#revision(),
      sortOrder: random.below(3),
      sortTarget: random.below(5),
      keysOnly: random.chance(0.2),
      countOnly: random.chance(0.1),
      serializable: random.chance(0.2),
      minModRevision: bound(),
      maxModRevision: bound(),
      minCreateRevision: bound(),
      maxCreateRevision: bound(),
    };
  }

  #put(): Sparse<PutRequest> {
    const random = this.#random;
    const [ignoreValue, ignoreLease] = [random.chance(0.1), random.chance(0.1)];
    return {
      key: this.#key(),
      value: bytes(ignoreValue && random.chance(0.9) ? '' : random.pick(['', '1', '2', '3', '4'])),
      lease: random.chance(ignoreLease ? 0.9 : 0.7) ? 0 : this.#lease(),
      prevKv: random.chance(0.3),
      ignoreValue,
      ignoreLease,
    };
  }

  #delete(): Sparse<DeleteRangeRequest> {
    const random = this.#random;
    return {
      key: this.#key(),
      rangeEnd: bytes(random.chance(0.7) ? '' : random.pick(ends)),
      prevKv: random.chance(0.5),
    };
  }

  #txn(depth: number): Sparse<TxnRequest> {
    const random = this.#random;
    if (depth === 1 && random.chance(0.01)) return this.#wide();
    const list = <Item>(make: () => Item, max: number) => Array.from({ length: random.below(max) }, make);
    // Under an alarm etcd overlooks the puts of txns inside.
    const depthMax = this.#alarms.length > 0 ? 1 : 5;
    const op = (): Sparse<RequestOp> => {
      if (depth < depthMax && random.chance(0.25)) return { requestTxn: this.#txn(depth + 1) };
      const kind = random.below(200);
      if (kind < 80) return { requestPut: this.#put() };
      if (kind < 150) return { requestRange: this.#range(true) };
      return kind < 199 ? { requestDeleteRange: this.#delete() } : {};
    };
    const readOnly = random.chance(0.15);
    const most = random.chance(0.5) ? 3 : 6;
    const ops = (): Sparse<RequestOp>[] =>
      readOnly ? list(() => ({ requestRange: this.#range(true) }), most) : list(op, most);
    return { compare: list(() => this.#compare(), 3), success: ops(), failure: ops() };
  }

  /** About as many operations, or as deep, as may be. */
  #wide(): Sparse<TxnRequest> {
    const random = this.#random;
    let message: Sparse<TxnRequest> = { success: [{ requestRange: { key: bytes('a') } }] };
    const width = random.pick([1, 1, 2, 10]);
    const ops = Array.from({ length: width - 1 }, () => ({ requestRange: { key: bytes('b'), countOnly: true } }));
    for (let depth = random.pick([1, Math.floor(128 / width) - 1, Math.floor(128 / width), 129]); depth > 0; depth--)
      message = { [random.chance(0.9) ? 'success' : 'failure']: [...ops, { requestTxn: message }] };
    if (random.chance(0.8)) return message;
    return { compare: Array.from({ length: random.pick([128, 129]) }, () => this.#compare()) };
  }

  #compare(): Sparse<CompareMessage> {
    const random = this.#random;
    const target = random.below(5);
    const number = random.chance(0.6) ? random.below(4) : this.#revision();
    const operands: Sparse<CompareMessage>[] = [
      { version: number },
      { createRevision: number },
      { modRevision: number },
      { value: bytes(random.pick(['', '1', '2'])) },
      { lease: random.chance(0.5) ? 0 : this.#chosenId() },
    ];
    return {
      key: this.#key(),
      rangeEnd: bytes(random.chance(0.7) ? '' : random.pick(ends)),
      result: random.below(4),
      target,
      ...operands[random.chance(0.9) ? target : random.below(5)],
    };
  }

  #watch(): Step {
    const random = this.#random;
    const filters = random.pick([[], [], [0], [1]]);
    const [key, end] = random.pick([
      ['a', ''],
      ['a', 'c'],
      ['k/', 'k0'],
      ['\0', '\0'],
      ['b', '\0'],
    ] as const);
    const start = random.chance(0.3) ? 0 : Math.max(0, this.seen.revision - random.below(30) + 3);
    const create = {
      key: bytes(key),
      rangeEnd: bytes(end),
      // From the compacted revision itself, etcd may leave out deletions.
      startRevision: start === this.seen.compacted && start > 0 ? start + 1 : start,
      filters,
      prevKv: random.chance(0.5),
      fragment: random.chance(0.2),
      progressNotify: random.chance(0.2),
    };
    return { type: 'watch', create, key: bytes(end === '' ? key : key === 'k/' ? 'k/1' : 'b') };
  }
}

/** Longer than any run, or too long. */
const ttls: readonly Int[] = [50_000, 600_000, 9e9, 9e9 + 1, 2 ** 53 - 1, int64Of(2n ** 63n - 1n)];

function unary(name: string, message: object): Step {
  return { type: 'unary', path: `/etcdserverpb.${name}`, message };
}
