/** etcd's own open holes, O1–O7 and O14 (etcd-lease-semantics.md §4.3), dug into our tree. */
import { noRound, noTermCheck, onlyEndsCount, promotedLate, takeForwards, unstampedExpire } from './edits.ts';
import { edit, type Mutant } from './mutant.ts';

const primary = 'src/primary/primary.ts';
const duty = 'src/node/duty.ts';
const outbox = 'src/node/outbox.ts';

/** Expires wait one turn before they are proposed; what waits is forwarded when leadership is lost, if `forward` says so. */
const queuedExpires = (onLoss: string): ReturnType<typeof edit>[] => [
  edit(
    outbox,
    '  #batch = 0;\n',
    '  #batch = 0;\n  #late: { readonly command: Command; readonly encoded: Uint8Array }[] = [];\n',
  ),
  edit(
    outbox,
    '    const proposed = this.#proposeAll(decided, duty, dutyEntryBytesMax);\n    for (const { command } of decided.slice(proposed)) duty.undecided(command);\n',
    `    const now = decided.filter(({ command }) => command.type !== 'expire');
    const proposed = this.#proposeAll(now, duty);
    for (const { command } of now.slice(proposed)) duty.undecided(command);
    this.#late = this.#late.slice(this.#proposeAll(this.#late, duty));
    this.#late.push(...decided.filter(({ command }) => command.type === 'expire'));
`,
  ),
  ...(onLoss === ''
    ? []
    : [
        edit(
          outbox,
          '    while (proposals.held().length > 0) {\n',
          `${onLoss}    while (proposals.held().length > 0) {\n`,
        ),
      ]),
];

export const etcdMutants: readonly Mutant[] = [
  {
    id: 'O1',
    what: 'a leader that ticked a moment ago takes itself for active: no quorum is asked',
    edits: [
      edit(
        'src/node/node.ts',
        '    this.raft.tick();\n',
        '    this.raft.tick();\n    this.#duty.activeUntilMs = nowMs + 300;\n',
      ),
      edit(
        duty,
        '  #slicesLeft = false;\n  readonly observer',
        '  #slicesLeft = false;\n  activeUntilMs = 0;\n  readonly observer',
      ),
      edit(
        duty,
        '      this.primary.ask(asked);\n    }\n',
        '      this.primary.ask(asked);\n    }\n    if (this.#nowMs < this.activeUntilMs) this.primary.roundAnswered(ticket, this.#raft.commit);\n',
      ),
    ],
    caughtBy: ['L1', 'R12', 'L2'],
    hunts: ['scenario:peers-cut', 'sim:leases', 'sim:usual'],
  },
  {
    id: 'O2',
    what: 'expires still queued when leadership is lost are forwarded to the new leader, which commits them',
    edits: [
      ...queuedExpires(`    if (this.#late.length > 0) {
      const commands = this.#late.map(({ encoded }) => encoded);
      this.#late = [];
      this.#peers.send(to, { ...envelope, type: 'forwardCommands', batch: ++this.#batch, commands });
    }
`),
      ...takeForwards,
      noTermCheck,
    ],
    caughtBy: ['L1', 'L13', 'L8'],
    hunts: ['scenario:model-9', 'sim:leases', 'sim:usual'],
    without: "the leader's refusal of forwarded duties, and the term check at apply",
  },
  {
    id: 'O3',
    what: 'a promotion races a demotion: a follower stays promoted, and its expires are forwarded',
    edits: [
      ...promotedLate,
      edit(
        duty,
        '    if (term === undefined || term !== this.leading) return [];\n    const limits',
        '    if (term === undefined) return [];\n    const limits',
      ),
      edit(
        'src/node/node.ts',
        'this.#outbox.forward(this.#clients.proposals, this.#clients.questions, nowMs);',
        'this.#outbox.forward(this.#clients.proposals, this.#clients.questions, nowMs, this.#duty);',
      ),
      edit(
        outbox,
        'forward(proposals: Proposals, questions: Questions, nowMs: number): void {',
        'forward(proposals: Proposals, questions: Questions, nowMs: number, duty: Duty): void {',
      ),
      edit(
        outbox,
        '    while (proposals.held().length > 0) {\n',
        `    const origin = { member: this.#member, boot: this.#boot, seq: 0 };
    const commands = duty.decide().map((command) => encodeCommand({ origin, command }));
    if (commands.length > 0) this.#peers.send(to, { ...envelope, type: 'forwardCommands', batch: ++this.#batch, commands });
    while (proposals.held().length > 0) {
`,
      ),
      ...takeForwards,
      noTermCheck,
    ],
    caughtBy: ['L3', 'L13', 'L1'],
    hunts: ['sim:usual'],
    without: "the look at role and term, the leader's refusal of forwarded duties, and the term check at apply",
  },
  {
    id: 'O4',
    what: 'expires queued before a demotion are proposed after the next promotion of the same member',
    edits: [...queuedExpires(''), noTermCheck],
    caughtBy: ['L1', 'L13', 'L8'],
    hunts: ['scenario:model-15.5', 'sim:leases', 'sim:usual'],
    without: 'the term check at apply',
  },
  {
    id: 'O5',
    what: 'a leader answers keep-alives as long as check-quorum lets it lead, through a hand-over too',
    edits: [
      noRound,
      edit(
        'src/primary/deadlines.ts',
        'return nowMs + electionTimeoutMs + stretchedMs(',
        'return nowMs + 0 * electionTimeoutMs + stretchedMs(',
      ),
    ],
    caughtBy: ['L1', 'R12', 'L2'],
    hunts: ['scenario:handed-over-and-cut', 'scenario:model-1', 'primary', 'sim:leases', 'sim:usual'],
    without: 'the election timeout that a promotion adds to every deadline',
  },
  {
    id: 'O6',
    what: 'a keep-alive that waits for a clear is answered OK when leadership is lost meanwhile',
    edits: [
      edit(
        duty,
        '    const waiting = this.primary.demote().map((asked) => asked.key);\n',
        `    const late = this.primary.aside();
    const waiting = this.primary
      .demote()
      .map((asked) => asked.key)
      .filter((key) => !late.some((one) => one.key === key));
    this.#late.push(...late);
`,
      ),
      edit(
        duty,
        '  #slicesLeft = false;\n  readonly observer',
        "  #slicesLeft = false;\n  readonly #late: ReturnType<Primary<AskerKey>['takeAnswers']> = [];\n  readonly observer",
      ),
      edit(
        duty,
        '    if (this.primary.term === undefined || this.primary.term !== this.leading) return [];\n    return this.primary.takeAnswers',
        '    if (this.#late.length > 0) return this.#late.splice(0);\n    if (this.primary.term === undefined || this.primary.term !== this.leading) return [];\n    return this.primary.takeAnswers',
      ),
      edit(
        primary,
        '  /** Everything that may be answered in this step, in order. The',
        `  /** etcd's lessor.Renew, after the clear has failed. */
  aside(): Answered<Key>[] {
    return this.#renewals.aside().map(({ key, id }) => {
      const grantedMs = this.#table.grantedMsAt(this.#table.slotOf(id));
      return { key, answer: { type: 'alive', grantedMs, remainingMs: grantedMs } };
    });
  }

  /** Everything that may be answered in this step, in order. The`,
      ),
      edit(
        'src/primary/renewals.ts',
        '  /** Calls `visit` with every question that waits. */\n',
        "  aside(): Question<Key>[] {\n    return [...this.#aside.values()].flat().filter(({ kind }) => kind === 'keepAlive');\n  }\n\n  /** Calls `visit` with every question that waits. */\n",
      ),
    ],
    caughtBy: ['L1', 'L6', 'L2'],
    hunts: ['scenario:cut-at-every-stage', 'sim:leases', 'sim:usual'],
  },
  {
    id: 'O7',
    what: 'a checkpoint decided before a renewal is applied after it',
    edits: [
      ...onlyEndsCount,
      edit(
        primary,
        '    reign.clears.want(slot);\n    return false;',
        '    if (reign.decisions.has(slot)) return true;\n    reign.clears.want(slot);\n    return false;',
      ),
    ],
    caughtBy: ['L6', 'L1'],
    hunts: ['scenario:checkpoint-in-flight', 'scenario:model-4', 'primary', 'sim:leases', 'sim:usual'],
  },
  {
    id: 'O14',
    what: 'an expire names a lease by its id: a late one ends a lease granted anew',
    edits: [...unstampedExpire, noTermCheck],
    caughtBy: ['L8', 'L1'],
    hunts: ['scenario:model-16', 'sim:leases', 'sim:usual'],
    without: 'the term check at apply',
  },
];
