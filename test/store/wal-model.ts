/**
 * What a log must hold, kept the simplest way there is; and random groups to write to it. For tests of both WALs.
 */
import type { Prng } from '../../src/base/prng.ts';
import type { Entry, HardState, Index, LogBase, WriteGroup } from '../../src/store/entry.ts';
import type { LoadedLog } from '../../src/store/wal.ts';

/** An entry whose payload says what it is, `bytes` long. */
export function entry(index: Index, term: number, bytes = 20, kind: Entry['kind'] = 'commands'): Entry {
  const text = `entry ${index} of term ${term} `;
  return { index, term, kind, payload: Buffer.from(text.repeat(Math.ceil(bytes / text.length)).slice(0, bytes)) };
}

/** Entries from `first` to `last`, both included. */
export function entries(first: Index, last: Index, term: number, bytes = 20): Entry[] {
  return Array.from({ length: last - first + 1 }, (_, i) => entry(first + i, term, bytes));
}

export function hardState(term: number, vote: bigint, commit: Index): HardState {
  return { term, vote, commit };
}

/** A log as a value; `after` gives the one a group makes of it. */
export class LogModel {
  readonly base: LogBase;
  readonly hardState: HardState;
  readonly entries: readonly Entry[];

  constructor(base: LogBase, state: HardState, held: readonly Entry[]) {
    this.base = base;
    this.hardState = state;
    this.entries = held;
  }

  static of(loaded: LoadedLog): LogModel {
    return new LogModel(loaded.base, loaded.hardState, loaded.entries);
  }

  static created(base: LogBase, initial: WriteGroup): LogModel {
    return new LogModel(base, { term: 0, vote: 0n, commit: base.index }, []).after(initial);
  }

  get last(): LogBase {
    return this.entries.at(-1) ?? this.base;
  }

  after(group: WriteGroup): LogModel {
    const first = group.entries[0]?.index ?? this.last.index + 1;
    const kept = this.entries.filter((held) => held.index < first);
    return new LogModel(this.base, group.hardState ?? this.hardState, [...kept, ...group.entries]);
  }

  /** As after a torn group of which only the vote was found. */
  withVoteOf(group: WriteGroup): LogModel {
    const { term, vote } = group.hardState ?? this.hardState;
    return new LogModel(this.base, { term, vote, commit: this.hardState.commit }, this.entries);
  }

  /** Cut to begin after `base`, as dropping segments does. */
  from(base: LogBase): LogModel {
    const held = this.entries.filter((candidate) => candidate.index > base.index);
    return new LogModel(base, this.hardState, held);
  }

  termAt(index: Index): number | undefined {
    if (index === this.base.index) return this.base.term;
    return this.entries.find((held) => held.index === index)?.term;
  }

  /** Two logs are the same if and only if these texts are. */
  text(): string {
    const { term, vote, commit } = this.hardState;
    const held = this.entries.map((e) => `${e.index}/${e.term} ${e.kind} ${Buffer.from(e.payload).toString('base64')}`);
    return [`base ${this.base.index}/${this.base.term}`, `term ${term} vote ${vote} commit ${commit}`, ...held].join(
      '\n',
    );
  }
}

/** A group that a Raft node with this log might write: follows or overwrites above the commit, never lowers term or commit. */
export function randomGroup(prng: Prng, log: LogModel, bigBytes: number): WriteGroup {
  const before = log.hardState;
  const term = Math.max(before.term, log.last.term, 1) + (prng.chance(0.15) ? 1 : 0);
  const overwrite = prng.chance(0.2) && log.last.index > before.commit;
  const first = overwrite
    ? prng.between(Math.max(before.commit, log.base.index) + 1, log.last.index)
    : log.last.index + 1;
  const count = prng.chance(0.25) ? 0 : prng.between(1, 5);
  const group: Entry[] = [];
  for (let i = 0; i < count; i++) {
    const bytes = prng.chance(0.02) ? bigBytes : prng.chance(0.1) ? prng.below(1500) : prng.below(120);
    group.push(entry(first + i, term, bytes, prng.chance(0.1) ? 'empty' : 'commands'));
  }
  const last = count === 0 ? log.last.index : first + count - 1;
  if (prng.chance(0.3) && count > 0 && term === before.term) return { hardState: undefined, entries: group };
  const vote = term > before.term ? BigInt(prng.below(4)) : before.vote === 0n ? BigInt(prng.below(4)) : before.vote;
  return { hardState: { term, vote, commit: prng.between(before.commit, last) }, entries: group };
}
