/** Raft's classic bugs, M01–M16 (reliability.md §4A). M13 and M14 come with changes of membership. */
import { edit, type Mutant } from './mutant.ts';

const core = 'src/raft/core.ts';
const leader = 'src/raft/leader.ts';
const follower = 'src/raft/follower.ts';
const election = 'src/raft/election.ts';
const rounds = 'src/raft/read-index.ts';
const waits = 'if (held.hardVersion > this.#hardDurable || held.vouchesFor > this.log.persisted) waiting.push(held);';

export const raftMutants: readonly Mutant[] = [
  {
    id: 'M01',
    what: 'a vote is answered before term and vote are on disk',
    edits: [
      edit(
        core,
        waits,
        `const early = held.message.type === 'voteReply';
      if (!early && (held.hardVersion > this.#hardDurable || held.vouchesFor > this.log.persisted)) waiting.push(held);`,
      ),
    ],
    caughtBy: ['R6', 'R1'],
    hunts: ['raft', 'sim:usual'],
  },
  {
    id: 'M02',
    what: 'term and vote go to disk as two records, one after the other',
    edits: [
      edit(core, '  #hardDurable = 0;', '  #hardDurable = 0;\n  #termWritten = -1;'),
      edit(
        core,
        'hardChanged || commit > this.#commitWritten ? { term: this.term, vote: this.vote, commit } : undefined;',
        `hardChanged || commit > this.#commitWritten
        ? { term: this.term, vote: this.term === this.#termWritten ? this.vote : NO_MEMBER, commit }
        : undefined;
    const voteFollows = hardChanged && this.term !== this.#termWritten && this.vote !== NO_MEMBER;
    this.#termWritten = this.term;`,
      ),
      edit(
        core,
        '    this.#hardWritten = this.#hardVersion;\n    this.#writing',
        '    this.#hardWritten = voteFollows ? this.#hardVersion - 1 : this.#hardVersion;\n    this.#writing',
      ),
    ],
    caughtBy: ['R6', 'R1'],
    hunts: ['raft', 'sim:usual'],
  },
  {
    id: 'M03',
    what: 'the up-to-date check of a vote compares lengths only',
    edits: [
      edit(
        'src/raft/log.ts',
        'return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);',
        'return lastTerm >= 0 && lastIndex >= this.lastIndex;',
      ),
    ],
    caughtBy: ['R4', 'R5', 'S1', 'R7', 'K1'],
    hunts: ['scenario:longer-old-log', 'raft', 'sim:usual'],
  },
  {
    id: 'M04',
    what: 'the up-to-date check of a vote wants a longer log, not an equal one',
    edits: [edit('src/raft/log.ts', '&& lastIndex >= this.lastIndex);', '&& lastIndex > this.lastIndex);')],
    caughtBy: ['V1'],
    hunts: ['raft', 'sim:usual'],
  },
  {
    id: 'M05',
    what: 'a leader commits entries of older terms by counting (Figure 8)',
    edits: [edit(leader, 'if (index > core.commit && core.log.term(index) === core.term)', 'if (index > core.commit)')],
    caughtBy: ['R8', 'R4'],
    hunts: ['raft', 'sim:usual'],
  },
  {
    id: 'M06',
    what: 'a follower cuts its log at every append, not only at a conflict',
    edits: [
      edit(
        follower,
        'behind.findIndex((entry) => log.term(entry.index) !== entry.term);',
        'behind.findIndex((entry) => entry.index > core.commit);',
      ),
    ],
    caughtBy: ['R9', 'R5', 'R7', 'S1', 'R4'],
    hunts: ['raft', 'sim:usual'],
  },
  {
    id: 'M07',
    what: "a follower commits up to the leader's index in whatever its own log holds there",
    edits: [
      edit(
        follower,
        'core.commitTo(Math.min(message.commit, lastNew));',
        'core.commitTo(Math.min(message.commit, log.lastIndex));',
      ),
    ],
    caughtBy: ['R5', 'R7', 'R4'],
    hunts: ['scenario:shorter-append', 'raft', 'sim:usual'],
  },
  {
    id: 'M08',
    what: 'a late answer to an append lowers what the follower is known to hold',
    edits: [
      edit(
        'src/raft/progress.ts',
        '    if (index <= this.#match) return false;\n',
        '    if (index === this.#match) return false;\n',
      ),
    ],
    caughtBy: ['R9'],
    hunts: ['raft', 'sim:usual'],
  },
  {
    id: 'M09',
    what: 'a leader counts itself before its own write is on disk',
    edits: [edit(leader, 'voter === core.id ? core.log.persisted :', 'voter === core.id ? core.log.lastIndex :')],
    caughtBy: ['R7', 'S1'],
    hunts: ['raft', 'sim:usual'],
  },
  {
    id: 'M10',
    what: 'a new leader answers reads before an entry of its own term is committed',
    edits: [edit(rounds, '  if (!core.ownTermCommitted) return false;\n', '')],
    caughtBy: ['R12', 'K1'],
    hunts: ['raft', 'sim:usual'],
  },
  {
    id: 'M10b',
    what: 'a new leader opens its term with no entry, and answers reads at once',
    edits: [
      edit(rounds, '  if (!core.ownTermCommitted) return false;\n', ''),
      edit(
        leader,
        "  core.append([{ index: next, term: core.term, kind: 'empty', payload: new Uint8Array(0) }]);\n",
        '',
      ),
      edit(
        'src/raft/invariants.ts',
        'log.term(core.leading.termStart) === core.term || core.leading.termStart <= log.base.index,\n',
        'core.term > 0,\n',
      ),
    ],
    caughtBy: ['R12', 'K1', 'V1', 'V2', 'R8'],
    hunts: ['raft', 'sim:usual'],
    without: 'the assert that a leader has an entry of its term',
  },
  {
    id: 'M11',
    what: 'an answer to an earlier quorum round counts for the present one',
    edits: [
      edit(
        rounds,
        'if (current === undefined || round < current.number ||',
        'if (current === undefined || round < 0 ||',
      ),
    ],
    caughtBy: ['R12', 'K1', 'L1'],
    hunts: ['raft', 'sim:usual'],
  },
  {
    id: 'M12',
    what: 'a leader answers linearizable reads without asking anybody',
    edits: [
      edit(
        'src/node/node.ts',
        "      case 'barrier':\n",
        `      case 'barrier':
        if (input.type === 'barrier' && this.#duty.leading !== undefined) {
          input.reply({ type: 'reached' });
          break;
        }
        this.#clients.take(input, this.#machine, nowMs);
        break;
`,
      ),
    ],
    caughtBy: ['K1', 'R12'],
    hunts: ['sim:usual'],
  },
  {
    id: 'M15',
    what: 'no pre-vote: a member that was cut off comes back with a huge term',
    edits: [
      edit(
        election,
        'core.electionElapsed < core.timeoutTicks || !core.promotable) return;\n  beginPreVote(core);',
        'core.electionElapsed < core.timeoutTicks || !core.promotable) return;\n  becomeCandidate(core, false);',
      ),
    ],
    caughtBy: ['R10', 'V5'],
    hunts: ['scenario:cut-off-follower-returns', 'sim:usual'],
  },
  {
    id: 'M15b',
    what: 'whoever loses the connection to its leader campaigns at once, without asking',
    edits: [
      edit(
        election,
        '  core.hurryTicks = core.electionTicks;\n  beginPreVote(core);',
        '  core.hurryTicks = core.electionTicks;\n  becomeCandidate(core, false);',
      ),
    ],
    caughtBy: ['R10'],
    hunts: ['scenario:link-flaps', 'sim:usual'],
  },
  {
    id: 'M15c',
    what: 'a lost connection to the leader is found out by the election timeout only',
    edits: [
      edit(
        election,
        '  core.setLeader(NO_MEMBER);\n  if (core.hurryTicks > 0 || !core.promotable) {',
        '  if (core.term > 0) return;\n  if (core.hurryTicks > 0 || !core.promotable) {',
      ),
    ],
    caughtBy: ['V11'],
    hunts: ['scenario:leader-dies'],
  },
  {
    id: 'M15d',
    what: 'two that ask for leave at the same moment both go on, and split the votes',
    edits: [edit(election, '  if (granted && outranks(core, message)) makeWay(core);\n', '')],
    caughtBy: ['V11'],
    hunts: ['scenario:leader-dies'],
  },
  {
    id: 'M15e',
    what: 'every loss of a connection to the leader is asked about at once, however often it comes and goes',
    edits: [edit(election, '  if (core.hurryTicks > 0 || !core.promotable) {', '  if (!core.promotable) {')],
    caughtBy: ['V11'],
    hunts: ['scenario:link-flaps'],
  },
  {
    id: 'M16',
    what: 'a snapshot is installed without looking whether it is newer than what is committed',
    edits: [
      edit(
        'src/raft/install.ts',
        '  if (core.needsSnapshot ? index < log.base.index : index <= commit) return undefined;\n',
        '  if (core.needsSnapshot && index < log.base.index) return undefined;\n',
      ),
    ],
    caughtBy: ['R11', 'R7', 'R5', 'D1'],
    hunts: ['raft', 'sim:usual'],
  },
];
