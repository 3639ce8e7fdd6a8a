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
];
