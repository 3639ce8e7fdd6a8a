/**
 * The state machine once more, as simply as it can be said: a Map copied at every revision, leases in a Map, keys of a lease found
 * by looking at all keys. Shares no code with `src/state`, only types.
 */
import type { Command, Compare, DeleteRange, Put, Range, StampedLease, Txn } from '../../src/state/command.ts';
import { text } from './commands.ts';

export interface ModelValue {
  readonly key: string;
  readonly value: string;
  readonly create: number;
  readonly mod: number;
  readonly version: number;
  readonly lease: bigint;
}
export interface ModelEvent {
  readonly type: 'put' | 'delete';
  readonly key: string;
  readonly now: ModelValue | undefined;
  /** As it was before the whole revision; nothing for a put that makes the key anew. */
  readonly before: ModelValue | undefined;
}
interface ModelLease {
  stamp: number;
  readonly granted: number;
  remaining: number;
}
/** A change, and how much of the quota it takes. */
interface ModelVersion {
  readonly key: string;
  readonly place: Place;
  readonly deletes: boolean;
  readonly bytes: number;
}
interface Place {
  readonly revision: number;
  readonly sub: number;
}
type Keys = Map<string, ModelValue>;
const byKey = (a: { key: string }, b: { key: string }) => (a.key < b.key ? -1 : 1);

function inRange(key: string, from: string, end: string): boolean {
  if (end === '') return key === from;
  return key >= from && (end === '\0' || key < end);
}

function precedes(a: Place, b: Place): boolean {
  return a.revision < b.revision || (a.revision === b.revision && a.sub < b.sub);
}

export class Model {
  revision = 1;
  stamps = 0;
  keys: Keys = new Map();
  readonly past = new Map<number, Keys>([[1, new Map()]]);
  readonly events = new Map<number, ModelEvent[]>();
  readonly leases = new Map<bigint, ModelLease>();
  readonly members = new Map<bigint, { name: string; clientUrls: readonly string[] }>();
  /** `member/kind` of each raised alarm. */
  readonly alarms = new Set<string>();
  compacted = -1;
  sweepAt: Place | undefined;
  /** In order of place. */
  versions: ModelVersion[] = [];
  #pending: ModelEvent[] = [];

  select(from: string, end: string, keys = this.keys): ModelValue[] {
    return [...keys.values()].filter((kv) => inRange(kv.key, from, end)).sort(byKey);
  }

  /** What a watcher may see of a revision. */
  eventsOf(revision: number, compacted = this.compacted): ModelEvent[] {
    if (revision < compacted) return [];
    const events = this.events.get(revision) ?? [];
    return revision > compacted ? events : events.map((event) => ({ ...event, before: undefined }));
  }

  get sizeBytes(): number {
    return this.versions.reduce((sum, { bytes }) => sum + bytes, 64 * this.leases.size);
  }

  keysOf(id: bigint): string[] {
    return this.select('', '\0')
      .filter((kv) => kv.lease === id)
      .map((kv) => kv.key);
  }

  apply(command: Command, term: number): unknown {
    const result = this.#do(command, term);
    this.#close();
    return { ...(typeof result === 'string' ? { refusal: result } : { result }), revision: this.revision };
  }

  #close(): void {
    if (this.#pending.length === 0) return;
    this.revision += 1;
    this.past.set(this.revision, new Map(this.keys));
    this.events.set(this.revision, this.#pending);
    for (const [sub, { key, now }] of this.#pending.entries()) {
      const bytes = 256 + key.length + (now?.value.length ?? 0);
      this.versions.push({ key, place: { revision: this.revision, sub }, deletes: now === undefined, bytes });
    }
    this.#pending = [];
  }

  /** A write of any kind meets CORRUPT, a put or grant NOSPACE; what the leader writes down about leases meets neither. */
  #alarmed(command: Command): string | undefined {
    const raised = (kind: string) => [...this.alarms].some((alarm) => alarm.endsWith(kind));
    const typesOf = (one: Command | Range): string[] =>
      one.type === 'txn' ? [...one.success, ...one.failure].flatMap(typesOf) : [one.type];
    const does = (...types: string[]) => typesOf(command).some((type) => types.includes(type));
    if (raised('corrupt') && does('grant', 'revoke', 'put', 'deleteRange', 'expire', 'compact')) return 'corrupt';
    return raised('noSpace') && does('grant', 'put') ? 'noSpace' : undefined;
  }

  #do(command: Command, term: number): unknown {
    const alarmed = this.#alarmed(command);
    if (alarmed !== undefined) return alarmed;
    switch (command.type) {
      case 'grant':
        if (command.id === 0n) return 'leaseNotFound';
        if (command.ttlMs < 1 || command.ttlMs > 9e12) return 'leaseTtlTooLarge';
        if (this.leases.has(command.id)) return 'leaseExists';
        this.leases.set(command.id, { stamp: ++this.stamps, granted: command.ttlMs, remaining: 0 });
        return { type: 'grant', id: command.id, ttlMs: command.ttlMs };
      case 'revoke':
        if (!this.leases.has(command.id)) return 'leaseNotFound';
        this.#end(command.id);
        return { type: 'done', touched: 1 };
      case 'put':
        if (command.lease !== 0n && !this.leases.has(command.lease)) return 'leaseNotFound';
        if ((command.ignoreLease || command.ignoreValue) && !this.keys.has(text(command.key))) return 'keyNotFound';
        return this.#op(command);
      case 'deleteRange':
        return this.#op(command);
      case 'txn': {
        const before = new Map(this.keys);
        return this.#refusal(this.#plan(command, before)) ?? this.#txn(command, before);
      }
      case 'expire':
        if (command.term !== term) return 'wrongTerm';
        return this.#each(command.leases, (_, { id }) => {
          this.#end(id);
          return true;
        });
      case 'checkpoint':
        if (command.term !== term) return 'wrongTerm';
        return this.#each(command.leases, (lease, { remainingMs }) => {
          if (remainingMs < 1 || remainingMs > lease.granted) return false;
          lease.remaining = remainingMs;
          return true;
        });
      case 'clear':
        if (command.term !== term) return 'wrongTerm';
        return this.#each(command.leases, (lease) => {
          if (lease.remaining === 0) return false;
          lease.remaining = 0;
          lease.stamp = ++this.stamps;
          return true;
        });
      case 'publish':
        this.members.set(command.member, { name: command.name, clientUrls: command.clientUrls });
        return { type: 'done', touched: 1 };
      case 'alarm': {
        const alarm = `${command.member}/${command.kind}`;
        const before = this.alarms.size;
        if (command.action === 'activate') this.alarms.add(alarm);
        else this.alarms.delete(alarm);
        return { type: 'done', touched: Math.abs(this.alarms.size - before) };
      }
      case 'compact':
        return this.#compact(command.revision);
      case 'sweep':
        return { type: 'done', touched: this.#sweep(command) };
      default:
        throw new Error('a command without a model');
    }
  }

  #compact(revision: number): unknown {
    if (revision <= this.compacted) return 'compacted';
    if (revision > this.revision) return 'futureRevision';
    const last = { revision: Math.max(2, this.compacted), sub: 0 };
    const start = this.sweepAt !== undefined && precedes(this.sweepAt, last) ? this.sweepAt : last;
    this.compacted = revision;
    this.sweepAt = start.revision > revision ? undefined : start;
    return { type: 'done', touched: 1 };
  }

  /** The next change at or after `to` is where the sweep stands; who has a successor before it, or deletes, is over. */
  #sweep(to: Place): number {
    const { sweepAt, compacted } = this;
    if (sweepAt === undefined || !precedes(sweepAt, to)) return 0;
    this.sweepAt = undefined;
    for (const [revision, events] of [...this.events].reverse())
      for (let sub = events.length - 1; sub >= 0 && revision <= compacted; sub--)
        if (!precedes({ revision, sub }, to)) this.sweepAt = { revision, sub };
    const end = this.sweepAt ?? { revision: compacted + 1, sub: 0 };
    const kept = this.versions.filter(({ key, place, deletes }) => {
      if (place.revision >= compacted || !precedes(place, end)) return true;
      const over = this.versions.some((b) => b.key === key && precedes(place, b.place) && precedes(b.place, end));
      return !over && !deletes;
    });
    const gone = this.versions.length - kept.length;
    this.versions = kept;
    return gone;
  }

  #each<L extends StampedLease>(leases: readonly L[], touch: (lease: ModelLease, given: L) => boolean): unknown {
    let touched = 0;
    for (const given of leases) {
      const lease = this.leases.get(given.id);
      if (lease !== undefined && lease.stamp === given.stamp && touch(lease, given)) touched += 1;
    }
    return { type: 'done', touched };
  }

  #end(id: bigint): void {
    for (const key of this.keysOf(id)) this.#delete(key);
    this.leases.delete(id);
    this.#close();
  }

  #delete(key: string): void {
    this.#pending.push({ type: 'delete', key, now: undefined, before: this.#beforeRevision(key) });
    this.keys.delete(key);
  }

  #beforeRevision(key: string): ModelValue | undefined {
    const first = this.#pending.find((event) => event.key === key);
    return first === undefined ? this.keys.get(key) : first.before;
  }

  #branch(txn: Txn, before: Keys): Txn['success'] {
    return txn.compares.every((compare) => this.#holds(compare, before)) ? txn.success : txn.failure;
  }

  /** Everything that the txn and those inside it would do, in order; `before`: the keys that compares look at. */
  #plan(txn: Txn, before: Keys): (Put | DeleteRange | Range)[] {
    return this.#branch(txn, before).flatMap((op) => (op.type === 'txn' ? this.#plan(op, before) : [op]));
  }

  #txn(txn: Txn, before: Keys): unknown {
    const branch = this.#branch(txn, before);
    const responses = branch.map((op) => (op.type === 'txn' ? this.#txn(op, before) : this.#op(op)));
    return { type: 'txn', succeeded: branch === txn.success, responses };
  }

  /** A put fails if its key was not there before the txn, or a delete earlier in it covers the key. */
  #refusal(branch: readonly (Put | DeleteRange | Range)[]): string | undefined {
    for (const [at, op] of branch.entries()) {
      if (op.type !== 'put') continue;
      const key = text(op.key);
      const gone = branch
        .slice(0, at)
        .some((earlier) => earlier.type === 'deleteRange' && inRange(key, text(earlier.key), text(earlier.rangeEnd)));
      if ((op.ignoreLease || op.ignoreValue) && (!this.keys.has(key) || gone)) return 'keyNotFound';
      if (op.lease !== 0n && !this.leases.has(op.lease)) return 'leaseNotFound';
    }
    for (const op of branch) {
      if (op.type !== 'range') continue;
      if (op.revision > this.revision) return 'futureRevision';
      if (op.revision !== 0 && op.revision < this.compacted) return 'compacted';
    }
    return undefined;
  }

  refuses({ revision }: Range): string | undefined {
    if (revision > this.revision) return 'futureRevision';
    return revision > 0 && revision < this.compacted ? 'compacted' : undefined;
  }

  #op(op: Put | DeleteRange | Range): unknown {
    if (op.type === 'range') return this.range(op);
    if (op.type === 'put') return this.#put(op);
    const gone = this.select(text(op.key), text(op.rangeEnd));
    for (const kv of gone) this.#delete(kv.key);
    return { type: 'deleteRange', deleted: gone.length, prevKvs: op.prevKv ? gone : [] };
  }

  #put(put: Put): unknown {
    const key = text(put.key);
    const before = this.keys.get(key);
    const now: ModelValue = {
      key,
      value: put.ignoreValue ? (before as ModelValue).value : text(put.value),
      create: before?.create ?? this.revision + 1,
      mod: this.revision + 1,
      version: (before?.version ?? 0) + 1,
      lease: put.ignoreLease ? (before as ModelValue).lease : put.lease,
    };
    const isNew = now.create === now.mod;
    this.#pending.push({ type: 'put', key, now, before: isNew ? undefined : this.#beforeRevision(key) });
    this.keys.set(key, now);
    return { type: 'put', prevKv: put.prevKv ? before : undefined };
  }

  range(range: Range): unknown {
    const refusal = this.refuses(range);
    return refusal === undefined ? this.look(range) : { type: 'refused', refusal };
  }

  /** What a range gives that is not refused, or had not been when nothing was compacted. */
  look(range: Range): unknown {
    const keys = range.revision > 0 ? (this.past.get(range.revision) as Keys) : this.keys;
    const all = this.select(text(range.key), text(range.rangeEnd), keys);
    if (range.countOnly) return { type: 'range', kvs: [], more: false, count: all.length };
    const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = range;
    const bounds = [minModRevision, maxModRevision, minCreateRevision, maxCreateRevision];
    let kvs = all.filter(
      ({ mod, create }) =>
        mod >= minModRevision &&
        (maxModRevision === 0 || mod <= maxModRevision) &&
        create >= minCreateRevision &&
        (maxCreateRevision === 0 || create <= maxCreateRevision),
    );
    // What etcd fetches when nothing makes it fetch all.
    if (range.limit > 0 && range.sortOrder === 'none' && bounds.every((bound) => bound === 0))
      kvs = kvs.slice(0, range.limit + 1);
    const target = range.sortTarget;
    const down = range.sortOrder === 'descend';
    const order = (a: ModelValue, b: ModelValue) => (a[target] < b[target] ? -1 : a[target] > b[target] ? 1 : 0);
    kvs.sort((a, b) => (down ? order(b, a) : order(a, b)) || byKey(a, b));
    const more = range.limit > 0 && kvs.length > range.limit;
    if (more) kvs = kvs.slice(0, range.limit);
    if (range.keysOnly) kvs = kvs.map((kv) => ({ ...kv, value: '' }));
    return { type: 'range', kvs, more, count: all.length };
  }

  #holds(compare: Compare, before: Keys): boolean {
    const { target, result, operand } = compare;
    const test = (kv: ModelValue | undefined): boolean => {
      if (target === 'value' && kv === undefined) return false;
      const actual = kv === undefined ? 0 : kv[target];
      const wanted = operand instanceof Uint8Array ? text(operand) : operand;
      const sign = actual < wanted ? 'less' : actual > wanted ? 'greater' : 'equal';
      return result === 'notEqual' ? sign !== 'equal' : sign === result;
    };
    const kvs = this.select(text(compare.key), text(compare.rangeEnd), before);
    return kvs.length === 0 ? test(undefined) : kvs.every(test);
  }
}
