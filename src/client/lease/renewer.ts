/**
 * Keeps leases alive: all of a client's, on one stream, with one timer. Renewals leave a third of the TTL after the last one that was sent,
 * those that fall due close together in one go; after a break they are spread, the urgent first. A lease whose safe deadline passes, or
 * that a member says is gone, is over for all who wanted it kept, and is never asked for again.
 */
import { onAbort } from '../abort.ts';
import { elapsedMs, type Instant, instantOf } from '../clock.ts';
import type { Core } from '../core.ts';
import type { LeaseError } from '../errors.ts';
import { Alarm } from './alarm.ts';
import { catchUp } from './catch-up.ts';
import { type Burst, type Keeper, Kept, type LeaseEnd, type LostReason } from './kept.ts';
import { Ready } from './ready.ts';
import { RenewalStream, type StreamUser } from './renewal-stream.ts';
import { Schedule } from './schedule.ts';
import { ShortestTtl } from './shortest-ttl.ts';
import { firstDueMs, nextDueMs, periodMs } from './timing.ts';

/** What a keeper may know of its lease when it comes. */
export interface Keeping {
  /** A grant, or a renewal of its own. */
  readonly known?: { readonly sent: Instant; readonly ttlMs: number } | undefined;
  /** How long the first answer may take if nothing is known. */
  readonly patienceMs: number;
}

export class Renewer {
  readonly #core: Core;
  readonly #stream: RenewalStream;
  readonly #leases = new Map<bigint, Kept>();
  readonly #schedule: Schedule;
  readonly #ready: Ready;
  readonly #shortest = new ShortestTtl();
  readonly #alarm: Alarm;
  #flushing = false;
  /** How far the wall clock was ahead of the monotonic one when both were read last. */
  #wallAheadMs: number;
  #idleSinceMs = 0;
  /** The last alarm was late, and what it should have done was put off. */
  #stalled = false;
  #closed = false;
  /** What the stream failed with, until something is answered again. */
  #cause: LeaseError | undefined;

  constructor(core: Core) {
    this.#core = core;
    this.#stream = new RenewalStream(core, this.#streamUser());
    this.#schedule = new Schedule(core.clock);
    this.#ready = new Ready(core.clock);
    this.#alarm = new Alarm(core.clock, (lateMs) => this.#tick(lateMs));
    const { monotonicMs, wallMs } = instantOf(core.clock);
    this.#wallAheadMs = wallMs - monotonicMs;
    onAbort(core.closed, () => this.#close());
  }

  /** Sendings so far: an answer to a later one is news to who asks now. */
  get bursts(): number {
    return this.#stream.bursts;
  }

  /** What the stream failed with, if nothing was answered since. */
  get cause(): LeaseError | undefined {
    return this.#cause;
  }

  /** Keeps a lease for one more keeper, until `drop`. Of a closed client, it ends at once. */
  keep(id: bigint, keeper: Keeper, { known, patienceMs }: Keeping): Kept {
    const { clock } = this.#core;
    let before = this.#leases.get(id);
    if (before !== undefined && known !== undefined && before.since.monotonicMs < known.sent.monotonicMs) {
      // The id could be granted again only because its former life was over.
      this.#end(before, this.#goneReason(before));
      before = undefined;
    }
    const kept = before ?? new Kept(id, instantOf(clock), patienceMs, this.#stream.bursts + 1);
    kept.keepers.push(keeper);
    if (this.#closed) {
      this.#end(kept, 'closed');
      return kept;
    }
    if (before === undefined) this.#leases.set(id, kept);
    this.#stream.start();
    if (known !== undefined) this.#raise(kept, known.sent, known.ttlMs);
    else if (before === undefined) this.#askSoon(kept);
    else kept.patienceMs = Math.max(kept.patienceMs, patienceMs + elapsedMs(clock, kept.since));
    if (kept.deadlineSlot === undefined) this.#schedule.watchDeadline(kept);
    this.#arm();
    return kept;
  }

  /** A keeper no longer wants the lease kept; it hears nothing more. The lease lives on until its TTL is over. */
  drop(kept: Kept, keeper: Keeper): void {
    const at = kept.keepers.indexOf(keeper);
    if (at >= 0) kept.keepers.splice(at, 1);
    if (kept.keepers.length === 0) this.#forget(kept);
  }

  /** Compares the clocks, and ends the lease if its safe deadline has passed. Whether it is held. */
  held(kept: Kept): boolean {
    if (!kept.over && kept.leftMs(this.#core.clock) <= 0) this.#end(kept, 'unreachable');
    return !kept.over;
  }

  /** Asks for a renewal that is sent after this call; those of one turn leave together. */
  renew(kept: Kept): void {
    if (kept.over) return;
    kept.wantedFrom = this.#stream.bursts + 1;
    this.#askSoon(kept);
  }

  /** A member said, on another call, that there is no such lease. */
  gone(kept: Kept): void {
    if (!kept.over) this.#end(kept, this.#goneReason(kept));
  }

  #streamUser(): StreamUser {
    return {
      opened: () => {
        catchUp(this.#ready, this.#schedule, this.#core.clock);
        this.#flush();
        this.#arm();
      },
      writable: () => this.#flush(),
      answered: (id, ttlMs, burst) => this.#answered(id, ttlMs, burst),
      broken: (unanswered, error) => this.#broken(unanswered, error),
      shortestTtlMs: () => this.#shortest.ttlMs,
    };
  }

  #answered(id: bigint, ttlMs: number, burst: Burst): void {
    const kept = this.#leases.get(id);
    if (kept === undefined) return;
    this.#cause = undefined;
    if (kept.wantedFrom > burst.number) this.#askSoon(kept);
    else kept.wantedFrom = 0;
    if (burst.number < kept.fromBurst) return;
    if (ttlMs <= 0) {
      this.#end(kept, this.#goneReason(kept));
      return;
    }
    this.#raise(kept, burst.sent, ttlMs);
    if (!this.held(kept)) return;
    for (const keeper of [...kept.keepers]) keeper.renewed({ id, ttlMs }, burst);
  }

  /** Dead before its safe deadline can only mean that somebody revoked it. */
  #goneReason(kept: Kept): LostReason {
    return kept.known && kept.leftMs(this.#core.clock) > 0 ? 'revoked' : 'expired';
  }

  #broken(unanswered: Iterable<bigint>, error: LeaseError): void {
    this.#cause = error;
    for (const id of unanswered) {
      const kept = this.#leases.get(id);
      if (kept === undefined) continue;
      this.#schedule.doNotRenew(kept);
      this.#ready.add(kept);
    }
    // Whoever does not let us in will not tell whether there is such a lease, either.
    if (error.code !== 'auth_failed' && error.code !== 'permission_denied') return;
    for (const kept of [...this.#ready]) if (!kept.known) this.#end(kept, 'unreachable');
  }

  /** Sends what is ready, as far as there is room. */
  #flush(): void {
    if (this.#closed) return;
    for (let room = this.#stream.room(); room > 0 && this.#ready.size > 0; room = this.#stream.room()) {
      const ids: bigint[] = [];
      const sentMs = this.#core.clock.monotonicMs();
      for (let kept = this.#ready.take(); kept !== undefined; kept = this.#ready.take()) {
        // What is over is not asked for, so that nobody is told later that it was alive.
        if (!this.held(kept)) continue;
        if (this.#stream.asked(kept.id) === undefined) ids.push(kept.id);
        else kept.wantedFrom = this.#stream.bursts + 1;
        if (kept.known) this.#renewAt(kept, nextDueMs(kept.dueMs, sentMs, kept.ttlMs));
        if (ids.length === room) break;
      }
      if (ids.length > 0) this.#stream.ask(ids);
    }
    this.#arm();
  }

  #askSoon(kept: Kept): void {
    this.#ready.add(kept);
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #raise(kept: Kept, sent: Instant, ttlMs: number): void {
    const before = kept.ttlMs;
    kept.raise(sent, ttlMs);
    if (before === ttlMs) return;
    this.#shortest.change(before, ttlMs);
    this.#schedule.watchDeadline(kept);
    if (this.#ready.has(kept)) kept.dueMs = sent.monotonicMs;
    else this.#renewAt(kept, firstDueMs(sent.monotonicMs, ttlMs, this.#core.clock.random()));
    this.#arm();
  }

  /** `dueMs` becomes a point of its phase. */
  #renewAt(kept: Kept, dueMs: number): void {
    kept.dueMs = dueMs;
    this.#schedule.renewAt(kept, dueMs);
  }

  #renewalDue(kept: Kept, nowMs: number): void {
    this.#ready.add(kept);
    const askedMs = this.#stream.asked(kept.id)?.sent.monotonicMs ?? nowMs;
    if (nowMs - askedMs > 0.75 * periodMs(kept.ttlMs)) this.#stream.fail('a renewal was not answered in time');
  }

  #tick(lateMs: number): void {
    const { monotonicMs: nowMs, wallMs } = instantOf(this.#core.clock);
    this.#watchWall(wallMs - nowMs);
    this.#schedule.takeOver(nowMs, (kept) => this.#end(kept, 'unreachable'));
    const stalled = lateMs > stallMs && !this.#stalled;
    this.#stalled = stalled;
    if (stalled) {
      // Answers may lie in the socket, unread: they come first. Once, as this process may be slow for good.
      this.#stream.excuse(lateMs);
      this.#alarm.at(nowMs + graceMs);
      return;
    }
    const silentAtMs = this.#stream.silentAtMs();
    if (silentAtMs !== undefined && silentAtMs <= nowMs) this.#stream.fail('the member fell silent');
    this.#schedule.takeRenewals(nowMs, (kept) => this.#renewalDue(kept, nowMs));
    this.#flush();
    if (this.#leases.size === 0 && nowMs - this.#idleSinceMs >= idleMs) this.#stream.stop();
    this.#arm();
  }

  /** Where the wall clock went ahead of the monotonic one, every deadline has come nearer. */
  #watchWall(aheadMs: number): void {
    const jumpedMs = aheadMs - this.#wallAheadMs;
    if (jumpedMs > 0 && jumpedMs <= jumpMs) return;
    this.#wallAheadMs = aheadMs;
    if (jumpedMs <= 0) return;
    for (const kept of [...this.#leases.values()]) if (this.held(kept)) this.#schedule.watchDeadline(kept);
  }

  /** Sees to it that the next thing to do is done in time. */
  #arm(): void {
    if (this.#closed) return;
    if (this.#leases.size === 0) {
      if (this.#stream.started) this.#alarm.at(this.#idleSinceMs + idleMs);
      return;
    }
    const nextMs = Math.min(this.#schedule.nextMs(), this.#stream.silentAtMs() ?? Number.POSITIVE_INFINITY);
    const nowMs = this.#core.clock.monotonicMs();
    this.#alarm.at(Math.min(nextMs, nowMs + lookMs));
  }

  #end(kept: Kept, reason: LostReason): void {
    const end: LeaseEnd = { reason, cause: reason === 'unreachable' ? this.#cause : undefined };
    const keepers = kept.keepers.splice(0);
    this.#forget(kept);
    for (const keeper of keepers) keeper.ended(end);
  }

  #forget(kept: Kept): void {
    if (kept.over) return;
    kept.over = true;
    if (this.#leases.get(kept.id) === kept) this.#leases.delete(kept.id);
    this.#ready.delete(kept);
    this.#schedule.forget(kept);
    this.#shortest.change(kept.ttlMs, 0);
    if (this.#leases.size > 0 || this.#closed) return;
    this.#idleSinceMs = this.#core.clock.monotonicMs();
    this.#alarm.cancel();
    this.#arm();
  }

  #close(): void {
    this.#closed = true;
    this.#stream.stop();
    this.#alarm.cancel();
    for (const kept of [...this.#leases.values()]) this.#end(kept, 'closed');
  }
}

/** The wall clock is compared with the monotonic one at least so often, as a machine that slept fires no timer for it. */
const lookMs = 1_000;
/** A wall clock that went so much further than the monotonic one has jumped. */
const jumpMs = 20;
/** A timer that is so late tells that this process stood still. */
const stallMs = 200;
/** For reading what came meanwhile. */
const graceMs = 20;
/** A stream without leases is kept for so long, for those that may come. */
const idleMs = 1_000;
