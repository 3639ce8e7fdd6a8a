/** What is on a member's disk for certain: kept beside the bytes, so that checks need not read them. */
import type { HardState, Index, LogBase, Term, WriteGroup } from '../../src/store/entry.ts';
import type { LoadedLog } from '../../src/store/wal.ts';
import type { DurableLog } from './observer.ts';

export class CertainLog implements DurableLog {
  hardState: HardState = { term: 0, vote: 0n, commit: 0 };
  base: LogBase = { index: 0, term: 0 };
  /** Of base.index + 1 and on. */
  #terms: Term[] = [];

  get lastIndex(): Index {
    return this.base.index + this.#terms.length;
  }

  term(index: Index): Term | undefined {
    return index === this.base.index ? this.base.term : this.#terms[index - this.base.index - 1];
  }

  /** A write begins: what it overwrites may be gone from now on. */
  begin({ entries }: WriteGroup): void {
    const first = entries[0];
    if (first !== undefined && first.index <= this.lastIndex)
      this.#terms.length = Math.max(0, first.index - this.base.index - 1);
  }

  /** The write is on disk. */
  done({ hardState, entries }: WriteGroup): void {
    if (hardState !== undefined) this.hardState = hardState;
    for (const { term } of entries) this.#terms.push(term);
  }

  /** What a boot does not find of what is certain, in words; undefined if it finds all. */
  missingIn({ hardState, base, entries }: LoadedLog): string | undefined {
    const { term, vote } = this.hardState;
    if (hardState.term < term) return `it is in term ${hardState.term}, ${term} was on disk`;
    if (hardState.term === term && vote !== 0n && hardState.vote !== vote) return `its vote in term ${term} is another`;
    const { lastIndex } = this;
    const lastTerm = lastIndex === base.index ? base.term : entries[lastIndex - base.index - 1]?.term;
    if (lastIndex < base.index || lastTerm === this.term(lastIndex)) return undefined;
    return `its log ends at ${base.index + entries.length}, entry ${lastIndex} of term ${this.term(lastIndex)} was on disk`;
  }

  /** The log is what a boot, or an install, made of it. */
  replace({ hardState, base, entries }: LoadedLog): void {
    this.hardState = hardState;
    this.base = base;
    this.#terms = entries.map(({ term }) => term);
  }
}
