/**
 * The lease promise, checked against virtual time: L1 (never early), L2 (no zombie ack) and its mirror (no false dead), keyed by
 * the life of a lease, not by its id. A life begins and ends where an entry is *first* applied on any member.
 */
import type { AppliedCommand } from '../../src/state/machine.ts';
import type { Entry } from '../../src/store/entry.ts';
import { Violation } from './violation.ts';

interface Life {
  readonly id: bigint;
  readonly bornMs: number;
  endedMs: number | undefined;
  cause: 'expire' | 'revoke' | undefined;
  /** No expiry before this: the latest (send time + TTL) of any answer delivered. */
  floorMs: number;
}

export class LeaseChecks {
  readonly #lives = new Map<bigint, Life[]>();
  acks = 0;
  expiries = 0;
  revokes = 0;
  #appliedIndex = 0;
  /** Clocks keep their promise; else leases may end early. */
  readonly #inSpec: boolean;

  constructor(inSpec = true) {
    this.#inSpec = inSpec;
  }

  /** An entry was applied somewhere; only its first application counts here. */
  applied(entry: Entry, commands: readonly AppliedCommand[], nowMs: number, ended: (id: bigint) => boolean): void {
    if (entry.index <= this.#appliedIndex) return;
    this.#appliedIndex = entry.index;
    for (const { command, outcome } of commands) {
      if (!outcome.ok) continue;
      if (command.type === 'grant') {
        const life: Life = { id: command.id, bornMs: nowMs, endedMs: undefined, cause: undefined, floorMs: 0 };
        this.#lives.set(command.id, [...(this.#lives.get(command.id) ?? []), life]);
      } else if (command.type === 'revoke') this.#end(command.id, 'revoke', nowMs);
      else if (command.type === 'expire') {
        // Duty commands have an entry to themselves: nothing else in it can have ended these leases, or brought them back.
        const over = command.leases.filter(({ id }) => ended(id) && this.#alive(id));
        const { result } = outcome;
        if (result.type === 'done' && result.touched !== over.length)
          throw new Violation('L8', `an expire ended ${result.touched} leases, ${over.length} are gone`);
        for (const { id } of over) this.#end(id, 'expire', nowMs);
      }
    }
  }

  /** A grant or keep-alive sent at `sentMs` was answered OK with `ttlMs`. */
  acked(id: bigint, sentMs: number, answeredMs: number, ttlMs: number): void {
    this.acks++;
    const lives = this.#overlapping(id, sentMs, answeredMs);
    if (lives.length === 0)
      throw new Violation(
        'L2',
        `lease ${id}: sent at ${sentMs}, answered alive at ${answeredMs}, but it had ended before`,
      );
    if (lives.length > 1) return;
    const life = lives[0] as Life;
    life.floorMs = Math.max(life.floorMs, sentMs + ttlMs);
    if (this.#inSpec && life.cause === 'expire' && (life.endedMs as number) < sentMs + ttlMs)
      throw new Violation('L1', `lease ${id} expired at ${life.endedMs}, acknowledged until ${sentMs + ttlMs}`);
  }

  /** A keep-alive sent at `sentMs` was answered "gone". */
  gone(id: bigint, sentMs: number, answeredMs: number): void {
    const alive = (this.#lives.get(id) ?? []).find(
      (life) => life.bornMs < sentMs && (life.endedMs === undefined || life.endedMs > answeredMs),
    );
    if (alive !== undefined)
      throw new Violation(
        'L2-mirror',
        `lease ${id} answered gone at ${answeredMs} while it lived since ${alive.bornMs}`,
      );
  }

  /** Lives that have not ended. */
  live(): readonly { readonly id: bigint; readonly bornMs: number; readonly floorMs: number }[] {
    return [...this.#lives.values()].flat().filter((life) => life.endedMs === undefined);
  }

  #overlapping(id: bigint, fromMs: number, toMs: number): Life[] {
    return (this.#lives.get(id) ?? []).filter(
      (life) => life.bornMs <= toMs && (life.endedMs === undefined || life.endedMs >= fromMs),
    );
  }

  #alive(id: bigint): boolean {
    return (this.#lives.get(id) ?? []).some((life) => life.endedMs === undefined);
  }

  #end(id: bigint, cause: 'expire' | 'revoke', nowMs: number): void {
    const life = (this.#lives.get(id) ?? []).find((each) => each.endedMs === undefined);
    if (life === undefined) throw new Violation('L5', `lease ${id} ended twice`);
    life.endedMs = nowMs;
    life.cause = cause;
    if (cause === 'revoke') this.revokes++;
    else {
      this.expiries++;
      if (this.#inSpec && nowMs < life.floorMs)
        throw new Violation('L1', `lease ${id} expired at ${nowMs}, acknowledged until ${life.floorMs}`);
    }
  }
}
