/** One leader alone with its log, for unit tests: decides, applies when told to, in a time that is passed in. */
import { LessorClock } from '../../src/primary/clock.ts';
import type { DutyLimits } from '../../src/primary/limits.ts';
import { dutyLimits } from '../../src/primary/limits.ts';
import { type Answered, Primary } from '../../src/primary/primary.ts';
import type { Command, LeaseId } from '../../src/state/command.ts';
import { ToyTable } from './toy-table.ts';

export class Bench {
  readonly table = new ToyTable();
  readonly lagsMs: number[] = [];
  readonly primary: Primary<string>;
  readonly clock = new LessorClock();
  nowMs = 1_000;
  term = 0;
  index = 0;
  /** When the last lease ended. */
  endedMs = 0;
  ticket = 0;
  /** Proposed and not yet applied. */
  log: Command[] = [];
  /** Everything decided so far. */
  decided: Command[] = [];
  limits: DutyLimits;

  constructor(limits: Partial<DutyLimits> = {}, electionTimeoutMs = 1_000) {
    this.limits = { ...dutyLimits, ...limits };
    this.primary = new Primary({ electionTimeoutMs, observeLag: (lagMs) => this.lagsMs.push(lagMs) }, this.table);
  }

  /** Elected and its first entry applied. */
  lead(slices = true): this {
    this.primary.promote(++this.term, this.nowMs);
    while (slices && !this.primary.promotionSlice(this.nowMs));
    this.primary.applied(++this.index, this.nowMs);
    return this;
  }

  grant(id: LeaseId, ttlMs: number): this {
    return this.apply({ type: 'grant', id, ttlMs });
  }

  /** One entry with these commands is committed and applied here. */
  apply(...commands: Command[]): this {
    const { primary } = this;
    for (const command of commands) {
      this.table.apply(command, this.term, {
        granted: (slot) => primary.granted(slot, this.nowMs),
        ended: (slot) => {
          this.endedMs = this.nowMs;
          primary.ended(slot);
        },
        checkpointed: (slot) => primary.checkpointed(slot),
        cleared: (slot) => primary.cleared(slot, this.nowMs),
      });
      if (command.type === 'revoke') primary.revokeSettled(command.id);
      if (command.type === 'expire' || command.type === 'checkpoint' || command.type === 'clear')
        primary.settled(command);
    }
    primary.applied(++this.index, this.nowMs);
    return this;
  }

  /** The primary decides; all of it is proposed and waits in the log. */
  decide(): Command[] {
    const commands = this.primary.decide(this.nowMs, this.limits);
    this.log.push(...commands);
    this.decided.push(...commands);
    return commands;
  }

  /** All that was proposed is applied. */
  commit(): this {
    const log = this.log;
    this.log = [];
    return this.apply(...log);
  }

  ask(key: string, id: LeaseId, kind: 'keepAlive' | 'timeToLive' = 'keepAlive'): this {
    this.primary.ask({ key, kind, id, ticket: ++this.ticket, receiptMs: this.nowMs });
    return this;
  }

  /** A quorum answered all rounds so far. */
  round(upTo = this.ticket, index = this.index): this {
    this.primary.roundAnswered(upTo, index);
    return this;
  }

  answers(): Answered<string>[] {
    return this.primary.takeAnswers(this.nowMs);
  }

  /** As `key=ttl` or `key=gone`. */
  said(): string[] {
    return this.answers().map(({ key, answer }) => `${key}=${answer.type === 'gone' ? 'gone' : answer.remainingMs}`);
  }

  /** Time passes in turns of `stepMs`; in each the primary decides, and what it decided is applied in the next. */
  pass(ms: number, stepMs = 100): this {
    const endMs = this.nowMs + ms;
    while (this.nowMs < endMs) {
      this.nowMs = Math.min(endMs, this.nowMs + stepMs);
      this.commit();
      this.decide();
    }
    return this;
  }
}
