/** What a disk may do to us, M17–M21 (reliability.md §4A). */
import { edit, type Mutant } from './mutant.ts';

const machine = 'src/state/machine.ts';
const memoryWal = 'src/store/memory-wal.ts';
const fsWal = 'src/disk/fs-wal.ts';

/** The record of the applied index goes out with the batch after the one whose data it describes. */
const lateMeta = [
  edit(machine, '  #takenIndex: Index = 0;\n', '  #takenIndex: Index = 0;\n  #lateMeta: ImageOp | undefined;\n'),
  edit(
    machine,
    '    const ops = new JoinedOps([this.lessor.drainImageOps(), ...queues, [meta]]);\n',
    `    const ops = new JoinedOps([this.lessor.drainImageOps(), ...queues, [this.#lateMeta ?? meta]]);
    this.#lateMeta = meta;
`,
  ),
];

export const storageMutants: readonly Mutant[] = [
  {
    id: 'M17',
    what: 'a restored image forgets which keys are attached to which lease',
    edits: [
      edit(
        'src/state/kv.ts',
        '      this.#lessor.move(node, slot);\n      yield;\n    }\n    return true;',
        '      yield;\n    }\n    return true;',
      ),
    ],
    caughtBy: ['D1', 'D3', 'L5', 'R11'],
    hunts: ['sim:usual'],
  },
  {
    id: 'M18',
    what: 'an error of a sync is ignored: the write counts as done',
    edits: [
      edit(memoryWal, '    this.#failed = error;\n    done(error);', '    done();'),
      edit(
        fsWal,
        '      if (error) this.#fail(done, error);\n',
        '      if (error) this.#carryOut(steps, at + 1, done);\n',
      ),
    ],
    caughtBy: ['S4', 'S1', 'R6', 'R7', 'R13'],
    hunts: ['sim:disks', 'sim:usual'],
  },
  {
    id: 'M19',
    what: 'a damaged group in the middle of the log is taken for its end',
    edits: [
      edit(
        'src/store/wal-recovery.ts',
        'if (behind.laterGroup !== undefined) {',
        'if (behind.laterGroup !== undefined && behind.dirtyEnd < 0) {',
      ),
    ],
    caughtBy: ['R13', 'S1', 'R4', 'R7', 'R5'],
    hunts: ['sim:disks', 'sim:usual'],
  },
  {
    id: 'M20',
    what: 'the applied index is saved in another batch than the data it describes',
    edits: lateMeta,
    caughtBy: ['V4', 'V2', 'D3', 'D1'],
    hunts: ['sim:disks', 'sim:usual'],
  },
  {
    id: 'M20b',
    what: 'as M20, and an image is believed without comparing its digest',
    edits: [
      ...lateMeta,
      edit('src/state/image-verifier.ts', 'if (digest !== meta.digest)', "if (digest === '')"),
      edit(
        'src/state/machine-loader.ts',
        "assert(machine.digest() === meta.digest, 'D3: a restored state has the digest of its image');",
        '',
      ),
      edit(
        'src/state/kv.ts',
        'return this.history.isWhole && (yield* this.#restoringAttachments());',
        'return yield* this.#restoringAttachments();',
      ),
    ],
    caughtBy: ['V4', 'D3', 'D1', 'R11'],
    hunts: ['sim:disks', 'sim:usual'],
    without: 'the digest of the image',
  },
  {
    id: 'M21',
    what: 'a new segment of the log is used before its name is on disk',
    edits: [
      edit(
        memoryWal,
        "  if (step.type === 'create') files.syncNames();\n  else files.sync(",
        "  if (step.type !== 'create') files.sync(",
      ),
      edit('src/disk/segment-files.ts', '      await this.syncNames();\n      return fd;', '      return fd;'),
    ],
    caughtBy: ['S1', 'R13', 'R6', 'R7'],
    hunts: ['sim:disks', 'sim:usual'],
  },
];
