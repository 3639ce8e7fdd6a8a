/** Deadlines, promotion and expiry broken one guard at a time (reliability.md §4A). */
import { noTermCheck, promotedLate, takeForwards, unstampedExpire } from './edits.ts';
import { edit, type Mutant } from './mutant.ts';

const primary = 'src/primary/primary.ts';
const expiry = 'src/primary/expiry.ts';
const reign = 'src/primary/reign.ts';
const deadlines = 'src/primary/deadlines.ts';
const duty = 'src/node/duty.ts';
const outbox = 'src/node/outbox.ts';

export const expiryMutants: readonly Mutant[] = [
  {
    id: 'M24',
    what: 'a promotion takes the deadline from the wall clock: time of the grant plus TTL',
    edits: [
      edit('src/state/lessor.ts', '  #stampsGiven = 0;\n', '  #stampsGiven = 0;\n  readonly wallMs: number[] = [];\n'),
      edit(
        'src/state/lessor.ts',
        '    this.#fill(slot, this.#stampsGiven, grantedMs, 0);\n',
        '    this.#fill(slot, this.#stampsGiven, grantedMs, 0);\n    this.wallMs[slot] = Date.now();\n',
      ),
      edit(
        reign,
        '    this.expiry.track(slot, promotionDeadlineMs(nowMs, this.#electionTimeoutMs, remainingMs, grantedMs));\n',
        `    const grantedAtMs = (this.#table as unknown as { wallMs: number[] }).wallMs[slot] ?? Date.now();
    const leftMs = promotionDeadlineMs(0, this.#electionTimeoutMs, remainingMs, grantedMs);
    this.expiry.track(slot, Math.max(1, nowMs + grantedAtMs + leftMs - Date.now()));
`,
      ),
    ],
    caughtBy: ['L1', 'L3', 'L11'],
    hunts: ['sim:leases', 'sim:usual'],
  },
  {
    id: 'M25',
    what: 'one setTimeout per lease in place of the wheel',
    edits: [
      edit(
        expiry,
        '  #lifted: number[] = [];\n',
        '  #lifted: number[] = [];\n  readonly #timers = new Map<number, ReturnType<typeof setTimeout>>();\n',
      ),
      edit(
        expiry,
        'if (this.#wheel.has(slot)) this.#wheel.raise(slot, deadlineMs);\n    else this.#wheel.set(slot, Math.max(deadlineMs, this.#wheel.dueAt(slot)));',
        `const dueMs = Math.max(deadlineMs, this.#wheel.dueAt(slot));
    this.#wheel.set(slot, Math.max(dueMs, 2 ** 46));
    clearTimeout(this.#timers.get(slot));
    this.#timers.set(
      slot,
      setTimeout(() => {
        if (this.#table.isLive(slot) && this.#wheel.has(slot)) this.#wheel.set(slot, 1);
      }, dueMs - this.#readMs),
    );`,
      ),
      edit(expiry, '  /** Watches the lease from now on;', '  #readMs = 0;\n  /** Watches the lease from now on;'),
      edit(expiry, '    this.#putLiftedBack();\n', '    this.#readMs = nowMs;\n    this.#putLiftedBack();\n'),
    ],
    caughtBy: ['L1', 'L11'],
    hunts: ['sim:leases', 'sim:usual'],
  },
  {
    id: 'M26',
    what: 'a member that lost leadership stays on duty',
    edits: [
      edit(
        duty,
        '    const waiting = this.primary.demote().map((asked) => asked.key);\n',
        '    if (this.leading === undefined) return [];\n    const waiting = this.primary.demote().map((asked) => asked.key);\n',
      ),
    ],
    caughtBy: ['L3', 'L13'],
    hunts: ['sim:usual'],
  },
  {
    id: 'M27',
    what: 'expires that were in flight when leadership was lost are forwarded to the new leader',
    edits: [
      edit(
        outbox,
        '  #batch = 0;\n',
        '  #batch = 0;\n  #inFlight: { readonly command: Command; readonly encoded: Uint8Array }[] = [];\n',
      ),
      edit(
        outbox,
        '    const proposed = this.#proposeAll(decided, duty, dutyEntryBytesMax);\n',
        `    const proposed = this.#proposeAll(decided, duty, dutyEntryBytesMax);
    this.#inFlight.push(...decided.slice(0, proposed).filter(({ command }) => command.type === 'expire'));
    this.#inFlight = this.#inFlight.slice(-20);
`,
      ),
      edit(
        outbox,
        '    while (proposals.held().length > 0) {\n',
        `    if (this.#inFlight.length > 0) {
      const commands = this.#inFlight.map(({ encoded }) => encoded);
      this.#inFlight = [];
      this.#peers.send(to, { ...envelope, type: 'forwardCommands', batch: ++this.#batch, commands });
    }
    while (proposals.held().length > 0) {
`,
      ),
      ...takeForwards,
      noTermCheck,
    ],
    caughtBy: ['L1', 'L13', 'L8'],
    hunts: ['scenario:model-9', 'sim:leases', 'sim:usual'],
    without: "the leader's refusal of forwarded duties, and the term check at apply",
  },
  {
    id: 'M32',
    what: "the lessor's clock takes all of a stall at once",
    edits: [
      edit(
        'src/primary/clock.ts',
        'const stepMs = Math.min(passedMs, lessorClockStepMsMax);',
        'const stepMs = passedMs < lessorClockStepMsMax ? passedMs : Math.max(passedMs, lessorClockStepMsMax);',
      ),
    ],
    caughtBy: ['L12', 'L4', 'L11'],
    hunts: ['scenario:stalled-leader', 'sim:leases', 'sim:usual'],
  },
  {
    id: 'M36',
    what: 'an expire carries the id of a lease only, not its stamp',
    edits: unstampedExpire,
    caughtBy: ['L8', 'L1'],
    hunts: ['scenario:model-16', 'sim:leases', 'sim:usual'],
  },
  {
    id: 'M37',
    what: 'a promotion may come after the demotion, when applies lag',
    edits: promotedLate,
    caughtBy: ['L3', 'L13'],
    hunts: ['sim:usual'],
    without: 'the look at role and term at the end of every turn',
  },
  {
    id: 'M42',
    what: 'a promotion dates deadlines from the beginning of the campaign',
    edits: [
      edit(
        duty,
        '  #slicesLeft = false;\n  readonly observer',
        '  #slicesLeft = false;\n  #campaignMs: number | undefined;\n  readonly observer',
      ),
      edit(
        duty,
        '    this.#nowMs = nowMs;\n    if (this.primary.term',
        "    this.#nowMs = nowMs;\n    if (this.#raft.role === 'follower' && this.#raft.leader !== 0n) this.#campaignMs = undefined;\n    if (this.#raft.role === 'preCandidate') this.#campaignMs ??= nowMs;\n    if (this.primary.term",
      ),
      edit(
        duty,
        'this.primary.promotionSlice(this.#nowMs);',
        'this.primary.promotionSlice(this.#campaignMs ?? this.#nowMs);',
      ),
    ],
    caughtBy: ['L1', 'L3', 'L11'],
    hunts: ['scenario:model-13', 'sim:leases', 'sim:usual'],
  },
  {
    id: 'M43',
    what: 'deadlines have no margin for a clock that runs fast',
    edits: [
      edit(
        deadlines,
        'return ttlMs + Math.ceil(ttlMs / DRIFT_DIVISOR);',
        'return ttlMs + Math.ceil(ttlMs / DRIFT_DIVISOR / 1e9);',
      ),
    ],
    caughtBy: ['L1', 'L3', 'L11'],
    hunts: ['primary', 'sim:leases', 'sim:usual'],
  },
  {
    id: 'M45',
    what: 'deadlines outlive a demotion and are used again at the next promotion of the same member',
    edits: [
      edit(primary, '  #nowMs = 0;\n', '  #nowMs = 0;\n  #kept: Reign | undefined;\n'),
      edit(
        primary,
        '    this.#lapsedMs = [];\n    this.#reign = undefined;\n',
        '    this.#lapsedMs = [];\n    this.#kept = this.#reign ?? this.#kept;\n    this.#reign = undefined;\n',
      ),
      edit(
        primary,
        '    this.#reign = new Reign(term, this.#table, this.#options.electionTimeoutMs, nowMs);\n',
        '    this.#reign = new Reign(term, this.#table, this.#options.electionTimeoutMs, nowMs);\n    this.#reign.kept = this.#kept;\n',
      ),
      edit(reign, '  readonly #slicesEnd: number;\n', '  readonly #slicesEnd: number;\n  kept: Reign | undefined;\n'),
      edit(
        reign,
        '    this.expiry.track(slot, promotionDeadlineMs(nowMs, this.#electionTimeoutMs, remainingMs, grantedMs));\n',
        '    const deadlineMs = promotionDeadlineMs(nowMs, this.#electionTimeoutMs, remainingMs, grantedMs);\n    this.expiry.track(slot, this.kept?.expiry.deadlineMsOf(slot) || deadlineMs);\n',
      ),
    ],
    caughtBy: ['L1', 'L3', 'L11'],
    hunts: ['scenario:model-15', 'primary', 'sim:leases', 'sim:usual'],
  },
];
