/**
 * What must hold after every step of a simulated run: D1 (same log, same bytes), R5, S1 and K1 on revisions, K3, and the lease
 * promise in `lease-checks.ts`.
 */
import { crc32 } from '../../src/base/crc.ts';
import type { Answer } from '../../src/node/input.ts';
import type { Command } from '../../src/state/command.ts';
import type { AppliedCommand, Machine } from '../../src/state/machine.ts';
import type { Entry } from '../../src/store/entry.ts';
import { LeaseChecks } from './lease-checks.ts';
import { Violation } from './violation.ts';

interface Chosen {
  readonly term: number;
  readonly crc: number;
  readonly digest: string;
}

export class Checks {
  readonly leases: LeaseChecks;
  readonly #chosen: (Chosen | undefined)[] = [];
  /** Commands applied so far, by origin: none twice (K3). */
  readonly #origins = new Set<string>();
  #highestIndex = 0;
  /** The highest revision any completed call was told: a later linearizable read may not show less. */
  revisionFloor = 0;
  outcomes = 0;
  unavailable = 0;

  constructor(clocksInSpec: boolean) {
    this.leases = new LeaseChecks(clocksInSpec);
  }

  get entries(): number {
    return this.#highestIndex;
  }

  applied(entry: Entry, commands: readonly AppliedCommand[], machine: Machine, nowMs: number): void {
    const chosen: Chosen = { term: entry.term, crc: crc32(entry.payload), digest: machine.digest() };
    const known = this.#chosen[entry.index];
    if (known === undefined) this.#chosen[entry.index] = chosen;
    else {
      if (known.term !== chosen.term || known.crc !== chosen.crc)
        throw new Violation('R5', `two entries were applied at index ${entry.index}`);
      if (known.digest !== chosen.digest)
        throw new Violation('D1', `state differs at index ${entry.index}: ${known.digest} and ${chosen.digest}`);
    }
    if (entry.index > this.#highestIndex) {
      this.#highestIndex = entry.index;
      for (const { origin } of commands) {
        const name = `${origin.member}/${origin.boot}/${origin.seq}`;
        if (origin.seq !== 0 && this.#origins.has(name)) throw new Violation('K3', `command ${name} was applied twice`);
        this.#origins.add(name);
      }
    }
    this.leases.applied(entry, commands, nowMs, (id) => machine.lessor.slotOf(id) < 0);
  }

  /** A state restored from an image or a snapshot is the state that was applied. */
  restored(machine: Machine): void {
    const known = this.#chosen[machine.appliedIndex];
    if (known !== undefined && known.digest !== machine.digest())
      throw new Violation('R11', `restored state differs at index ${machine.appliedIndex}`);
  }

  answered(command: Command, answer: Answer): void {
    if (answer.type === 'unavailable') {
      this.unavailable++;
      return;
    }
    this.outcomes++;
    this.revisionFloor = Math.max(this.revisionFloor, answer.outcome.revision);
    void command;
  }

  readAt(revision: number, floor: number): void {
    if (revision < floor)
      throw new Violation('K1', `a linearizable read saw revision ${revision}, a call before it had seen ${floor}`);
  }

  /** After healing: all members stand at one index with one state, and no acknowledged revision is missing (S1). */
  converged(machines: readonly Machine[]): void {
    const first = machines[0] as Machine;
    for (const machine of machines) {
      if (machine.appliedIndex !== first.appliedIndex)
        throw new Violation('V2', `applied ${machine.appliedIndex} and ${first.appliedIndex}`);
      if (machine.digest() !== first.digest()) throw new Violation('D1', 'members differ at the end');
    }
    if (first.revision < this.revisionFloor)
      throw new Violation('S1', `revision ${this.revisionFloor} was acknowledged, ${first.revision} is left`);
    if (first.appliedIndex < this.#highestIndex)
      throw new Violation('S1', `entry ${this.#highestIndex} was applied, ${first.appliedIndex} is left`);
    for (const { id } of this.leases.live())
      if (first.lessor.slotOf(id) < 0) throw new Violation('S1', `lease ${id} is lost`);
  }
}
