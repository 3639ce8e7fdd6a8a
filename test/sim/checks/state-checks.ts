/**
 * The one true log and what it makes of the state. At its first application anywhere an entry goes through an independent model
 * of the state machine (`test/state/model.ts`): every outcome, event and lease it touches must be the model's (K2, K6, L5 with its
 * order of keys, L6, L8, L9, L10, L13), and no command comes twice (K3). Every later application, on whichever member and
 * after whatever restart or snapshot, must say and leave the same (R5, D1, D3, R11), and in the end nothing is missing (S1).
 */
import type { Command, LeaseId } from '../../../src/state/command.ts';
import type { Machine } from '../../../src/state/machine.ts';
import type { AppliedCommand } from '../../../src/state/outcome.ts';
import type { Entry, Index, MemberId, Term } from '../../../src/store/entry.ts';
import { Model, type ModelEvent } from '../../state/model.ts';
import { answerOf } from '../../state/shapes.ts';
import type { TruthEntry } from '../history.ts';
import { isEqual, show } from './equal.ts';
import { fail } from './fail.ts';
import { differsInEvents, differsInLease, type LeaseView, leaseView, wholeDiffers } from './state-view.ts';

/** One index of the log as it must be everywhere. */
export interface Place extends TruthEntry {
  readonly revisionBefore: number;
  /** What is compacted after it. */
  readonly compacted: number;
  readonly digest: string;
  readonly counts: Counts;
  /** The leases it touched, as they are after it. */
  readonly touched: readonly LeaseView[];
}

interface Counts {
  readonly leases: number;
  readonly keys: number;
  readonly attached: number;
}

/** What these checks need of a member. */
export interface StateWatched {
  readonly id: MemberId;
  readonly machine: Machine;
}

interface Seen {
  machine: Machine;
  applied: Index;
}

export class StateChecks {
  readonly model = new Model();
  /** By index - 1. */
  readonly places: Place[] = [];
  readonly #seen = new Map<MemberId, Seen>();
  readonly #origins = new Set<string>();
  #attached = 0;

  /** The highest index applied anywhere. */
  get applied(): Index {
    return this.places.length;
  }

  /** A member starts: whatever it stood at is void. */
  booted(id: MemberId): void {
    this.#seen.delete(id);
  }

  /** A machine made from an image: at boot (D3), or of a snapshot (R11). */
  restored({ id, machine }: StateWatched): void {
    const seen = this.#seen.get(id);
    if (seen?.machine === machine) return;
    const invariant = seen === undefined ? 'D3' : 'R11';
    const { appliedIndex } = machine;
    if (seen !== undefined && appliedIndex < seen.applied)
      fail('R11', `a snapshot took member ${id} from ${seen.applied} back to ${appliedIndex}`);
    if (appliedIndex > this.applied)
      fail(invariant, `member ${id} begins at ${appliedIndex}, which nobody has applied`);
    const place = this.places[appliedIndex - 1];
    if (place !== undefined) this.#stands(machine, place, invariant, `restored on member ${id}`);
    this.#seen.set(id, { machine, applied: appliedIndex });
  }

  /** An entry was applied. Returns its place if nobody had applied it before. `leader`: who leads in its term. */
  appliedOn(
    member: StateWatched,
    entry: Entry,
    commands: readonly AppliedCommand[],
    nowMs: number,
    leader: MemberId | undefined,
  ): Place | undefined {
    const { id, machine } = member;
    let seen = this.#seen.get(id);
    if (seen?.machine !== machine) {
      // A snapshot took the place of the machine in this very turn, and the entry is the first one after it.
      if (seen !== undefined && entry.index <= seen.applied) fail('R11', `member ${id} applies ${entry.index} again`);
      seen = { machine, applied: entry.index - 1 };
      this.#seen.set(id, seen);
    }
    if (entry.index !== seen.applied + 1) fail('R5', `member ${id} applies ${entry.index} after ${seen.applied}`);
    seen.applied = entry.index;
    if (entry.index > this.applied + 1) fail('R5', `member ${id} applies ${entry.index}, the one before is unknown`);
    const known = this.places[entry.index - 1];
    if (known === undefined) return this.#first(machine, entry, commands, nowMs, leader);
    this.#isSame(known, entry, commands, id);
    this.#stands(machine, known, 'D1', `on member ${id}`);
    return undefined;
  }

  /** The run is over: these members stand where the log ends (S1), all alike (V2), and as the model says in every detail. */
  finished(members: readonly StateWatched[], mustConverge: boolean): void {
    for (const { id, machine } of members) {
      if (machine.appliedIndex !== this.applied) {
        if (mustConverge) fail('V2', `member ${id} ends at ${machine.appliedIndex}, ${this.applied} was applied`);
        continue;
      }
      const difference = wholeDiffers(machine, this.model);
      if (difference !== undefined) fail('D1', `at the end, member ${id}: ${difference}`);
    }
  }

  // ── the first time ───────────────────────────────────────────────────────────────────────────────────────────────────

  #first(
    machine: Machine,
    entry: Entry,
    commands: readonly AppliedCommand[],
    nowMs: number,
    leader: MemberId | undefined,
  ): Place {
    const { model } = this;
    const revisionBefore = model.revision;
    const ids = new Set<LeaseId>();
    for (const applied of commands) {
      const { origin, command, outcome } = applied;
      this.#isNew(applied, entry.index);
      if (isDuty(command) && outcome.ok && leader !== undefined && origin.member !== leader)
        fail(
          'L13',
          `a ${command.type} of member ${origin.member} takes effect in term ${entry.term}, led by ${leader}`,
        );
      this.#recordsLess(command, entry.term);
      const before = model.revision;
      const expected = model.apply(command, entry.term);
      const actual = answerOf(outcome);
      if (!isEqual(actual, expected))
        fail(
          invariantOf(command, actual, expected),
          `${command.type} at ${entry.index}: ${show(actual)}, must be ${show(expected)}`,
        );
      this.#touches(command, before, ids);
    }
    if (machine.revision !== model.revision)
      fail('K2', `revision ${machine.revision} after ${entry.index}, must be ${model.revision}`);
    const place: Place = {
      entry,
      commands,
      atMs: nowMs,
      revisionBefore,
      revisionAfter: model.revision,
      compacted: model.compacted,
      digest: machine.digest(),
      counts: { leases: model.leases.size, keys: model.keys.size, attached: this.#attached },
      touched: [...ids].map((id) => leaseView(model, id)),
    };
    this.#stands(machine, place, invariantOfState(commands), 'at its first application');
    this.places.push(place);
    return place;
  }

  /** K3. */
  #isNew({ origin, command }: AppliedCommand, index: Index): void {
    if (origin.seq === 0) return;
    const name = `${origin.member}/${origin.boot}/${origin.seq}`;
    if (this.#origins.has(name)) fail('K3', `the ${command.type} ${name} is applied a second time at ${index}`);
    this.#origins.add(name);
  }

  /** L6: between two renewals, that is, under one stamp, what is recorded never grows. */
  #recordsLess(command: Command, term: Term): void {
    if (command.type !== 'checkpoint' || command.term !== term) return;
    for (const { id, stamp, remainingMs } of command.leases) {
      const lease = this.model.leases.get(id);
      if (lease?.stamp !== stamp || lease.remaining === 0) continue;
      if (remainingMs > lease.remaining && remainingMs <= lease.granted)
        fail('L6', `what is left of lease ${id} grows from ${lease.remaining} to ${remainingMs} ms without a renewal`);
    }
  }

  /** Collects the leases that a command, whose revisions follow `before`, has to do with. */
  #touches(command: Command, before: number, ids: Set<LeaseId>): void {
    if (command.type === 'grant' || command.type === 'revoke') ids.add(command.id);
    else if (isDuty(command)) for (const { id } of command.leases) ids.add(id);
    for (let revision = before + 1; revision <= this.model.revision; revision++) {
      for (const { now, before: old } of this.model.events.get(revision) as ModelEvent[]) {
        if (old !== undefined && old.lease !== 0n) {
          ids.add(old.lease);
          this.#attached--;
        }
        if (now === undefined || now.lease === 0n) continue;
        ids.add(now.lease);
        this.#attached++;
      }
    }
  }

  // ── every time ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #isSame(known: Place, entry: Entry, commands: readonly AppliedCommand[], id: MemberId): void {
    const same =
      known.entry === entry ||
      (known.entry.term === entry.term &&
        known.entry.kind === entry.kind &&
        Buffer.compare(known.entry.payload, entry.payload) === 0);
    if (!same) fail('R5', `member ${id} applies another entry at ${entry.index}`);
    commands.forEach((applied, i) => {
      const first = known.commands[i] as AppliedCommand;
      if (!isEqual(applied.outcome, first.outcome))
        fail(
          'D1',
          `${applied.command.type} at ${entry.index} on member ${id}: ${show(applied.outcome)}, elsewhere ${show(first.outcome)}`,
        );
    });
  }

  /** What can be seen of the machine right after the entry of `place`. */
  #stands(machine: Machine, place: Place, invariant: string, where: string): void {
    const { revisionBefore, revisionAfter, compacted, counts, touched, digest } = place;
    const at = `index ${place.entry.index}, ${where}`;
    for (let revision = revisionBefore + 1; revision <= revisionAfter; revision++) {
      const difference = differsInEvents(machine, revision, this.model.eventsOf(revision, compacted));
      if (difference !== undefined) fail(invariant, `${at}: revision ${revision}: ${difference}`);
    }
    for (const view of touched) {
      const difference = differsInLease(machine, view);
      if (difference !== undefined) fail(invariant, `${at}: lease ${view.id}: ${difference}`);
    }
    const { lessor } = machine;
    if (machine.revision !== revisionAfter) fail('K2', `${at}: revision ${machine.revision}, must be ${revisionAfter}`);
    if (machine.compactRevision !== compacted)
      fail('K6', `${at}: compacted is ${machine.compactRevision}, must be ${compacted}`);
    if (lessor.count !== counts.leases) fail(invariant, `${at}: ${lessor.count} leases, must be ${counts.leases}`);
    if (machine.keyCount !== counts.keys) fail(invariant, `${at}: ${machine.keyCount} keys, must be ${counts.keys}`);
    if (lessor.attachedKeyCount !== counts.attached)
      fail(invariant, `${at}: ${lessor.attachedKeyCount} keys on leases, must be ${counts.attached}`);
    if (machine.digest() !== digest) fail(invariant, `${at}: digest ${machine.digest()}, elsewhere ${digest}`);
  }
}

export function isDuty(command: Command): command is Extract<Command, { type: 'expire' | 'checkpoint' | 'clear' }> {
  return command.type === 'expire' || command.type === 'checkpoint' || command.type === 'clear';
}

/** Which promise a wrong outcome breaks. */
function invariantOf(command: Command, actual: unknown, expected: unknown): string {
  const refusals = [actual, expected].map((answer) => (answer as { refusal?: string }).refusal);
  switch (command.type) {
    case 'grant':
      return 'L10';
    case 'revoke':
      return 'L5';
    case 'expire':
    case 'checkpoint':
    case 'clear':
      if (refusals.includes('wrongTerm')) return 'L13';
      if (isEqual((actual as { result: unknown }).result, (expected as { result: unknown }).result)) return 'L5';
      return 'L8';
    case 'put':
      return refusals.includes('leaseNotFound') ? 'L9' : 'K2';
    case 'compact':
      return 'K6';
    case 'sweep':
      return 'D1';
    case 'txn':
      return refusals.includes('leaseNotFound') ? 'L9' : 'K6';
    default:
      return 'K2';
  }
}

/** Which promise a wrong state breaks, by what made it. */
function invariantOfState(commands: readonly AppliedCommand[]): string {
  const types = new Set(commands.map(({ command }) => command.type));
  if (types.has('revoke') || types.has('expire')) return 'L5';
  if (types.has('checkpoint')) return 'L6';
  if (types.has('clear')) return 'L8';
  if (types.has('grant') && types.size === 1) return 'L10';
  return types.has('put') || types.has('txn') ? 'L9' : 'K2';
}
