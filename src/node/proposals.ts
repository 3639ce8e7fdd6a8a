/**
 * The commands of this member's own clients, from submission to outcome (house §7). Owns the waiters; does not know how a
 * command travels. Each member answers its own callers when it applies their (origin, seq), so no reply travels back.
 *
 * A waiter is *held* (nobody has it) or *aimed* at a term (the leader of that term may have proposed it). When this member
 * applies the first entry of a newer term, what was aimed at an older one and is still unanswered did not happen: no entry of
 * the older term can follow. It is held again and may be proposed anew. Keeps K3 (0 or 1 times), V3 (every call ends).
 */
import { assert } from '../base/assert.ts';
import { waitingBytesMax, waitingRequestsMax } from '../base/limits.ts';
import { encodeCommand } from '../state/codec.ts';
import type { Command, Origin } from '../state/command.ts';
import type { Outcome } from '../state/outcome.ts';
import type { MemberId, Term } from '../store/entry.ts';
import type { Answer, Unavailable } from './answer.ts';

/** Aimed at no term: held here. */
const HELD: Term = 0;

/** One client's command on its way. */
export interface Waiter {
  readonly seq: number;
  readonly command: Command;
  readonly encoded: Uint8Array;
  /** What it counts for among all that wait. */
  readonly bytes: number;
  readonly reply: (answer: Answer) => void;
  readonly deadlineMs: number;
  aimedAt: Term;
  heldSinceMs: number;
}

export class Proposals {
  readonly #member: MemberId;
  readonly #boot: number;
  readonly #holdMs: number;
  readonly #waiting = new Map<number, Waiter>();
  #held: Waiter[] = [];
  #waitingBytes = 0;
  #seq = 0;
  #oldestAim: Term = HELD;

  /** `holdMs`: how long a command may be held while nobody leads (one election timeout). */
  constructor(member: MemberId, boot: number, holdMs: number) {
    this.#member = member;
    this.#boot = boot;
    this.#holdMs = holdMs;
  }

  /** Commands that wait for an outcome. */
  get count(): number {
    return this.#waiting.size;
  }

  /**
   * Takes a command in, held. Refuses at once when too many wait. `keptBytes`: of values that it writes once more without bringing
   * them; they count like its own, so that what waits is never much more work than it looks.
   */
  submit(command: Command, timeoutMs: number, reply: (answer: Answer) => void, nowMs: number, keptBytes = 0): void {
    if (this.#waiting.size >= waitingRequestsMax || this.#waitingBytes >= waitingBytesMax) {
      reply({ type: 'unavailable', why: 'overloaded' });
      return;
    }
    const seq = ++this.#seq;
    const origin: Origin = { member: this.#member, boot: this.#boot, seq };
    const encoded = encodeCommand({ origin, command });
    const waiter: Waiter = {
      seq,
      command,
      encoded,
      bytes: encoded.length + keptBytes,
      reply,
      deadlineMs: nowMs + timeoutMs,
      aimedAt: HELD,
      heldSinceMs: nowMs,
    };
    this.#waiting.set(seq, waiter);
    this.#waitingBytes += waiter.bytes;
    this.#held.push(waiter);
  }

  /** The held waiters in order; what the caller does not `aim` stays held. */
  held(): readonly Waiter[] {
    return this.#held;
  }

  /** The first `count` held waiters went out, aimed at `term`. */
  aim(count: number, term: Term): void {
    assert(term > HELD && count <= this.#held.length, 'K3: only held commands are aimed, at a real term');
    for (let i = 0; i < count; i++) (this.#held[i] as Waiter).aimedAt = term;
    if (count > 0 && (this.#oldestAim === HELD || term < this.#oldestAim)) this.#oldestAim = term;
    this.#held = count === this.#held.length ? [] : this.#held.slice(count);
  }

  /**
   * The leader of `term` says it did not and will not propose these. They end here: sent again to the same leader, a second copy
   * of its refusal would speak of what that leader may have proposed (K3).
   */
  refused(seqs: readonly number[], term: Term, why: 'overloaded' | 'noSpace'): void {
    for (const seq of seqs) {
      const waiter = this.#waiting.get(seq);
      if (waiter !== undefined && waiter.aimedAt === term) this.#fail(waiter, why);
    }
  }

  /** A command of (member, boot) was applied; if it is ours and somebody still waits, answer. */
  settle(origin: Origin, outcome: Outcome): void {
    if (origin.member !== this.#member || origin.boot !== this.#boot || origin.seq === 0) return;
    const waiter = this.#waiting.get(origin.seq);
    if (waiter === undefined) return;
    assert(waiter.aimedAt !== HELD, 'K3: a held command is in no log');
    this.#end(waiter, { type: 'outcome', outcome });
  }

  /** An entry of `term` was applied: what was aimed below it did not happen, and is held again. */
  termApplied(term: Term, nowMs: number): void {
    if (this.#oldestAim === HELD || this.#oldestAim >= term) return;
    this.#oldestAim = HELD;
    for (const waiter of this.#waiting.values()) {
      if (waiter.aimedAt === HELD) continue;
      if (waiter.aimedAt < term) this.#hold(waiter, nowMs);
      else if (this.#oldestAim === HELD || waiter.aimedAt < this.#oldestAim) this.#oldestAim = waiter.aimedAt;
    }
    this.#sortHeld();
  }

  /** An installed snapshot skipped indexes that may have held them: what was aimed has an unknown outcome. */
  skipped(): void {
    for (const waiter of [...this.#waiting.values()]) if (waiter.aimedAt !== HELD) this.#fail(waiter, 'unknown');
  }

  /** Ends what waited too long. `led`: somebody leads, as far as we know. */
  expire(nowMs: number, led: boolean): void {
    for (const waiter of this.#waiting.values()) {
      const held = waiter.aimedAt === HELD;
      if (held && nowMs - waiter.heldSinceMs >= this.#holdMs) this.#fail(waiter, led ? 'overloaded' : 'noLeader');
      else if (nowMs >= waiter.deadlineMs) this.#fail(waiter, held && !led ? 'noLeader' : 'timedOut');
    }
    if (this.#held.some((waiter) => !this.#waiting.has(waiter.seq)))
      this.#held = this.#held.filter((waiter) => this.#waiting.has(waiter.seq));
  }

  /** This member goes down. */
  stop(): void {
    for (const waiter of [...this.#waiting.values()]) this.#fail(waiter, 'stopped');
    this.#held = [];
  }

  #hold(waiter: Waiter, nowMs: number): void {
    waiter.aimedAt = HELD;
    waiter.heldSinceMs = nowMs;
    this.#held.push(waiter);
  }

  /** Held again, commands keep the order in which they were submitted. */
  #sortHeld(): void {
    this.#held.sort((a, b) => a.seq - b.seq);
  }

  #fail(waiter: Waiter, why: Unavailable): void {
    this.#end(waiter, { type: 'unavailable', why });
  }

  #end(waiter: Waiter, answer: Answer): void {
    this.#waiting.delete(waiter.seq);
    this.#waitingBytes -= waiter.bytes;
    waiter.reply(answer);
  }
}
