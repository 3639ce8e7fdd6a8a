/** Bugs that were planted by a stranger in a hunt of its own and survived it then; X for what has no number in reliability.md. */
import { edit, type Mutant } from './mutant.ts';

export const strangerMutants: readonly Mutant[] = [
  {
    id: 'X1',
    what: 'a follower vouches for the whole of its log, not for what the append brought',
    edits: [
      edit(
        'src/raft/follower.ts',
        'accept(core, message.from, Math.max(lastNew, core.commit), message.round);',
        'accept(core, message.from, Math.max(lastNew, log.lastIndex), message.round);',
      ),
    ],
    caughtBy: ['R9', 'R7', 'R5', 'R4'],
    hunts: ['raft', 'sim:usual'],
  },
  {
    id: 'X2',
    what: 'an install keeps the old end of the log in memory, whether or not it goes on from the snapshot',
    edits: [
      edit(
        'src/raft/log.ts',
        'const kept = this.term(base.index) === base.term ? this.#entries.slice(base.index - this.#base.index) : [];',
        'const kept = base.index > 0 ? this.#entries.slice(base.index - this.#base.index) : [];',
      ),
    ],
    caughtBy: ['R6', 'R3', 'R11'],
    hunts: ['scenario:overtaken-by-a-snapshot', 'raft', 'sim:snapshots'],
  },
  {
    id: 'X3',
    what: 'the log behind an image that is on its way to a member is dropped all the same',
    edits: [
      edit(
        'src/node/applier.ts',
        '    for (const pinned of this.#pins.values()) upTo = Math.min(upTo, pinned);\n',
        '    if (this.#pins.size > upTo) upTo = 0;\n',
      ),
    ],
    caughtBy: ['V4'],
    hunts: ['sim:snapshots', 'sim:usual'],
  },
  {
    id: 'X4',
    what: 'the vote on the disk is not taken up at a start',
    edits: [edit('src/raft/core.ts', 'this.vote = restored.hardState.vote;', 'this.vote = NO_MEMBER;')],
    caughtBy: ['R1'],
    hunts: ['sim:usual'],
  },
  {
    id: 'X5',
    what: 'a keep-alive that waits for the end of its lease is forgotten, and others of the next lease in its place wait behind it',
    edits: [
      edit(
        'src/primary/primary.ts',
        '    if (deadlineMs !== undefined) this.#lapsedMs.push(deadlineMs);\n    this.#renewals.release(slot);',
        '    if (deadlineMs !== undefined) this.#lapsedMs.push(deadlineMs);',
      ),
    ],
    caughtBy: ['V1'],
    hunts: ['sim:usual'],
  },
  {
    id: 'X6',
    what: 'an answer to a question of an earlier boot is taken for one of this boot',
    edits: [
      edit(
        'src/node/clients.ts',
        '    if (message.boot !== this.#boot) return;\n',
        "    if (message.boot !== this.#boot && message.type === 'forwardRefused') return;\n",
      ),
    ],
    caughtBy: ['L2-mirror', 'L2', 'L1', 'L11'],
    hunts: ['scenario:asked-in-two-boots'],
  },
  {
    id: 'X7',
    what: 'alarms taken over from an image are counted twice once they change',
    edits: [
      edit(
        'src/state/alarms.ts',
        '    this.#raised = raised;\n    this.#recorded = true;\n    this.records.addToSum',
        '    this.#raised = raised;\n    this.records.addToSum',
      ),
    ],
    caughtBy: ['D1', 'D3'],
    hunts: ['sim:usual'],
  },
  {
    id: 'X8',
    what: 'the log behind an image whose stream failed is kept for ever',
    edits: [
      edit(
        'src/node/node.ts',
        '        this.#applier.unpin(input.to);\n',
        '        if (input.ok) this.#applier.unpin(input.to);\n',
      ),
    ],
    caughtBy: ['V6'],
    hunts: ['scenario:stream-fails-for-good', 'sim:usual'],
  },
  {
    id: 'X9',
    what: 'a sweep that was proposed in a term that is lost blocks the next one of the same leader',
    edits: [edit('src/node/sweeps.ts', '    if (term !== this.#term) this.undecided();\n', '')],
    caughtBy: ['V6'],
    hunts: ['scenario:sweep-of-a-lost-term'],
  },
  {
    id: 'X10',
    what: 'a watcher that lags when a snapshot is installed hears nothing of what the snapshot brought',
    edits: [
      edit(
        'src/watch/hub.ts',
        '      if (watcher.lags) {\n        watcher.lastRevision = this.#revision;\n        continue;\n      }\n',
        '      if (watcher.lags) continue;\n',
      ),
    ],
    caughtBy: ['W3', 'W6', 'W9', 'W11'],
    hunts: ['scenario:leap-under-watches', 'sim:snapshots'],
  },
  {
    id: 'X11',
    what: 'a candidate takes a later key of its name for its own',
    edits: [
      edit(
        'src/watch/queue.ts',
        'if (onlyOf(state, rangeOf(key))?.createRevision !== createRevision)',
        'if (onlyOf(state, rangeOf(key)) === undefined)',
      ),
    ],
    caughtBy: ['F3'],
    hunts: ['scenario:comes-back-while-it-waits', 'sim:usual'],
  },
];
