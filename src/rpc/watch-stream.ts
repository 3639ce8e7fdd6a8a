/**
 * One watch stream: many watchers of the hub, their ids, and the order of what is said about them (etcd: v3rpc/watch.go).
 * A watcher is a cursor; this stream pulls only while the caller takes what was sent, so a reader that stops costs a cursor
 * per watcher and one bounded buffer (W12). Created goes before events, events of a revision go together (W4), and no header
 * runs ahead of an event not yet delivered (W6): a watcher that starts in the past is greeted with the revision before it.
 */
import { receiveSlackBytes, watchersPerStreamMax, watchPullBytesMax } from '../base/limits.ts';
import { rangeOf, type Watcher, type WatchSpec } from '../watch/watcher.ts';
import type { Sparse } from './codec.ts';
import { Headers } from './header.ts';
import type { HostTimer } from './host-clock.ts';
import { bigintOf, type Int, int64Of, numberOf } from './int64.ts';
import type { Member } from './member.ts';
import { type WatchCreateRequest, type WatchResponse, wire } from './messages.ts';
import type { CallContext, Incoming, Outgoing } from './transport.ts';
import { type Refused, refusalText, watchSpecOf } from './watch-convert.ts';
import { type EventBytes, type FieldBytes, WatchResponses, watchIdField } from './watch-encode.ts';
import type { Sender, WatchTurns } from './watch-turns.ts';

/** Not one watcher's id: a creation refused, or all watchers of the stream. */
const noWatchId = -1;

/** So much is worth a write of its own: whether the caller takes it is seen before more is pulled. */
const flushBytesMin = 16 * 1024;

/** What the streams of a member have in common. */
export interface WatchShared {
  readonly events: EventBytes;
  readonly turns: WatchTurns;
}

interface StreamWatcher {
  readonly id: bigint;
  /** `id` on the wire. */
  readonly idField: FieldBytes;
  readonly watcher: Watcher;
  readonly progressNotify: boolean;
  readonly fragment: boolean;
  /** No event was sent since the last progress note. */
  quiet: boolean;
}

export class WatchStream implements Sender {
  readonly #member: Member;
  readonly #shared: WatchShared;
  readonly #headers: Headers;
  readonly #incoming: Incoming;
  readonly #outgoing: Outgoing;
  readonly #watchers = new Map<bigint, StreamWatcher>();
  /** Ids of watchers that compaction ended: taken until the caller cancels them too, as in etcd. */
  readonly #compacted = new Set<bigint>();
  /** Watchers with something to pull, in the order of their turns. While there are any, this stream is blocked or waits for its own. */
  readonly #lagging = new Set<StreamWatcher>();
  /** Pulled and not yet sent. */
  readonly #responses = new WatchResponses();
  readonly #progressTimer: HostTimer;
  #nextId = 0n;
  #progressAsked = false;
  #blocked = false;
  #over = false;

  constructor(
    member: Member,
    shared: WatchShared,
    incoming: Incoming,
    outgoing: Outgoing,
    ctx: CallContext,
    progressIntervalMs: number,
  ) {
    this.#member = member;
    this.#shared = shared;
    this.#headers = new Headers(member);
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#progressTimer = member.clock.every(progressIntervalMs, () => this.#noteProgress());
    ctx.signal.addEventListener('abort', () => this.#close());
    // The caller's half-close says nothing: events go on until it cancels, as with etcd.
    incoming.listen({ message: (bytes) => this.#receive(bytes), end: () => {} });
  }

  #receive(bytes: Uint8Array): void {
    if (this.#over) return;
    const message = wire.WatchRequest.decode(bytes);
    if (message.requestUnion === 'createRequest' && message.createRequest !== null) this.#create(message.createRequest);
    else if (message.requestUnion === 'cancelRequest' && message.cancelRequest !== null) {
      this.#cancel(message.cancelRequest.watchId);
    } else if (message.requestUnion === 'progressRequest') {
      this.#progressAsked = true;
      if (this.#lagging.size === 0 && !this.#blocked) this.#answerProgress();
    }
  }

  #create(message: WatchCreateRequest): void {
    const { hub } = this.#member;
    const asked = bigintOf(message.watchId);
    const start = numberOf(message.startRevision);
    const spec = watchSpecOf(message);
    let entry: StreamWatcher | undefined;
    const made = this.#refusalOf(spec, asked, start) ?? hub.watch(spec, () => this.#wake(entry));
    const refusal = 'type' in made ? refusalText(made) : undefined;
    if (refusal !== undefined) {
      this.#refuse(refusal);
      return;
    }
    const id = asked === 0n ? this.#freeId() : asked;
    const watchId = int64Of(id);
    const greeted = start === 0 ? hub.revision : Math.min(hub.revision, start - 1);
    this.#send({ header: this.#headers.at(greeted), watchId, created: true });
    if ('type' in made) {
      this.#endCompacted(id, made.type === 'compacted' ? made.compacted : 0);
      return;
    }
    const { progressNotify, fragment } = message;
    entry = { id, idField: watchIdField(id), watcher: made, progressNotify, fragment, quiet: true };
    this.#watchers.set(id, entry);
    if (hub.synced(made)) return;
    this.#lagging.add(entry);
    this.#shared.turns.add(this);
  }

  /** What this stream itself has against a watcher, in etcd's order, before the hub is asked. */
  #refusalOf(spec: WatchSpec, asked: bigint, start: number): Refused | undefined {
    if (rangeOf(spec) === undefined) return { type: 'emptyRange' };
    if (asked !== 0n && this.#isTaken(asked)) return { type: 'duplicateId' };
    if (start < 0) return { type: 'negativeStart' };
    return this.#watchers.size + this.#compacted.size >= watchersPerStreamMax ? { type: 'tooMany' } : undefined;
  }

  #refuse(reason: string): void {
    const header = this.#headers.at(this.#member.hub.revision);
    this.#send({ header, watchId: noWatchId, created: true, canceled: true, cancelReason: reason });
  }

  /** An id nobody on this stream has; given ids count up and are not given twice. */
  #freeId(): bigint {
    while (this.#isTaken(this.#nextId)) this.#nextId++;
    return this.#nextId++;
  }

  #isTaken(id: bigint): boolean {
    return this.#watchers.has(id) || this.#compacted.has(id);
  }

  /** An unknown id is passed over, as in etcd. */
  #cancel(watchId: Int): void {
    const id = bigintOf(watchId);
    const entry = this.#watchers.get(id);
    if (entry !== undefined) this.#forget(entry);
    else if (!this.#compacted.delete(id)) return;
    this.#send({ header: this.#headers.at(this.#member.hub.revision), watchId, canceled: true });
    // It may have been the one that progress waited for.
    this.#shared.turns.add(this);
  }

  #forget(entry: StreamWatcher): void {
    this.#member.hub.cancel(entry.watcher);
    this.#watchers.delete(entry.id);
    this.#lagging.delete(entry);
  }

  /** W9: the watcher gets nothing more, and its caller learns why. */
  #endCompacted(id: bigint, compactRevision: number): void {
    this.#compacted.add(id);
    this.#send({ header: this.#headers.at(0), watchId: int64Of(id), canceled: true, compactRevision });
  }

  /** Called inside a turn of the node: takes a note, and sends after it. */
  #wake(entry: StreamWatcher | undefined): void {
    if (entry === undefined || this.#over) return;
    if (this.#lagging.size === 0 && !this.#blocked) this.#shared.turns.add(this);
    this.#lagging.add(entry);
  }

  /** Pulls and sends, each watcher in turn, until nobody lags, the caller is slow, or others should have their turn. */
  send(pullsMax: number): number {
    let pulls = 0;
    // Who lags still after its pull comes last, and is met again by this loop.
    for (const entry of this.#lagging) {
      if (pulls === pullsMax || this.#blocked || this.#over) break;
      pulls++;
      this.#lagging.delete(entry);
      this.#pull(entry);
      if (this.#responses.bytes >= flushBytesMin) this.#flush();
    }
    this.#flush();
    if (this.#blocked || this.#over) return pulls;
    if (this.#lagging.size > 0) this.#shared.turns.add(this);
    else this.#answerProgress();
    return pulls;
  }

  #pull(entry: StreamWatcher): void {
    const { hub } = this.#member;
    const pulled = hub.pull(entry.watcher, watchPullBytesMax);
    if (pulled.type === 'compacted') {
      this.#forget(entry);
      this.#endCompacted(entry.id, pulled.compacted);
      return;
    }
    if (!hub.synced(entry.watcher)) this.#lagging.add(entry);
    if (pulled.events.length === 0) return;
    entry.quiet = false;
    const run = this.#shared.events.run(pulled.events);
    const frame = { header: this.#headers.field(pulled.revision).bytes, watchId: entry.idField };
    const bytesMax = this.#member.options.maxRequestBytes + receiveSlackBytes;
    if (entry.fragment) this.#responses.addFragmented(frame, run, bytesMax);
    else this.#responses.add(frame, run);
  }

  /** What was pulled goes before whatever is said after it. */
  #send(response: Sparse<WatchResponse>): void {
    this.#flush();
    this.#wrote(this.#outgoing.write(wire.WatchResponse.encode(response)));
  }

  #flush(): void {
    const messages = this.#responses.take();
    if (messages !== undefined) this.#wrote(messages.send(this.#outgoing));
  }

  #wrote(more: boolean): void {
    if (more || this.#blocked) return;
    // The caller does not take what it gets: neither its events nor its requests are looked at until it does.
    this.#blocked = true;
    this.#incoming.pause();
    this.#outgoing.whenWritable().then(() => {
      this.#blocked = false;
      if (this.#over) return;
      this.#incoming.resume();
      this.#shared.turns.add(this);
    });
  }

  /** Asked for: once nobody lags, one note for all. */
  #answerProgress(): void {
    if (!this.#progressAsked) return;
    this.#progressAsked = false;
    this.#send({ header: this.#headers.at(this.#member.hub.revision), watchId: noWatchId });
  }

  /** Unasked, now and then: to those who want it, have seen everything, and have heard nothing since the last note. */
  #noteProgress(): void {
    if (this.#blocked || this.#over) return;
    const { hub } = this.#member;
    const header = this.#headers.at(hub.revision);
    for (const entry of this.#watchers.values()) {
      if (!entry.progressNotify || !hub.synced(entry.watcher)) continue;
      if (entry.quiet) this.#send({ header, watchId: int64Of(entry.id) });
      entry.quiet = true;
    }
  }

  #close(): void {
    this.#over = true;
    this.#progressTimer.cancel();
    this.#shared.turns.remove(this);
    for (const entry of [...this.#watchers.values()]) this.#forget(entry);
  }
}
