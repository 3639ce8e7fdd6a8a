/** Bugs of the client library that let a holder overstay, H: hunted in the rounds of `test/client/faults`. */
import { edit, type Mutant } from './mutant.ts';

const clock = 'src/client/clock.ts';
const lease = 'src/client/lease/lease.ts';
const renewer = 'src/client/lease/renewer.ts';
const overstays = ['F6', 'F7'];
const hunts = ['holders'] as const;

export const holderMutants: readonly Mutant[] = [
  {
    id: 'H1',
    what: 'a client keeps no margin back of a TTL',
    edits: [
      edit(
        'src/client/lease/timing.ts',
        'return Math.ceil(ttlMs / 250) + Math.min(50, Math.ceil(ttlMs / 20));',
        'return 0 * ttlMs;',
      ),
    ],
    caughtBy: overstays,
    hunts,
  },
  {
    id: 'H2',
    what: 'a renewal counts from the receipt of its answer',
    edits: [
      edit(renewer, 'this.#raise(kept, burst.sent, ttlMs);', 'this.#raise(kept, instantOf(this.#core.clock), ttlMs);'),
    ],
    caughtBy: overstays,
    hunts,
  },
  {
    id: 'H3',
    what: 'only the monotonic clock counts',
    edits: [
      edit(
        clock,
        'return Math.max(clock.monotonicMs() - then.monotonicMs, clock.wallMs() - then.wallMs);',
        'return clock.monotonicMs() - then.monotonicMs;',
      ),
    ],
    caughtBy: overstays,
    hunts,
  },
  {
    id: 'H4',
    what: 'held() says what the timers have said, and compares no clocks',
    edits: [
      edit(
        renewer,
        "if (!kept.over && kept.leftMs(this.#core.clock) <= 0) this.#end(kept, 'unreachable');\n    return",
        'return',
      ),
    ],
    caughtBy: overstays,
    hunts,
  },
  {
    id: 'H5',
    what: 'reading the signal compares no clocks',
    edits: [edit(lease, '    this.held();\n    if (this.#abort === undefined)', '    if (this.#abort === undefined)')],
    caughtBy: overstays,
    hunts,
  },
  {
    id: 'H6',
    what: 'a grant counts from its answer',
    edits: [
      edit(
        'src/client/lease/lease-calls.ts',
        'sent: sent ?? instantOf(this.#core.clock) };',
        'sent: instantOf(this.#core.clock) };',
      ),
    ],
    caughtBy: overstays,
    hunts,
  },
  {
    id: 'H7',
    what: 'no timer ends a lease, only who looks finds out',
    edits: [
      edit(
        renewer,
        "this.#schedule.takeOver(nowMs, (kept) => this.#end(kept, 'unreachable'));",
        'this.#schedule.takeOver(nowMs, () => {});',
      ),
    ],
    caughtBy: overstays,
    hunts,
  },
  {
    id: 'H8',
    what: 'the timer of a deadline stays where it was when the machine has slept',
    edits: [edit(renewer, 'if (this.held(kept)) this.#schedule.watchDeadline(kept);', 'this.held(kept);')],
    caughtBy: overstays,
    hunts,
  },
  {
    id: 'H9',
    what: 'a guard is given without comparing clocks',
    edits: [
      edit(
        lease,
        '    if (!this.held()) throw this.#error();',
        '    if (this.#end !== undefined) throw this.#error();',
      ),
    ],
    caughtBy: overstays,
    hunts,
  },
  {
    id: 'H10',
    what: 'whoever is woken in a queue takes itself for the first',
    edits: [
      edit(
        'src/client/lock/queue.ts',
        '        failures = 0;\n',
        '        failures = 0;\n        return { modRevision: own.modRevision, revision };\n',
      ),
    ],
    caughtBy: ['F3', 'F6', 'F7'],
    hunts,
  },
  {
    id: 'H11',
    what: 'a pause between two attempts does not end with the client',
    edits: [edit(clock, '    if (signal !== undefined) undo = onAbort(signal, end);\n', '')],
    caughtBy: ['V10', 'V9'],
    hunts,
  },
];
