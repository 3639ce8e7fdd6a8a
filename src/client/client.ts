/**
 * `leasehold/client`: what a Node.js service imports to register itself, hold a lock, lead, and notice in time that it no longer does.
 * The client is the door to all of it; each part stands in a folder of its own.
 */
import type { Core } from './core.ts';
import { type CompactOptions, Kv } from './kv/kv.ts';
import type { DeleteOptions, ListOptions, PutOptions, ReadOptions } from './kv/operations.ts';
import type { ScanOptions } from './kv/pages.ts';
import { Txn } from './kv/txn.ts';
import type { Deleted, KeyValue, Listing, Written } from './kv/views.ts';
import { keepAlive, keepAliveOnce } from './lease/keep-alive.ts';
import type { Renewed } from './lease/kept.ts';
import { type Lease, type LeaseOptions, type LeaseParts, makeLease } from './lease/lease.ts';
import { type Granted, type GrantOptions, LeaseCalls, type TimeToLive } from './lease/lease-calls.ts';
import { Renewer } from './lease/renewer.ts';
import type { Election, ElectionOptions } from './lock/election.ts';
import type { Held } from './lock/held.ts';
import { Locking } from './lock/locking.ts';
import type { LockOptions } from './lock/locks.ts';
import type { Session, SessionOptions } from './lock/session.ts';
import { type ClientOptions, settingsOf } from './options.ts';
import type { RegistrationParts } from './registry/keeping.ts';
import { planOf, type RegisterSettings, Registration } from './registry/registration.ts';
import { Registry, type RegistryOptions } from './registry/registry.ts';
import { type CallSettings, Calls } from './transport/calls.ts';
import { preferLeader } from './transport/leader-hint.ts';
import { discover, type MemberInfo, memberList } from './transport/member-list.ts';
import { Members } from './transport/members.ts';
import { Streams } from './transport/streams.ts';
import { Tokens } from './transport/tokens.ts';
import type { Codec, Duration, KeyLike, KeyRange, LeaseIdLike, ValueLike } from './values.ts';
import { Lanes } from './watch/lanes.ts';
import { View } from './watch/view.ts';
import { Watch, type WatchOptions } from './watch/watch.ts';

export type { Instant } from './clock.ts';
export { type ErrorCode, LeaseError, type LeaseErrorOptions } from './errors.ts';
export type { Comparable, Comparables, Compares } from './kv/compare.ts';
export type { Guard } from './kv/guard.ts';
export type { CompactOptions } from './kv/kv.ts';
export type { DeleteOptions, LeaseLike, ListOptions, PutOptions, ReadOptions, SortTarget } from './kv/operations.ts';
export type { ScanOptions } from './kv/pages.ts';
export type {
  AnyOperations,
  Branch,
  Condition,
  Made,
  OperationsOf,
  Results,
  Txn,
  TxnOperation,
  TxnOperations,
  TxnResult,
} from './kv/txn.ts';
export type { Deleted, KeyValue, Listing, Written } from './kv/views.ts';
export type { LostReason, Renewed } from './lease/kept.ts';
export type { Lease, LeaseLostEvent, LeaseOptions } from './lease/lease.ts';
export type { Granted, GrantOptions, TimeToLive } from './lease/lease-calls.ts';
export type { CampaignOptions, Election, ElectionOptions } from './lock/election.ts';
export type { Held } from './lock/held.ts';
export type { Leader } from './lock/leaders.ts';
export type { LockOptions } from './lock/locks.ts';
export type { Session, SessionOptions } from './lock/session.ts';
export type { Term } from './lock/term.ts';
export type { ClientOptions } from './options.ts';
export type { RegisteredEvent, RegistrationLostEvent, RegistrationLostReason } from './registry/events.ts';
export { type GrpcResolverOptions, type HasRegistry, registerGrpcResolver } from './registry/grpc-resolver.ts';
export type { Instance, InstanceInput, Layout, LayoutName, Read } from './registry/layout.ts';
export type { RegisterSettings, Registration } from './registry/registration.ts';
export type { FollowOptions, Registry, RegistryOptions } from './registry/registry.ts';
export type { Stoppable } from './stoppable.ts';
export type { CallSettings } from './transport/calls.ts';
export type { TlsOptions } from './transport/grpc-channel.ts';
export type { MemberInfo } from './transport/member-list.ts';
export type { Credentials } from './transport/tokens.ts';
export type { Codec, Duration, KeyLike, KeyRange, LeaseIdLike, ValueLike } from './values.ts';
export { json } from './values.ts';
export type { Change } from './watch/changes.ts';
export type { DeleteEvent, ProgressEvent, PutEvent, ResyncEvent, WatchEvent } from './watch/events.ts';
export type { View } from './watch/view.ts';
export type { Watch, WatchOptions } from './watch/watch.ts';

/** A client of one cluster, whatever it is used for; see `ClientOptions`. Close it, or make it by `await using`. */
export class Client implements AsyncDisposable {
  readonly #core: Core;
  readonly #kv: Kv;
  readonly #lanes: Lanes;
  readonly #leaseCalls: LeaseCalls;
  readonly #renewer: Renewer;
  readonly #locking: Locking;
  readonly #members: Members;
  readonly #closed = new AbortController();

  /** Throws a `LeaseError` (`invalid_argument`) that names the option; connects when something is first asked. */
  constructor(options: ClientOptions) {
    const { endpoints, connect, clock, auth, timeoutMs, namespace, ...how } = settingsOf(options);
    this.#members = new Members(endpoints, connect, clock);
    const tokens = auth === undefined ? undefined : new Tokens(this.#members, auth, clock);
    const calls = new Calls(this.#members, clock, tokens, timeoutMs);
    const streams = new Streams(this.#members, calls);
    if (how.prefer === 'leader') preferLeader(clock, this.#members, calls);
    if (how.discover) discover(clock, this.#members, calls, endpoints, how.secure);
    this.#core = { calls, streams, clock, namespace, timeoutMs, closed: this.#closed.signal };
    this.#kv = new Kv(this.#core);
    this.#lanes = new Lanes(this.#core);
    this.#leaseCalls = new LeaseCalls(this.#core);
    this.#renewer = new Renewer(this.#core);
    this.#locking = new Locking(this.#core, this.#lanes, (ttl, settings) => this.lease({ ttl, ...settings }));
  }

  /** Makes a lease and keeps it alive until it is let go; see `Lease`. */
  lease(options: LeaseOptions): Promise<Lease> {
    return makeLease(this.#leaseParts(), options);
  }

  /** One key; undefined if there is none. */
  get<T = Uint8Array>(key: KeyLike, options: ReadOptions<T> & CallSettings = {}): Promise<KeyValue<T> | undefined> {
    return this.#kv.get(key, options);
  }

  /** The keys of a range, in one answer; `scan` reads many of them page by page. */
  list<T = Uint8Array>(range: KeyRange, options: ListOptions<T> & CallSettings = {}): Promise<Listing<T>> {
    return this.#kv.list(range, options);
  }

  /** How many keys there are in a range. */
  count(range: KeyRange, options: ReadOptions & CallSettings = {}): Promise<number> {
    return this.#kv.count(range, options);
  }

  /** The keys of a range in their order, read by pages, all as of the first page's revision. Throws `compacted` when that is gone. */
  scan<T = Uint8Array>(range: KeyRange, options: ScanOptions<T> = {}): AsyncGenerator<KeyValue<T>, void, undefined> {
    return this.#kv.scan(range, options);
  }

  /** Writes one key. Not sent again when it may have been applied: then the error says so (`mayHaveApplied`). */
  put(key: KeyLike, value: ValueLike, options?: PutOptions & CallSettings): Promise<Written>;
  put<T>(key: KeyLike, value: T, options: PutOptions<T> & CallSettings & { codec: Codec<T> }): Promise<Written<T>>;
  put<T>(key: KeyLike, value: T | ValueLike, options: PutOptions<T> & CallSettings = {}): Promise<Written<T>> {
    return this.#kv.put(key, value, options);
  }

  /** Deletes the keys of a range. Not sent again when it may have been applied. */
  delete<T = Uint8Array>(range: KeyRange, options: DeleteOptions<T> & CallSettings = {}): Promise<Deleted<T>> {
    return this.#kv.delete(range, options);
  }

  /** Forgets what keys were before that revision: older ones can neither be read nor watched from any more. */
  compact(revision: bigint, options: CompactOptions = {}): Promise<void> {
    return this.#kv.compact(revision, options);
  }

  /** Begins a txn: `client.txn().if(…).then(…).else(…).commit()`. */
  txn(): Txn {
    return new Txn(this.#core);
  }

  /**
   * Events of a range as they happen, from now or from a revision on, each once and in order, whatever happens to members. Begins at
   * once. Where events were compacted away it tells a `resync` with all there is. Reading it throws when the client is closed or a
   * member refuses for good; it never ends in silence. One that is not read to its end must be closed.
   * @example
   * for await (const event of client.watch({ prefix: 'workers/' }, { signal })) {
   *   if (event.type === 'put') add(event.keyText, event.kv.text);
   *   else if (event.type === 'delete') remove(event.keyText);
   *   else if (event.type === 'resync') replaceAll(event.items);
   * }
   */
  watch<T = Uint8Array>(range: KeyRange, options: WatchOptions<T> = {}): Watch<T> {
    return new Watch(this.#lanes, range, options);
  }

  /** A map that mirrors a range until it is closed; resolves when it holds what there is. */
  view<T = Uint8Array>(range: KeyRange, codec?: Codec<T>, settings: CallSettings = {}): Promise<View<T>> {
    return View.open(this.#lanes, range, codec, settings);
  }

  /** Makes a lease that nobody renews yet; see `lease` for one that is kept alive. */
  grant(ttl: Duration, options?: GrantOptions): Promise<Granted> {
    return this.#leaseCalls.grant(ttl, options);
  }

  /**
   * Keeps a lease alive for as long as somebody loops over the answers; several who do so for one id share its renewals, and one who
   * is slow finds the newest answer. The loop ends when a member says that the lease is gone, and fails otherwise: with
   * `lease_not_found` if there never was one, `lease_lost` if no member answered in time, `cancelled`, `closed`. `timeout`: for the
   * first answer; at least 5 s if not given.
   *
   * ```ts
   * for await (const { ttlMs } of client.keepAlive(id, { signal })) log.debug({ ttlMs });
   * ```
   */
  keepAlive(id: LeaseIdLike, settings: CallSettings = {}): AsyncIterable<Renewed> {
    return keepAlive(this.#core, this.#renewer, id, settings);
  }

  /** Renews a lease once. Rejects with `lease_not_found` if it is gone. */
  keepAliveOnce(id: LeaseIdLike, settings: CallSettings = {}): Promise<Renewed> {
    return keepAliveOnce(this.#core, this.#renewer, id, settings);
  }

  /** Ends a lease and deletes its keys. */
  revoke(id: LeaseIdLike, settings?: CallSettings): Promise<void> {
    return this.#leaseCalls.revoke(id, settings);
  }

  /** What is left of a lease, and the keys that end with it if `keys` is true. One that is gone has a `ttl` of -1, and is no error. */
  timeToLive(id: LeaseIdLike, options?: CallSettings & { readonly keys?: boolean }): Promise<TimeToLive> {
    return this.#leaseCalls.timeToLive(id, options);
  }

  /** Ids of all leases there are, of all clients. */
  leases(settings?: CallSettings): Promise<readonly bigint[]> {
    return this.#leaseCalls.leases(settings);
  }

  /** Who is in the cluster. */
  members(settings?: CallSettings): Promise<readonly MemberInfo[]> {
    return memberList(this.#core.calls, settings);
  }

  /** One lease for all the locks, terms and registrations of a process; it is kept alive until it is closed or lost. */
  session(options?: SessionOptions): Promise<Session> {
    return this.#locking.session(options);
  }

  /**
   * Waits for the lock, in the order of those who ask; then runs the body under it and gives it back, or returns it to be given back.
   * Rejects with `cancelled` or `timeout` if the wait is given up, which leaves nothing behind, and with `lease_lost` if the session ends
   * meanwhile. With a body: with its error, if it has one; else with that of giving back, which is `lease_lost` or `not_held` if the lock
   * was lost before the body ended.
   * @example
   * await client.lock('invoice/42', { ttl: '15s', signal: request.signal }, async (held) => {
   *   await db.query('update … where fence < $1', [held.token]);
   * });
   * await using held = await client.lock('report');
   */
  lock<T>(name: KeyLike, body: (held: Held) => T | Promise<T>): Promise<T>;
  lock<T>(name: KeyLike, options: LockOptions, body: (held: Held) => T | Promise<T>): Promise<T>;
  lock(name: KeyLike, options?: LockOptions): Promise<Held>;
  lock<T>(
    name: KeyLike,
    ...[first, last]: readonly (LockOptions | ((held: Held) => T | Promise<T>) | undefined)[]
  ): Promise<T | Held> {
    const { locks } = this.#locking;
    if (typeof first === 'function') return locks.during(name, {}, first);
    return typeof last === 'function' ? locks.during(name, first ?? {}, last) : locks.lock(name, first ?? {});
  }

  /** The lock if it is free, else undefined; does not wait for those who hold it or queue. Give it back by `release` or `await using`. */
  tryLock(name: KeyLike, options: LockOptions = {}): Promise<Held | undefined> {
    return this.#locking.locks.tryLock(name, options);
  }

  /**
   * The election of that name: to campaign in, to observe. Every key that begins with the name and a `/` is taken for a
   * candidate, as it is by etcd's own clients: keep other keys elsewhere.
   */
  election(name: KeyLike, options?: ElectionOptions): Election {
    return this.#locking.election(name, options);
  }

  /**
   * Puts a key that is there as long as this process holds it, and puts it again whenever it is lost. Resolves when it is
   * there for the first time. See `Registration`.
   */
  register(key: KeyLike, value: ValueLike, options?: RegisterSettings): Promise<Registration<ValueLike>>;
  register<T>(key: KeyLike, value: T, options: RegisterSettings & { codec: Codec<T> }): Promise<Registration<T>>;
  register<T>(
    key: KeyLike,
    value: T,
    { codec, ...settings }: RegisterSettings & { codec?: Codec<T> } = {},
  ): Promise<Registration<T>> {
    return Registration.open(this.#registrationParts(), planOf(key, value, codec), settings);
  }

  /** Where services register their instances, and find each other's; see `Registry`. */
  registry(options: RegistryOptions = {}): Registry {
    return new Registry(this.#registrationParts(), options);
  }

  /** Ends everything that is open: held things say why (`closed`), calls under way fail. Leases live on until their TTL is over. */
  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    this.#members.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #leaseParts(): LeaseParts {
    return { core: this.#core, calls: this.#leaseCalls, renewer: this.#renewer };
  }

  #registrationParts(): RegistrationParts {
    return { ...this.#leaseParts(), lanes: this.#lanes };
  }
}
