/** Bugs of queues, which locks and elections are: M39 (reliability.md §4A) and some more of the same kind, Y. */
import { edit, type Mutant } from './mutant.ts';

const queue = 'src/watch/queue.ts';
const locks = ['F3', 'F1', 'F2', 'F4'];

export const lockMutants: readonly Mutant[] = [
  {
    id: 'M39',
    what: 'a candidate that has waited does not look whether its own key is still there',
    edits: [
      edit(queue, "    if (onlyOf(state, rangeOf(key))?.createRevision !== createRevision) return 'gone';\n", ''),
    ],
    caughtBy: locks,
    hunts: ['sim:usual'],
  },
  {
    id: 'Y1',
    what: 'whoever makes a key in a queue owns it at once',
    edits: [
      edit(
        queue,
        'first: oldest.kvs[0]?.createRevision === createRevision,',
        'first: own === undefined || oldest.kvs[0]?.createRevision === createRevision,',
      ),
    ],
    caughtBy: locks,
    hunts: ['sim:usual'],
  },
  {
    id: 'Y2',
    what: 'a candidate leaves whatever key has its name, not its own alone',
    edits: [
      edit(
        queue,
        'return guarded(createdAt(key, createRevision), deleteCommand(key));',
        "return { type: 'txn', compares: [], success: [deleteCommand(key)], failure: [] };",
      ),
    ],
    caughtBy: ['F2'],
    hunts: ['sim:usual'],
  },
  {
    id: 'Y3',
    what: 'a leader proclaims whether or not it still leads',
    edits: [
      edit(
        queue,
        'return guarded(createdAt(key, createRevision), putCommand(key, value, lease));',
        "return { type: 'txn', compares: [], success: [putCommand(key, value, lease)], failure: [] };",
      ),
    ],
    caughtBy: ['F2'],
    hunts: ['sim:usual'],
  },
  {
    id: 'Y4',
    what: 'a candidate is not woken by the end of its own key',
    edits: [edit(queue, 'return this.#watch(key) && this.#watch(older.key)', 'return this.#watch(older.key)')],
    caughtBy: ['V3'],
    hunts: ['sim:usual'],
  },
  {
    id: 'Y5',
    what: 'a candidate is not woken by the end of the key before it',
    edits: [edit(queue, 'return this.#watch(key) && this.#watch(older.key)', 'return this.#watch(key)')],
    caughtBy: ['V3'],
    hunts: ['sim:usual'],
  },
];
