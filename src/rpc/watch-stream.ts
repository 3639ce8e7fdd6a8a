/**
 * One watch stream: many watchers of the hub, their ids, and the order of what is said about them (etcd: v3rpc/watch.go).
 * A watcher is a cursor; this stream pulls only while the caller takes what was sent, so a reader that stops costs a cursor
 * per watcher and one bounded buffer (W12). Created goes before events, events of a revision go together (W4), and no header
 * runs ahead of an event not yet delivered (W6): a watcher that starts in the past is greeted with the revision before it.
 */
import { unreachable } from '../base/assert.ts';
import { watchersPerStreamMax, watchPullBytesMax, watchPullsPerTurnMax } from '../base/limits.ts';
import type { WatchRefusal } from '../watch/hub.ts';
import type { Watcher } from '../watch/watcher.ts';
import type { Sparse } from './codec.ts';
import { errorText } from './errors.ts';
import { Headers } from './header.ts';
import { bigintOf, type Int, numberOf } from './int64.ts';
import type { Member } from './member.ts';
import { type EventMessage, type WatchCreateRequest, type WatchResponse, wire } from './messages.ts';
import type { CallContext, Incoming, Outgoing } from './transport.ts';
import { eventMessage, fragments, watchSpecOf } from './watch-convert.ts';

/** etcd's texts (mvcc/watcher.go); these stand in `cancel_reason` without a code. */
const emptyRangeText = 'mvcc: watcher range is empty';
const duplicateIdText = 'mvcc: duplicate watch ID provided on the WatchStream';
/** Not one watcher's id: a creation refused, or all watchers of the stream. */
const noWatchId = -1;

interface StreamWatcher {
  readonly id: Int;
  readonly key: bigint;
  readonly watcher: Watcher;
  readonly progressNotify: boolean;
  readonly fragment: boolean;
  /** No event was sent since the last progress note. */
  quiet: boolean;
}

export class WatchStream {
  readonly #member: Member;
  readonly #headers: Headers;
  readonly #incoming: Incoming;
  readonly #outgoing: Outgoing;
  readonly #watchers = new Map<bigint, StreamWatcher>();
  readonly #byWatcher = new Map<Watcher, StreamWatcher>();
  /** Watchers with something to pull, in the order of their turns. */
  readonly #lagging = new Set<StreamWatcher>();
  readonly #progressTimer: NodeJS.Timeout;
  #nextId = 0n;
  #progressAsked = false;
  #blocked = false;
  #flushDue = false;
  #over = false;

  constructor(member: Member, incoming: Incoming, outgoing: Outgoing, ctx: CallContext, progressIntervalMs: number) {
    this.#member = member;
    this.#headers = new Headers(member);
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#progressTimer = setInterval(() => this.#noteProgress(), progressIntervalMs);
    this.#progressTimer.unref();
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
      this.#flush();
    }
  }

  #create(message: WatchCreateRequest): void {
    const { hub } = this.#member;
    const asked = bigintOf(message.watchId);
    const start = numberOf(message.startRevision);
    const made = this.#refusalOf(asked, start) ?? hub.watch(watchSpecOf(message), (watcher) => this.#wake(watcher));
    const refusal = 'type' in made ? refusalText(made) : undefined;
    if (refusal !== undefined) {
      this.#refuse(refusal);
      return;
    }
    const key = asked === 0n ? this.#freeId() : asked;
    const id = asked === 0n ? Number(key) : message.watchId;
    const greeted = start === 0 ? hub.revision : Math.min(hub.revision, start - 1);
    this.#send({ header: this.#headers.at(greeted), watchId: id, created: true });
    if ('type' in made) {
      const compactRevision = made.type === 'compacted' ? made.compacted : 0;
      this.#send({ header: this.#headers.at(0), watchId: id, canceled: true, compactRevision });
      return;
    }
    const entry: StreamWatcher = {
      id,
      key,
      watcher: made,
      progressNotify: message.progressNotify,
      fragment: message.fragment,
      quiet: true,
    };
    this.#watchers.set(key, entry);
    this.#byWatcher.set(made, entry);
    if (hub.synced(made)) return;
    this.#lagging.add(entry);
    this.#flush();
  }

  /** What this stream itself has against a watcher, before the hub is asked. */
  #refusalOf(asked: bigint, start: number): Refused | undefined {
    if (asked !== 0n && this.#watchers.has(asked)) return { type: 'duplicateId' };
    if (start < 0) return { type: 'negativeStart' };
    return this.#watchers.size >= watchersPerStreamMax ? { type: 'tooMany' } : undefined;
  }

  #refuse(reason: string): void {
    const header = this.#headers.at(this.#member.hub.revision);
    this.#send({ header, watchId: noWatchId, created: true, canceled: true, cancelReason: reason });
  }

  /** An id nobody on this stream has; given ids count up and are not given twice. */
  #freeId(): bigint {
    while (this.#watchers.has(this.#nextId)) this.#nextId++;
    return this.#nextId++;
  }

  /** An unknown id is passed over, as in etcd. */
  #cancel(id: Int): void {
    const entry = this.#watchers.get(bigintOf(id));
    if (entry === undefined) return;
    this.#forget(entry);
    this.#send({ header: this.#headers.at(this.#member.hub.revision), watchId: id, canceled: true });
    this.#flush();
  }

  #forget(entry: StreamWatcher): void {
    this.#member.hub.cancel(entry.watcher);
    this.#watchers.delete(entry.key);
    this.#byWatcher.delete(entry.watcher);
    this.#lagging.delete(entry);
  }

  /** Called inside a turn: takes a note, and flushes after it. */
  #wake(watcher: Watcher): void {
    const entry = this.#byWatcher.get(watcher);
    if (entry === undefined || this.#over) return;
    this.#lagging.add(entry);
    if (this.#flushDue || this.#blocked) return;
    this.#flushDue = true;
    queueMicrotask(() => this.#flush());
  }

  /** Pulls and sends in turns, until nobody lags, the caller is slow, or others should have the event loop. */
  #flush(): void {
    this.#flushDue = false;
    for (let pulls = 0; pulls < watchPullsPerTurnMax && !this.#blocked && !this.#over; pulls++) {
      const [entry] = this.#lagging;
      if (entry === undefined) {
        this.#answerProgress();
        return;
      }
      this.#lagging.delete(entry);
      this.#pull(entry);
    }
    if (this.#blocked || this.#over || this.#flushDue) return;
    this.#flushDue = true;
    setImmediate(() => this.#flush());
  }

  #pull(entry: StreamWatcher): void {
    const { hub } = this.#member;
    const pulled = hub.pull(entry.watcher, watchPullBytesMax);
    if (pulled.type === 'compacted') {
      this.#forget(entry);
      const header = this.#headers.at(0);
      this.#send({ header, watchId: entry.id, canceled: true, compactRevision: pulled.compacted });
      return;
    }
    if (!hub.synced(entry.watcher)) this.#lagging.add(entry);
    if (pulled.events.length === 0) return;
    entry.quiet = false;
    const events = pulled.events.map(eventMessage);
    this.#sendEvents(entry, this.#headers.at(pulled.revision), events);
  }

  #sendEvents(entry: StreamWatcher, header: WatchHeader, events: readonly Sparse<EventMessage>[]): void {
    const whole = { header, watchId: entry.id, events };
    if (!entry.fragment) {
      this.#send(whole);
      return;
    }
    for (const part of fragments(whole, this.#member.options.maxRequestBytes)) this.#write(part);
  }

  #send(response: Sparse<WatchResponse>): void {
    this.#write(wire.WatchResponse.encode(response));
  }

  #write(bytes: Uint8Array): void {
    const more = this.#outgoing.write(bytes);
    if (more || this.#blocked) return;
    // The caller does not take what it gets: neither its events nor its requests are looked at until it does.
    this.#blocked = true;
    this.#incoming.pause();
    this.#outgoing.whenWritable().then(() => {
      this.#blocked = false;
      if (this.#over) return;
      this.#incoming.resume();
      this.#flush();
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
      if (entry.quiet) this.#send({ header, watchId: entry.id });
      entry.quiet = true;
    }
  }

  #close(): void {
    this.#over = true;
    clearInterval(this.#progressTimer);
    for (const entry of [...this.#watchers.values()]) this.#forget(entry);
  }
}

type WatchHeader = ReturnType<Headers['at']>;

/** Why there is no watcher. All but `compacted` are said in one response that is created and canceled at once. */
type Refused = WatchRefusal | { readonly type: 'duplicateId' | 'negativeStart' };

/** The `cancel_reason`; undefined for `compacted`, where the watcher is created and then canceled. */
function refusalText(refused: Refused): string | undefined {
  switch (refused.type) {
    case 'compacted':
      return undefined;
    case 'emptyRange':
      return emptyRangeText;
    case 'duplicateId':
      return duplicateIdText;
    case 'negativeStart':
      return errorText('compacted');
    case 'tooMany':
      return errorText('tooManyWatchers');
    default:
      return unreachable(refused);
  }
}
