/** Bugs of compaction and of txns inside txns, Z: what has no number in reliability.md. */
import { edit, type Mutant } from './mutant.ts';

const hub = 'src/watch/hub.ts';
const kv = 'src/state/kv.ts';
const compaction = 'src/state/compaction.ts';

/** A reading does not look whether it still goes on from what is there. */
const overtaken = edit(
  hub,
  "    if (watcher.nextRevision < compactRevision) return { type: 'compacted', compacted: compactRevision };\n",
  '    if (watcher.nextRevision < 0) return { type: "compacted", compacted: compactRevision };\n',
);

export const compactionMutants: readonly Mutant[] = [
  {
    id: 'Z1',
    what: 'a watch that starts below the compacted revision is not told so',
    edits: [
      edit(
        hub,
        "    if (start !== 0 && start < compactRevision) return { type: 'compacted', compacted: compactRevision };\n",
        '    if (start < 0) return { type: "compacted", compacted: compactRevision };\n',
      ),
      overtaken,
    ],
    caughtBy: ['W9', 'W3'],
    hunts: ['sim:usual'],
    without: 'the look at every reading',
  },
  {
    id: 'Z2',
    what: 'a sweep takes away the version that a key had at the compacted revision',
    edits: [
      edit(
        compaction,
        'return Math.min(last.version === 0 ? visited : visited - 1, old);',
        'return Math.min(visited, old);',
      ),
    ],
    caughtBy: ['D1', 'K6', 'K1', 'L5', 'L9', 'K2'],
    hunts: ['sim:usual'],
  },
  {
    id: 'Z3',
    what: 'a read of a compacted revision is answered with what is left of it',
    edits: [
      edit(kv, "    if (range.revision > 0 && range.revision < this.revisions.compacted) return 'compacted';\n", ''),
    ],
    caughtBy: ['K6', 'K1', 'K5'],
    hunts: ['sim:usual'],
  },
  {
    id: 'Z4',
    what: 'what a txn inside another would do is not checked before the rest is done',
    edits: [
      edit(
        'src/state/txn.ts',
        "    if (op.type === 'chosen') yield* leaves(op);\n    else yield op;\n",
        "    if (op.type !== 'chosen') yield op;\n",
      ),
    ],
    caughtBy: ['K6', 'L9', 'K2'],
    hunts: ['sim:usual'],
  },
  {
    id: 'Z5',
    what: 'an image does not say how far a sweep has come',
    edits: [
      edit(
        'src/state/machine.ts',
        'return this.compaction.restore(meta.sweep);',
        'return this.compaction.restore(undefined);',
      ),
    ],
    caughtBy: ['D3', 'D1', 'R11', 'S1'],
    hunts: ['sim:usual'],
  },
  {
    id: 'Z6',
    what: 'the compacted revision itself is refused too',
    edits: [
      edit(
        kv,
        'range.revision > 0 && range.revision < this.revisions.compacted)',
        'range.revision > 0 && range.revision <= this.revisions.compacted)',
      ),
    ],
    caughtBy: ['K6', 'D1'],
    hunts: ['sim:usual'],
  },
  {
    id: 'Z7',
    what: 'a watcher that compaction overtakes goes on with what is left',
    edits: [overtaken],
    caughtBy: ['W9', 'W3', 'W6'],
    hunts: ['sim:usual'],
  },
];
