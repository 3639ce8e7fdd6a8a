/**
 * Traps of one member: at the n-th event of a kind (a turn, a write begun, a sync, an install) something is done to it, mostly a crash.
 * Owns the counting; who lays traps is `faults-host.ts`'s, and where events happen the member's and its ports'.
 */
import type { FaultKind } from './fault-kinds.ts';

/** Waits for the `left`-th event of a kind. */
interface Trap {
  readonly point: FaultKind;
  left: number;
  readonly untilMs: number;
  readonly sprung: () => void;
}

export class Traps {
  #traps: Trap[] = [];

  /** At the `nth` event of the kind from now on, up to `untilMs`, `sprung` is called. */
  lay(point: FaultKind, nth: number, untilMs: number, sprung: () => void): void {
    this.#traps.push({ point, left: nth, untilMs, sprung });
  }

  forget(): void {
    this.#traps = [];
  }

  /** An event of this kind happens: returns whether a trap was waiting for it, and did what it is there for. */
  spring(point: FaultKind, nowMs: number): boolean {
    if (!this.hits(point, nowMs)) return false;
    this.sprung(point);
    return true;
  }

  /** The same in two steps, for what happens in the middle of an event. Whoever sees true calls `sprung`. */
  hits(point: FaultKind, nowMs: number): boolean {
    if (this.#traps.length === 0) return false;
    const trap = this.#traps.find((each) => each.point === point);
    if (trap === undefined || --trap.left > 0) return false;
    if (trap.untilMs >= nowMs) return true;
    this.#traps.splice(this.#traps.indexOf(trap), 1);
    return false;
  }

  sprung(point: FaultKind): void {
    const at = this.#traps.findIndex((each) => each.point === point);
    const [trap] = this.#traps.splice(at, 1);
    trap?.sprung();
  }
}
