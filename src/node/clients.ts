/**
 * Everything this member's own clients wait for: commands, read barriers, questions about leases. Owns who is let in; each kind
 * of waiting has its own file. Every call ends (V3).
 */
import type { Machine } from '../state/machine.ts';
import type { Input } from './input.ts';
import type { NodeOptions } from './options.ts';
import { Proposals } from './proposals.ts';
import { Questions } from './questions.ts';
import { Reads } from './reads.ts';
import { Space } from './space.ts';

/** What a client asks for. */
export type ClientInput = Extract<Input, { readonly type: 'propose' | 'barrier' | 'question' }>;

export class Clients {
  readonly proposals: Proposals;
  readonly reads: Reads;
  readonly questions: Questions;
  readonly space: Space;
  #stopped = false;

  /** `holdMs`: how long anything is held while nobody leads. */
  constructor({ member, boot, quotaBytes }: NodeOptions, holdMs: number) {
    this.proposals = new Proposals(member, boot, holdMs);
    this.reads = new Reads(holdMs);
    this.questions = new Questions(holdMs);
    this.space = new Space(quotaBytes);
  }

  /** This member goes down and lets nobody in. */
  get stopped(): boolean {
    return this.#stopped;
  }

  take(input: ClientInput, machine: Machine, nowMs: number): void {
    if (this.#stopped) input.reply({ type: 'unavailable', why: 'stopped' });
    else if (input.type === 'barrier') this.reads.submit(input.timeoutMs, input.reply, nowMs);
    else if (input.type === 'question')
      this.questions.submit(input.kind, input.id, input.timeoutMs, input.reply, nowMs);
    else if (this.space.refuses(input.command, machine)) input.reply({ type: 'unavailable', why: 'noSpace' });
    else this.proposals.submit(input.command, input.timeoutMs, input.reply, nowMs);
  }

  /** Ends what waited too long. `led`: a leader is known; `lossy`: it is another member, so that messages may be lost. */
  expire(nowMs: number, led: boolean, lossy: boolean): void {
    this.proposals.expire(nowMs, led);
    this.reads.expire(nowMs, led);
    this.questions.expire(nowMs, led, lossy);
  }

  stop(): void {
    this.#stopped = true;
    this.proposals.stop();
    this.reads.stop();
    this.questions.stop();
  }
}
