/**
 * What watchers are told, against the model's events, over whole client sessions with all their connections (W5): in order (W1), each
 * once (W2), none left out (W3), whole revisions (W4), no bookmark ahead of what was delivered (W6), only what was asked for
 * (W7), with the exact value before unless that is compacted (W8), a true word of compaction when what comes next is gone (W9), nothing that is not applied and nothing before the
 * start (W10), soon (W11), in bounded pieces (W12). Goes along with every session; looks at each revision once.
 */
import { byteString } from '../../../src/base/bytes.ts';
import type { EventView } from '../../../src/state/history.ts';
import type { Model, ModelEvent } from '../../state/model.ts';
import type { WatchRecord } from '../history.ts';
import { show } from './equal.ts';
import { fail } from './fail.ts';
import { isValue } from './state-view.ts';

/** How far a session has come. */
interface Session {
  /** All that concerns it below this revision was delivered. */
  next: number;
  /** Of the events of `next` that concern it, so many were delivered. */
  part: number;
  start: number | undefined;
  /** Said to have been seen. */
  seen: number;
}

/** Keys and values that one reading may bring besides its last revision. */
const readingBytesMax = 4_096;

export class WatchChecks {
  readonly #model: Model;
  readonly #sessions = new Map<number, Session>();
  events = 0;

  constructor(model: Model) {
    this.#model = model;
  }

  opened({ number }: WatchRecord): void {
    this.#sessions.set(number, { next: 0, part: 0, start: undefined, seen: 0 });
  }

  /** The client took these events, and now has seen all up to `watch.seenRevision`. `revision`: what the member had applied. */
  watched(watch: WatchRecord, events: readonly EventView[], revision: number): void {
    const session = this.#begun(watch);
    if (session === undefined) return;
    const { startRevision = 0, compactRevision = 0 } = watch.connections.at(-1) ?? {};
    if (startRevision > 0 && startRevision < compactRevision)
      fail(
        'W9',
        `${name(watch)}: goes on from ${startRevision} where ${compactRevision} is compacted, and is not told`,
      );
    for (const event of events) this.#event(watch, session, event, revision);
    this.events += events.length;
    if (session.part > 0) fail('W4', `${name(watch)}: only a part of revision ${session.next} was delivered`);
    isBounded(watch, events);
    // What was seen through another member may be ahead of this one.
    if (watch.seenRevision > Math.max(revision, session.seen))
      fail('W6', `${name(watch)}: said to have seen ${watch.seenRevision}, the member has applied ${revision}`);
    session.seen = watch.seenRevision;
    const missed = this.#skip(watch, session, watch.seenRevision);
    if (missed !== undefined)
      fail(
        'W6',
        `${name(watch)}: said to have seen ${watch.seenRevision}, without the ${missed.type} of ${missed.key} at ${session.next}`,
      );
  }

  /** W9: its client is told that what it wants next is compacted, and that must be so, at a revision where a compaction was. */
  ended(watch: WatchRecord): void {
    const { compactRevision, seenRevision } = watch;
    if (compactRevision === 0) return;
    const wanted = watch.createdRevision === undefined ? watch.startRevision : seenRevision + 1;
    if (compactRevision > this.#model.compacted || compactRevision <= wanted)
      fail('W9', `${name(watch)}: told that ${wanted} is compacted at ${compactRevision}, ${this.#model.compacted} is`);
  }

  /** Its member has been up to date for as long as catching up may take: nothing up to `revision` may be missing. */
  due(watch: WatchRecord, revision: number): void {
    this.#whole(watch, revision, 'W11');
  }

  /** The run is over: nothing up to `revision` may be missing. */
  complete(watch: WatchRecord, revision: number): void {
    this.#whole(watch, revision, 'W3');
  }

  #whole(watch: WatchRecord, revision: number, id: 'W3' | 'W11'): void {
    const session = this.#begun(watch);
    const missed = session === undefined ? undefined : this.#skip(watch, session, revision);
    if (missed !== undefined)
      fail(id, `${name(watch)}: the ${missed.type} of ${missed.key} at ${session?.next} has not come`);
  }

  /** Undefined until the watch was created somewhere. */
  #begun(watch: WatchRecord): Session | undefined {
    const session = this.#sessions.get(watch.number);
    if (session === undefined || watch.createdRevision === undefined) return undefined;
    if (session.start === undefined) {
      session.start = watch.startRevision === 0 ? watch.createdRevision + 1 : watch.startRevision;
      session.next = session.start;
      session.seen = session.start - 1;
    }
    return session;
  }

  #event(watch: WatchRecord, session: Session, event: EventView, applied: number): void {
    const { kv, type } = event;
    const key = byteString(kv.key);
    const revision = kv.modRevision;
    const what = `${name(watch)}: the ${type} of ${key} at ${revision}`;
    const expected = this.#model.events.get(revision)?.find((each) => each.key === key && each.type === type);
    if (expected === undefined || revision > applied) fail('W10', `${what} is delivered and was not applied`);
    if (!concerns(watch, expected)) fail('W7', `${what} is none of its concern`);
    if (revision < (session.start as number)) fail('W10', `${what} comes before its start ${session.start}`);
    if (
      revision < session.next ||
      (revision === session.next && this.#at(watch, revision).indexOf(expected) < session.part)
    )
      fail(
        isRepeated(watch.events, key, revision) ? 'W2' : 'W1',
        `${what} comes after ${session.next - 1} was delivered`,
      );
    if (revision > session.next && session.part > 0)
      fail('W4', `${what} comes before revision ${session.next} is whole`);
    const missed = this.#skip(watch, session, revision - 1);
    if (missed !== undefined) {
      const later = isIn(watch.events, missed.key, session.next);
      fail(
        later ? 'W1' : 'W3',
        `${what} comes, the ${missed.type} of ${missed.key} at ${session.next} does not before it`,
      );
    }
    const mine = this.#at(watch, revision);
    if (mine[session.part] !== expected)
      fail('W3', `${what} comes, the event of ${mine[session.part]?.key} before it is left out`);
    if (expected.now !== undefined && !isValue(kv, expected.now))
      fail('W8', `${what} is ${show(kv)}, must be ${show(expected.now)}`);
    const before = watch.prevKv ? expected.before : undefined;
    const { prevKv } = event;
    // A member that knows of a compaction has not what was before it; from here it cannot be seen whether this one did.
    const unknown = prevKv === undefined && revision <= this.#model.compacted;
    const right = prevKv === undefined ? before === undefined : before !== undefined && isValue(prevKv, before);
    if (!unknown && !right) fail('W8', `${what}: before it ${show(prevKv)}, must be ${show(before)}`);
    session.part++;
    if (session.part < mine.length) return;
    session.next = revision + 1;
    session.part = 0;
  }

  /** Moves on to `revision`, over revisions that do not concern the watch. Returns the first event that would be left out. */
  #skip(watch: WatchRecord, session: Session, revision: number): ModelEvent | undefined {
    while (session.next <= revision) {
      const missed = this.#at(watch, session.next)[session.part];
      if (missed !== undefined) return missed;
      session.next++;
      session.part = 0;
    }
    return undefined;
  }

  /** The events of a revision that concern the watch, in order. */
  #at(watch: WatchRecord, revision: number): ModelEvent[] {
    const events = this.#model.events.get(revision) ?? [];
    return events.filter((event) => concerns(watch, event));
  }
}

function isIn(events: readonly EventView[], key: string, revision: number): boolean {
  return events.some(({ kv }) => kv.modRevision === revision && byteString(kv.key) === key);
}

function isRepeated(events: readonly EventView[], key: string, revision: number): boolean {
  return events.filter(({ kv }) => kv.modRevision === revision && byteString(kv.key) === key).length > 1;
}

/** W12: a reading stops when it has enough. */
function isBounded(watch: WatchRecord, events: readonly EventView[]): void {
  const last = events.at(-1)?.kv.modRevision;
  let bytes = 0;
  for (const { kv, prevKv } of events) {
    if (kv.modRevision === last) break;
    bytes += kv.key.length + kv.value.length + (prevKv === undefined ? 0 : prevKv.key.length + prevKv.value.length);
  }
  if (bytes > readingBytesMax) fail('W12', `${name(watch)}: ${bytes} bytes in one reading`);
}

function concerns({ key, rangeEnd, noPut, noDelete }: WatchRecord, event: ModelEvent): boolean {
  if (event.type === 'put' ? noPut : noDelete) return false;
  const low = byteString(key);
  const high = byteString(rangeEnd);
  if (high === '') return event.key === low;
  return event.key >= low && (high === '\0' || event.key < high);
}

function name({ number, client }: WatchRecord): string {
  return `watch #${number} of client ${client}`;
}
