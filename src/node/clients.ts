/**
 * Everything this member's own clients wait for: commands, read barriers, questions about leases, the end of a compaction. Owns
 * who is let in; each kind of waiting has its own file. Every call ends (V3).
 */
import type { Command } from '../state/command.ts';
import type { Machine } from '../state/machine.ts';
import type { Index } from '../store/entry.ts';
import type { Input } from './input.ts';
import type { NodeOptions } from './options.ts';
import type { ForwardAnswers, ForwardRefused } from './peer-message.ts';
import { Proposals } from './proposals.ts';
import { Questions } from './questions.ts';
import { Reads } from './reads.ts';
import { keptBy, Space } from './space.ts';
import { Swept } from './swept.ts';

/** What a client asks for. */
export type ClientInput = Extract<Input, { readonly type: 'propose' | 'barrier' | 'question' | 'askings' | 'swept' }>;

export class Clients {
  readonly proposals: Proposals;
  readonly reads: Reads;
  readonly questions: Questions;
  readonly swept = new Swept();
  readonly space: Space;
  readonly #boot: number;
  #stopped = false;

  /** `holdMs`: how long anything is held while nobody leads. */
  constructor(options: NodeOptions, holdMs: number) {
    this.#boot = options.boot;
    this.proposals = new Proposals(options.member, options.boot, holdMs);
    this.space = new Space(options, this.proposals, holdMs);
    this.reads = new Reads(holdMs);
    this.questions = new Questions(holdMs);
  }

  /** This member goes down and lets nobody in. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** `current`: nobody knows a newer state than `machine` (`Duty.isCurrent`). */
  take(input: ClientInput, machine: Machine, current: boolean, nowMs: number): void {
    if (input.type === 'askings') this.questions.take(input, this.#stopped, nowMs);
    else if (this.#stopped) input.reply({ type: 'unavailable', why: 'stopped' });
    else if (input.type === 'barrier') this.reads.submit(input.timeoutMs, input.reply, nowMs);
    else if (input.type === 'question')
      this.questions.submit(input.kind, input.id, input.timeoutMs, input.reply, nowMs);
    else if (input.type === 'swept') this.swept.submit(input.revision, input.timeoutMs, input.reply, nowMs);
    else {
      const refuse = (): void => input.reply({ type: 'unavailable', why: 'noSpace' });
      if (this.space.lacksRoomFor(input.command, machine)) this.space.raise(machine, nowMs, refuse);
      else if (current && machine.alarms.refusalOf(input.command) === 'noSpace') refuse();
      else this.proposals.submit(input.command, input.timeoutMs, input.reply, nowMs, keptBy(input.command, machine));
    }
  }

  /** What the leader says to what was forwarded, if it was in this boot. */
  heard(message: ForwardRefused | ForwardAnswers, nowMs: number): void {
    if (message.boot !== this.#boot) return;
    if (message.type === 'forwardRefused') this.proposals.refused(message.seqs, message.term, message.why);
    else for (const answer of message.answers) this.questions.answered(answer, nowMs);
  }

  /** Whether the leader proposes nothing of a follower's command: as for our own clients, but that nobody waits for an alarm. */
  refusesForwarded(command: Command, machine: Machine, current: boolean, nowMs: number): boolean {
    const lacksRoom = this.space.lacksRoomFor(command, machine);
    if (lacksRoom) this.space.raise(machine, nowMs);
    return lacksRoom || (current && machine.alarms.refusalOf(command) === 'noSpace');
  }

  /** Entries may have been applied since, or an image written. */
  applied(machine: Machine, imageIndex: Index): void {
    this.reads.applied(machine.appliedIndex);
    this.swept.look(machine, imageIndex);
  }

  /** Ends what waited too long. `led`: a leader is known; `lossy`: it is another member, so that messages may be lost. */
  expire(nowMs: number, led: boolean, lossy: boolean): void {
    this.proposals.expire(nowMs, led);
    this.reads.expire(nowMs, led);
    this.questions.expire(nowMs, led, lossy);
    this.swept.expire(nowMs);
  }

  stop(): void {
    this.#stopped = true;
    this.proposals.stop();
    this.reads.stop();
    this.questions.stop();
    this.swept.stop();
  }
}
