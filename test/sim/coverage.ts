/** How often each kind of fault struck in a set of runs, and how often each two were there at once. */
import { type FaultKind, faultKinds } from './fault-kinds.ts';
import type { RunReport } from './report.ts';

/** A fault that is over at once is taken to be felt for so long. */
const feltMs = 1_000;

export class Coverage {
  readonly #kinds = new Map<FaultKind, number>();
  readonly #pairs = new Map<string, number>();

  /** Adds a run. Kinds are counted where they struck, pairs where two of the schedule overlap in time. */
  add({ schedule, faults: struck }: RunReport): void {
    for (const [kind, count] of struck) this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + count);
    const faults = schedule.faults.filter(({ kind }) => struck.has(kind));
    faults.forEach((fault, i) => {
      const endMs = fault.atMs + Math.max(fault.forMs, feltMs);
      for (let j = i + 1; j < faults.length; j++) {
        const other = faults[j];
        if (other === undefined || other.atMs > endMs) break;
        this.#addPair(pairOf(fault.kind, other.kind), 1);
      }
    });
  }

  /** For another process. */
  toJson(): CoverageJson {
    return { kinds: [...this.#kinds], pairs: [...this.#pairs] };
  }

  /** Adds what another process counted. */
  addJson({ kinds, pairs }: CoverageJson): void {
    for (const [kind, count] of kinds) this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + count);
    for (const [pair, count] of pairs) this.#addPair(pair, count);
  }

  /** Kinds by how often they struck, most often first. */
  get kinds(): readonly (readonly [FaultKind, number])[] {
    return [...this.#kinds].sort(([, a], [, b]) => b - a);
  }

  get total(): number {
    return [...this.#kinds.values()].reduce((sum, count) => sum + count, 0);
  }

  /** The table. `enough`: what a pair must be seen to count as exercised. */
  table(enough = 100): readonly string[] {
    const lines = faultKinds.map((kind) => {
      const partners = faultKinds.filter((other) => this.#pairCount(kind, other) > 0).length;
      const often = faultKinds.filter((other) => this.#pairCount(kind, other) >= enough).length;
      const count = `${this.#kinds.get(kind) ?? 0}`.padStart(8);
      return `${kind.padEnd(18)}${count}${`${partners}`.padStart(10)}${`${often}`.padStart(10)}`;
    });
    const head = `${'fault'.padEnd(18)}${'struck'.padStart(8)}${'met'.padStart(10)}${`met ${enough}x`.padStart(10)}`;
    return [head, ...lines, ...this.#pairLines(enough)];
  }

  #pairLines(enough: number): readonly string[] {
    const all = faultKinds.flatMap((a, i) => faultKinds.slice(i).map((b) => [a, b] as const));
    const seen = all.filter(([a, b]) => this.#pairCount(a, b) > 0).length;
    const often = all.filter(([a, b]) => this.#pairCount(a, b) >= enough).length;
    const rare = all
      .map(([a, b]) => [`${a}+${b}`, this.#pairCount(a, b)] as const)
      .sort(([, a], [, b]) => a - b)
      .slice(0, 10)
      .map(([pair, count]) => `${pair} ${count}`);
    return [
      `${seen} of ${all.length} pairs overlapped, ${often} of them ${enough} times or more`,
      `rarest: ${rare.join(', ')}`,
    ];
  }

  #pairCount(a: FaultKind, b: FaultKind): number {
    return this.#pairs.get(pairOf(a, b)) ?? 0;
  }

  #addPair(pair: string, count: number): void {
    this.#pairs.set(pair, (this.#pairs.get(pair) ?? 0) + count);
  }
}

/** What goes from process to process. */
export interface CoverageJson {
  readonly kinds: readonly (readonly [FaultKind, number])[];
  readonly pairs: readonly (readonly [string, number])[];
}

function pairOf(a: FaultKind, b: FaultKind): string {
  return a < b ? `${a}+${b}` : `${b}+${a}`;
}
