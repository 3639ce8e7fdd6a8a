/** Edits that several mutants are made of. */
import { edit } from './mutant.ts';

const primary = 'src/primary/primary.ts';
const lease = 'src/state/lease.ts';
const duty = 'src/node/duty.ts';
const forwards = 'src/node/forwards.ts';

/** An `expire` of an older term is applied all the same. */
export const noTermCheck = edit(
  'src/state/machine.ts',
  "return command.term === term ? applyExpire(this.lessor, this.#kv, command, observer) : refused('wrongTerm');",
  'return applyExpire(this.lessor, this.#kv, command, observer);',
);

/** A leader takes forwarded commands of any term and any kind. */
export const takeForwards = [
  edit(forwards, 'if (leading === undefined || message.term !== leading) return', 'if (leading === undefined) return'),
  edit(forwards, 'if (!own || isDuty(command)) continue;', 'if (!own && !isDuty(command)) continue;'),
];

/** `touching` compares stamps only where `stamped` says so. */
export const looseStamps = [
  edit(
    lease,
    '  touch: (slot: number, lease: L) => boolean,\n): DoneResult {',
    '  touch: (slot: number, lease: L) => boolean,\n  stamped = true,\n): DoneResult {',
  ),
  edit(
    lease,
    'if (slot === NO_SLOT || lessor.stampAt(slot) !== lease.stamp) continue;',
    'if (slot === NO_SLOT || (stamped && lessor.stampAt(slot) !== lease.stamp)) continue;',
  ),
];

/** An `expire` ends whatever life of its lease there is. */
export const unstampedExpire = [
  ...looseStamps,
  edit(
    lease,
    '    endLease(lessor, kv, slot, observer);\n    return true;\n  });',
    '    endLease(lessor, kv, slot, observer);\n    return true;\n  }, false);',
  ),
];

/** Every question counts as covered by a round the moment it is asked. */
export const noRound = edit(
  primary,
  '    this.#renewals.ask(question);\n    const reign = this.#reign;\n',
  '    this.#renewals.ask(question);\n    this.#renewals.roundAnswered(question.ticket, this.#applied);\n    const reign = this.#reign;\n',
);

/** A member is demoted once when it loses leadership, and promoted whenever the first entry of the term it had won is applied. */
export const promotedLate = [
  edit(
    duty,
    '  #slicesLeft = false;\n  readonly observer',
    '  #slicesLeft = false;\n  #wonTerm = 0;\n  #demotedTerm = 0;\n  readonly observer',
  ),
  edit(
    duty,
    '    this.#nowMs = nowMs;\n    if (this.primary.term',
    '    this.#nowMs = nowMs;\n    if (this.leading !== undefined) this.#wonTerm = this.leading;\n    else if (this.#demotedTerm >= this.#wonTerm) return this.#inbox.splice(0).map((asked) => asked.key);\n    else this.#demotedTerm = this.#wonTerm;\n    if (this.primary.term',
  ),
  edit(
    duty,
    'if (this.leading === undefined || entry.term !== this.leading || this.primary.term === this.leading) return;',
    'if (this.#wonTerm === 0 || entry.term !== this.#wonTerm || this.primary.term === entry.term) return;',
  ),
];

/** Of what is decided about a lease only its end keeps a renewal waiting: a checkpoint or a clear under way does not. */
export const onlyEndsCount = [
  edit(
    'src/primary/decisions.ts',
    '  /** Notes a decision about',
    '  /** True while its end is decided. */\n  ends(slot: number): boolean {\n    return this.#codes.get(slot) === CODES.expire;\n  }\n\n  /** Notes a decision about',
  ),
  edit(
    primary,
    'if (reign.decisions.has(slot) || this.#revokes.has(id)) return false;',
    'if (reign.decisions.ends(slot) || this.#revokes.has(id)) return false;',
  ),
];
