/**
 * Answers that wait for their clients to take them: how many bytes of them one connection, and all together, may make this member keep.
 * What does not fit is refused; when all together are too many, the connection that keeps most is cut, so that who does not read
 * harms himself. Counts by asking, and asks only when what has been let through since might be too much. Knows no socket.
 */

/** One connection, as far as this is concerned. */
export interface Keeper {
  /** Bytes that it keeps now. */
  kept(): number;
  cut(): void;
}

export interface UnreadLimits {
  readonly perConnectionBytesMax: number;
  readonly bytesMax: number;
}

/** Of a connection's limit: what is kept for the answers that are being made. */
const spareShare = 1 / 4;

export class Unread {
  readonly #limits: UnreadLimits;
  /** Of each: kept when last asked, and all that was let through since. */
  readonly #keepers = new Map<Keeper, number>();
  #estimate = 0;

  constructor(limits: UnreadLimits) {
    this.#limits = limits;
  }

  add(keeper: Keeper): void {
    this.#keepers.set(keeper, 0);
  }

  remove(keeper: Keeper): void {
    this.#keepers.delete(keeper);
  }

  /** Whether so many bytes more may wait for this client. One answer by itself always may, however large. */
  admit(keeper: Keeper, bytes: number): boolean {
    const { perConnectionBytesMax, bytesMax } = this.#limits;
    const estimate = (this.#keepers.get(keeper) ?? 0) + bytes;
    if (estimate > perConnectionBytesMax) {
      const kept = keeper.kept();
      if (kept > 0 && kept + bytes > perConnectionBytesMax) {
        this.#keepers.set(keeper, kept);
        return false;
      }
      this.#keepers.set(keeper, kept + bytes);
    } else this.#keepers.set(keeper, estimate);
    this.#estimate += bytes;
    if (this.#estimate > bytesMax) this.#makeRoom(bytes);
    return true;
  }

  /** Whether there is so little room left for this client that its next answer need not be made. */
  full(keeper: Keeper): boolean {
    const nearly = (1 - spareShare) * this.#limits.perConnectionBytesMax;
    if ((this.#keepers.get(keeper) ?? 0) <= nearly) return false;
    const kept = keeper.kept();
    this.#keepers.set(keeper, kept);
    return kept > nearly;
  }

  /** Counts anew; cuts who keeps most until there is room, or nothing left to be had. */
  #makeRoom(bytes: number): void {
    const all = [...this.#keepers.keys()].map((keeper) => ({ keeper, kept: keeper.kept() }));
    all.sort((a, b) => b.kept - a.kept);
    this.#estimate = bytes;
    for (const { kept } of all) this.#estimate += kept;
    for (const { keeper, kept } of all) {
      if (this.#estimate <= this.#limits.bytesMax || kept === 0) break;
      this.#estimate -= kept;
      this.#keepers.delete(keeper);
      keeper.cut();
    }
  }
}
