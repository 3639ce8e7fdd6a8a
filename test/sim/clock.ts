/**
 * The clocks of one host. The monotonic one runs at a rate near 1 that may change, stands still while the machine is suspended,
 * and never goes back; the wall clock follows it and jumps. Only sums and products: the same on every machine.
 */
import type { Prng } from '../../src/base/prng.ts';
import type { Noise } from './schedule.ts';

/** What the rates are scaled by, so that rounding never takes a clock out of its bound. */
const within = 0.999;
/** 2026-01-01, about where wall clocks begin. */
const wallStartMs = 1_767_225_600_000;

export class Clock {
  readonly #prng: Prng;
  readonly #off: number;
  readonly #drift: Noise['clockDrift'];
  readonly #wavePeriodMs: number;
  readonly #wavePhase: number;
  #rate: number;
  /** The rate is good from `#sinceMs` until then. */
  #untilMs: number;
  #sinceMs = 0;
  #monoMs: number;
  #frozen = false;
  #wallOffMs: number;

  constructor(prng: Prng, noise: Noise) {
    this.#prng = prng;
    this.#off = noise.clockRateOff * within;
    this.#drift = noise.clockDrift;
    this.#wavePeriodMs = prng.between(4_000, 60_000);
    this.#wavePhase = prng.unit();
    this.#rate = 1 + this.#off * (2 * prng.unit() - 1);
    this.#untilMs = this.#drift === 0 ? Number.POSITIVE_INFINITY : 0;
    // Hosts were started at different times.
    this.#monoMs = prng.between(0, 1_000_000_000);
    this.#wallOffMs = wallStartMs + prng.between(-86_400_000, 86_400_000);
  }

  /** Never goes back. `worldMs` must not, either. */
  monoMs(worldMs: number): number {
    while (worldMs > this.#untilMs) {
      this.#advance(this.#untilMs);
      this.#changeRate();
    }
    this.#advance(worldMs);
    return this.#monoMs;
  }

  wallMs(worldMs: number): number {
    return this.monoMs(worldMs) + this.#wallOffMs;
  }

  /** About how long the world takes while this clock shows that `ms` passed. */
  worldMsOf(ms: number): number {
    return ms / this.#rate;
  }

  freeze(worldMs: number): void {
    this.monoMs(worldMs);
    this.#frozen = true;
  }

  thaw(worldMs: number): void {
    this.monoMs(worldMs);
    this.#frozen = false;
  }

  jumpWall(byMs: number): void {
    this.#wallOffMs += byMs;
  }

  /** From now on at `off` (-1 … 1) of the deviation that is allowed, until the drift changes it. */
  setRate(worldMs: number, off: number): void {
    this.monoMs(worldMs);
    this.#rate = 1 + this.#off * off;
  }

  #advance(worldMs: number): void {
    if (worldMs <= this.#sinceMs) return;
    if (!this.#frozen) this.#monoMs += (worldMs - this.#sinceMs) * this.#rate;
    this.#sinceMs = worldMs;
  }

  #changeRate(): void {
    if (this.#drift === 1) {
      const turns = this.#sinceMs / this.#wavePeriodMs + this.#wavePhase;
      const at = turns - Math.floor(turns);
      // Two parabolas look enough like a sine.
      const wave = at < 0.5 ? 16 * at * (0.5 - at) : -16 * (at - 0.5) * (1 - at);
      this.#rate = 1 + this.#off * wave;
      this.#untilMs = this.#sinceMs + 500;
    } else {
      this.#rate = 1 + this.#off * (2 * this.#prng.unit() - 1);
      this.#untilMs = this.#sinceMs + this.#prng.between(500, 20_000);
    }
  }
}
