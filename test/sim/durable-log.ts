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

  /** The log is what a boot, or an install, made of it. */
  replace({ hardState, base, entries }: LoadedLog): void {
    this.hardState = hardState;
    this.base = base;
    this.#terms = entries.map(({ term }) => term);
  }
}
