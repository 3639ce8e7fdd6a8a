/**
 * What is chosen in the scripted lease model, and the promises over it: L1, L2 and its mirror, L8. "Applied anywhere" is taken as
 * chosen: the earliest moment at which anybody could apply it.
 */
import { unpackCommands } from '../../src/state/codec.ts';
import type { Command } from '../../src/state/command.ts';
import { Machine } from '../../src/state/machine.ts';
import type { Entry } from '../../src/store/entry.ts';
import { Violation } from './violation.ts';

/** A keep-alive, and what came of it. */
export interface ModelAsk {
  readonly sentMs: number;
  /** The life that was chosen and alive when it was sent; 0: none. */
  readonly life: number;
  /** Lives begun until then. */
  readonly livesBegun: number;
  answer: 'alive' | 'gone' | undefined;
}

export class LeaseTruth {
  readonly #machine = new Machine();
  #chosen: Entry[] = [];
  /** By id of the lease: which life it is in; 0: none. */
  readonly #lives = new Map<bigint, number>();
  #livesBegun = 0;
  readonly #floorMs = new Map<number, number>();
  readonly #ends = new Map<number, { readonly atMs: number; readonly expired: boolean }>();

  /** A keep-alive is sent. */
  asked(id: bigint, nowMs: number): ModelAsk {
    return { sentMs: nowMs, life: this.#lives.get(id) ?? 0, livesBegun: this.#livesBegun, answer: undefined };
  }

  /** A leader answered. */
  answered(ask: ModelAsk, type: 'alive' | 'gone', grantedMs: number): void {
    ask.answer = type;
    const end = this.#ends.get(ask.life);
    if (type === 'gone') {
      if (ask.life !== 0 && end === undefined)
        throw new Violation('L2-mirror', 'answered "gone" for a lease that lived all the while');
      return;
    }
    const floorMs = ask.sentMs + grantedMs;
    if ((end !== undefined && end.atMs < ask.sentMs) || (ask.life === 0 && ask.livesBegun === this.#livesBegun))
      throw new Violation('L2', 'a keep-alive sent after the end of its lease was answered OK');
    if (end?.expired === true && end.atMs < floorMs)
      throw new Violation('L1', `expired at ${end.atMs}, acknowledged until ${floorMs}`);
    this.#floorMs.set(ask.life, Math.max(this.#floorMs.get(ask.life) ?? 0, floorMs));
  }

  /** These entries are on a quorum: nothing can undo them. */
  choose(log: readonly Entry[], nowMs: number): void {
    const both = Math.min(log.length, this.#chosen.length);
    if (log[both - 1] !== this.#chosen[both - 1]) throw new Error('the toy Raft chose two entries for one index');
    for (const entry of log.slice(this.#chosen.length)) {
      this.#chosen.push(entry);
      const commands = entry.kind === 'commands' ? unpackCommands(entry.payload).map(({ command }) => command) : [];
      const before = commands.map((command) => this.#look(command));
      this.#machine.apply(entry);
      commands.forEach((command, i) => {
        this.#judge(command, before[i] ?? [], nowMs);
      });
    }
  }

  /** The leases that a command names, as they are now. */
  #look(command: Command): { id: bigint; stamp: number; remainingMs: number }[] {
    const { lessor } = this.#machine;
    const ids = 'leases' in command ? command.leases.map(({ id }) => id) : 'id' in command ? [command.id] : [];
    return ids
      .map((id) => ({ id, slot: lessor.slotOf(id) }))
      .filter(({ slot }) => slot >= 0)
      .map(({ id, slot }) => ({ id, stamp: lessor.stampAt(slot), remainingMs: lessor.remainingMsAt(slot) }));
  }

  #judge(command: Command, before: readonly { id: bigint; stamp: number; remainingMs: number }[], nowMs: number): void {
    const { lessor } = this.#machine;
    if (command.type === 'grant' && before.length === 0) {
      this.#lives.set(command.id, ++this.#livesBegun);
      this.#floorMs.set(this.#livesBegun, nowMs + command.ttlMs);
    }
    for (const { id, stamp, remainingMs } of before) {
      const slot = lessor.slotOf(id);
      const meant = 'leases' in command ? command.leases.find((lease) => lease.id === id)?.stamp : stamp;
      const changed = slot < 0 || lessor.remainingMsAt(slot) !== remainingMs;
      if (changed && meant !== stamp) throw new Violation('L8', `${command.type} touched another life of its lease`);
      if (slot < 0) this.#end(id, command.type === 'expire', nowMs);
    }
  }

  #end(id: bigint, expired: boolean, nowMs: number): void {
    const life = this.#lives.get(id) ?? 0;
    this.#lives.set(id, 0);
    this.#ends.set(life, { atMs: nowMs, expired });
    const floorMs = this.#floorMs.get(life) ?? 0;
    if (expired && nowMs < floorMs) throw new Violation('L1', `expired at ${nowMs}, acknowledged until ${floorMs}`);
  }
}
