/** What is replicated of leases, and its checkpoints, broken one guard at a time (reliability.md §4A). */
import { looseStamps } from './edits.ts';
import { edit, type Mutant } from './mutant.ts';

const checkpoints = 'src/primary/checkpoints.ts';
const lease = 'src/state/lease.ts';
/** A checkpoint that is skipped is not scheduled again. */
const skippedForEver = [
  edit(checkpoints, '      this.#wheel.set(slot, nowMs + spacingMs(grantedMs));\n', '      this.#wheel.take(slot);\n'),
  edit(
    checkpoints,
    "      this.#decisions.make(slot, 'checkpoint', stamp);\n",
    "      this.#decisions.make(slot, 'checkpoint', stamp);\n      this.#wheel.set(slot, nowMs + spacingMs(grantedMs));\n",
  ),
];

export const leaseStateMutants: readonly Mutant[] = [
  {
    id: 'M28',
    what: 'a revoke deletes its keys one revision each',
    edits: [
      edit(
        lease,
        'for (const node of nodes) kv.delete(node);',
        'for (const node of nodes) {\n    kv.delete(node);\n    kv.revisions.close();\n  }',
      ),
    ],
    caughtBy: ['L5', 'W4', 'K2'],
    hunts: ['sim:usual'],
  },
  {
    id: 'M28b',
    what: 'as M28, and the assert on it is gone',
    edits: [
      edit(
        lease,
        'for (const node of nodes) kv.delete(node);',
        'for (const node of nodes) {\n    kv.delete(node);\n    kv.revisions.close();\n  }',
      ),
      edit(
        lease,
        "  assert(kv.revisions.current === before + (nodes.length > 0 ? 1 : 0), 'L5: one revoke is one revision, or none');\n",
        "  assert(kv.revisions.current >= before, 'K2: revisions grow');\n",
      ),
    ],
    caughtBy: ['L5', 'W4', 'K2', 'K1'],
    hunts: ['sim:usual'],
    without: 'the assert that one revoke is one revision',
  },
  {
    id: 'M29',
    what: 'a put that names another lease does not detach the key from the first',
    edits: [
      edit(
        'src/state/kv.ts',
        '    this.#lessor.move(node, slot);\n    this.#record(version);',
        '    if (node.leaseSlot === NO_SLOT) this.#lessor.move(node, slot);\n    this.#record(version);',
      ),
    ],
    caughtBy: ['L9', 'L5', 'D1', 'K1'],
    hunts: ['sim:usual'],
  },
  {
    id: 'M30',
    what: "a revoke deletes its keys in the order of the lease's list, not of their bytes",
    edits: [
      edit(
        'src/state/lessor.ts',
        'return nodes.length < 2 ? nodes : nodes.sort((a, b) => (a.key < b.key ? -1 : 1));',
        'return nodes;',
      ),
    ],
    caughtBy: ['D1', 'W5', 'L5', 'R11', 'L9'],
    hunts: ['sim:usual'],
  },
  {
    id: 'M31',
    what: 'a checkpoint is not kept: the next leader knows nothing of it',
    edits: [
      edit(
        lease,
        '    lessor.checkpoint(slot, remainingMs);\n    observer?.checkpointed(slot);\n',
        '    if (observer === undefined) return true;\n',
      ),
    ],
    caughtBy: ['L7', 'L6'],
    hunts: ['scenario:leaders-come-and-go', 'sim:leases', 'sim:usual'],
  },
  {
    id: 'M38',
    what: 'a checkpoint that is skipped once is never scheduled again',
    edits: skippedForEver,
    caughtBy: ['L7'],
    hunts: ['primary', 'sim:leases'],
    equivalent: {
      because:
        'a record is skipped only when it is not lower than the one known (each renewal schedules anew), while a clear is in flight (the renewal that wanted it schedules anew) or when the lease is due anyway',
      pair: 'M38b',
    },
  },
  {
    id: 'M38b',
    what: "as M38, the record is compared in whole seconds (etcd's rule), and a renewal neither puts it off nor schedules it",
    edits: [
      ...skippedForEver,
      edit(
        checkpoints,
        'if (remainingMs >= knownMs) continue;',
        'if (Math.ceil(remainingMs / 1_000) * 1_000 >= knownMs) continue;',
      ),
      edit(
        checkpoints,
        '    if (!tooShort(grantedMs)) this.#schedule(slot, receiptMs + idleMs(grantedMs));\n',
        '    if (!tooShort(grantedMs) && this.#wheel.dueAt(slot) === 0) this.#schedule(slot, receiptMs + idleMs(grantedMs));\n',
      ),
      edit(
        checkpoints,
        'if (this.#wheel.has(slot)) this.#wheel.raise(slot, receiptMs + idleMs(this.#table.grantedMsAt(slot)));',
        'if (receiptMs < 0) this.#wheel.raise(slot, receiptMs);',
      ),
    ],
    caughtBy: ['L7'],
    hunts: ['scenario:renewed-in-the-last-second', 'sim:leases'],
    without: 'records to the millisecond, and the schedule that a renewal makes',
  },
  {
    id: 'M46',
    what: 'a checkpoint is applied without comparing the stamp',
    edits: [
      ...looseStamps,
      edit(
        lease,
        '    observer?.checkpointed(slot);\n    return true;\n  });',
        '    observer?.checkpointed(slot);\n    return true;\n  }, false);',
      ),
    ],
    caughtBy: ['L6', 'L8', 'L1'],
    hunts: ['scenario:model-16.5', 'sim:leases', 'sim:usual'],
  },
];
