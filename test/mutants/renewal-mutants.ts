/** The rule by which keep-alives are answered, broken one guard at a time (reliability.md §4A; house.md §5). */
import { noRound, onlyEndsCount } from './edits.ts';
import { edit, type Mutant } from './mutant.ts';

const primary = 'src/primary/primary.ts';
const expiry = 'src/primary/expiry.ts';
const renewals = 'src/primary/renewals.ts';
const outbox = 'src/node/outbox.ts';
/** Deadlines are set, not raised. */
const noMax = [
  edit(
    expiry,
    'if (this.#wheel.has(slot)) this.#wheel.raise(slot, deadlineMs);\n    else this.#wheel.set(slot, Math.max(deadlineMs, this.#wheel.dueAt(slot)));',
    'this.#wheel.set(slot, deadlineMs);',
  ),
];
/** A renewal that waits does not move the deadline. */
const noPutOff = edit(primary, '    reign.putOff(slot, question.receiptMs);\n', '');
/** A clear, once applied, is a permission: the renewal is not looked at again. */
const clearIsPermission = [
  edit(primary, '  #nowMs = 0;\n', '  #nowMs = 0;\n  readonly #permitted = new Set<number>();\n'),
  edit(
    primary,
    "    assert(this.#table.remainingMsAt(slot) === 0, 'L6: a cleared lease has nothing recorded');\n",
    '    this.#permitted.add(slot);\n',
  ),
  edit(
    primary,
    '  #mayRenew(reign: Reign, slot: number, id: LeaseId): boolean {\n',
    '  #mayRenew(reign: Reign, slot: number, id: LeaseId): boolean {\n    if (this.#permitted.delete(slot)) return true;\n',
  ),
];

export const renewalMutants: readonly Mutant[] = [
  {
    id: 'M22',
    what: 'a keep-alive is answered without a quorum round',
    edits: [noRound],
    caughtBy: ['L1', 'R12', 'L2'],
    hunts: ['scenario:peers-cut', 'scenario:model-1', 'primary', 'sim:leases', 'sim:usual'],
  },
  {
    id: 'M23',
    what: "a keep-alive is answered once the clear is proposed, whatever comes of it (etcd's line)",
    edits: [
      edit(
        primary,
        '    reign.clears.want(slot);\n    return false;',
        '    reign.clears.want(slot);\n    return true;',
      ),
    ],
    caughtBy: ['L1', 'L6'],
    hunts: ['scenario:cut-at-every-stage', 'scenario:model-5', 'primary', 'sim:leases', 'sim:usual'],
  },
  {
    id: 'M35',
    what: 'a keep-alive is answered while a checkpoint of its lease is in flight',
    edits: [
      ...onlyEndsCount,
      edit(
        primary,
        '    if (this.#table.remainingMsAt(slot) === 0) return true;\n',
        '    if (this.#table.remainingMsAt(slot) === 0) return true;\n    if (reign.decisions.has(slot)) return false;\n',
      ),
    ],
    caughtBy: ['L6', 'L1'],
    hunts: ['scenario:checkpoint-in-flight', 'scenario:model-4', 'primary', 'sim:leases', 'sim:usual'],
  },
  {
    id: 'M40',
    what: 'a deadline is set, not raised',
    edits: noMax,
    caughtBy: ['L1', 'L3', 'L11'],
    hunts: ['primary', 'sim:leases', 'sim:usual'],
  },
  {
    id: 'M40b',
    what: 'two keep-alives that waited are answered in the wrong order, and the later answer lowers the deadline',
    edits: [
      ...noMax,
      edit(
        renewals,
        'const ready = released.concat(this.#line.slice(this.#start, end));',
        'const ready = released.concat(this.#line.slice(this.#start, end)).reverse();',
      ),
    ],
    caughtBy: ['L1', 'L3', 'L11'],
    hunts: ['scenario:model-12', 'primary', 'sim:leases', 'sim:usual'],
    without: 'the order of answers per lease',
  },
  {
    id: 'M41',
    what: 'a clear that was applied is a permission: the renewal is not looked at again',
    edits: clearIsPermission,
    caughtBy: ['L1', 'L2'],
    hunts: ['primary', 'sim:leases'],
    equivalent: {
      because:
        'the clear counts as decided until it is applied, and what waited for it is answered in that very step: nothing can be decided in between; a waiting renewal has also raised the deadline',
      pair: 'M41b',
    },
  },
  {
    id: 'M41b',
    what: 'as M41, and a renewal that waits raises no deadline',
    edits: [...clearIsPermission, noPutOff],
    caughtBy: ['L1', 'L2', 'L6'],
    hunts: ['scenario:model-6', 'primary', 'sim:leases', 'sim:usual'],
    without: 'the deadline raised by a renewal that waits',
  },
  {
    id: 'M44',
    what: 'an expire that is decided and waits to be proposed does not count as in flight',
    edits: [
      edit(
        outbox,
        '  #batch = 0;\n',
        '  #batch = 0;\n  #waiting: { readonly command: Command; readonly encoded: Uint8Array }[] = [];\n',
      ),
      edit(
        outbox,
        '    const proposed = this.#proposeAll(decided, duty, dutyEntryBytesMax);\n    for (const { command } of decided.slice(proposed)) duty.undecided(command);\n',
        `    this.#waiting.push(...decided);
    this.#waiting = this.#waiting.slice(this.#proposeAll(this.#waiting, duty));
    duty.primary.waiting = new Set(
      this.#waiting.flatMap(({ command }) => (command.type === 'expire' ? command.leases.map(({ id }) => id) : [])),
    );
`,
      ),
      edit(
        outbox,
        '    const to = this.#raft.leader;\n    if (to === NO_MEMBER) return;\n    const envelope',
        '    const to = this.#raft.leader;\n    this.#waiting = [];\n    if (to === NO_MEMBER) return;\n    const envelope',
      ),
      edit(primary, '  #nowMs = 0;\n', '  #nowMs = 0;\n  waiting: Set<LeaseId> = new Set();\n'),
      edit(
        primary,
        'if (reign.decisions.has(slot) || this.#revokes.has(id)) return false;',
        'if ((reign.decisions.has(slot) && !this.waiting.has(id)) || this.#revokes.has(id)) return false;',
      ),
    ],
    caughtBy: ['L1', 'L2', 'L11'],
    hunts: ['scenario:model-8', 'sim:leases', 'sim:usual'],
  },
  {
    id: 'M47',
    what: '"gone" is answered before what was committed at the start of the round is applied',
    edits: [
      edit(renewals, '      if (round.index > applied) break;\n', '      if (round.index > applied + 1e9) break;\n'),
    ],
    caughtBy: ['L2-mirror'],
    hunts: ['scenario:model-18', 'primary', 'sim:usual'],
  },
];
