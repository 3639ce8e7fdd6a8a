/** Guards whose need the model check showed and that no other mutant removes; C and the number of the case (evidence/lease-model §4). */
import { edit, type Mutant } from './mutant.ts';

const primary = 'src/primary/primary.ts';
const duty = 'src/node/duty.ts';
const mayRenew = 'if (reign.decisions.has(slot) || this.#revokes.has(id)) return false;';

export const modelMutants: readonly Mutant[] = [
  {
    id: 'C2',
    what: 'an answered round covers questions that came after it began',
    edits: [
      edit(
        'src/primary/renewals.ts',
        'while (end < this.#line.length && (this.#line[end] as Question<Key>).ticket <= upTo) end++;',
        'while (end < this.#line.length && upTo > 0) end++;',
      ),
    ],
    caughtBy: ['L1', 'R12', 'L2'],
    hunts: ['scenario:model-2', 'sim:leases', 'sim:usual'],
  },
  {
    id: 'C7',
    what: 'a keep-alive is answered while an expire of its lease is in flight',
    edits: [
      edit(
        'src/primary/decisions.ts',
        '  /** Notes a decision about',
        '  expires(slot: number): boolean {\n    return this.#codes.get(slot) === CODES.expire;\n  }\n\n  /** Notes a decision about',
      ),
      edit(
        primary,
        mayRenew,
        'if ((reign.decisions.has(slot) && !reign.decisions.expires(slot)) || this.#revokes.has(id)) return false;',
      ),
    ],
    caughtBy: ['L1', 'L2'],
    hunts: ['scenario:model-7', 'sim:leases', 'sim:usual'],
  },
  {
    id: 'C14',
    what: 'a member is on duty from its election, before an entry of its own term is applied',
    edits: [
      edit(
        duty,
        '    this.#nowMs = nowMs;\n    if (this.primary.term',
        '    this.#nowMs = nowMs;\n    if (this.leading !== undefined && this.primary.term === undefined) {\n      this.primary.promote(this.leading, nowMs);\n      this.#slicesLeft = true;\n    }\n    if (this.primary.term',
      ),
    ],
    caughtBy: ['L1', 'L3', 'R12', 'L13'],
    hunts: ['scenario:model-14', 'scenario:model-3', 'sim:leases', 'sim:usual'],
  },
  {
    id: 'C17',
    what: "a keep-alive is answered while a client's revoke of its lease is in flight",
    edits: [edit(primary, mayRenew, 'if (reign.decisions.has(slot)) return false;')],
    caughtBy: ['L2'],
    hunts: ['scenario:model-17', 'sim:leases', 'sim:usual'],
  },
];
