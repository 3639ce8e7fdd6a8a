/**
 * The links between members: loss, duplication, delay (and so reorder), one-way cuts, broken connections. Each directed link
 * decides on its own.
 */
import type { Prng } from '../../src/base/prng.ts';
import type { MemberId } from '../../src/store/entry.ts';
import type { Timeline } from './timeline.ts';

export interface LinkQuality {
  readonly loss: number;
  readonly duplicate: number;
  readonly delayMsMin: number;
  readonly delayMsMax: number;
}

export const calmLinks: LinkQuality = { loss: 0, duplicate: 0, delayMsMin: 0.2, delayMsMax: 1 };

export class Network {
  quality: LinkQuality = calmLinks;
  readonly #prng: Prng;
  readonly #timeline: Timeline;
  readonly #cut = new Set<string>();

  constructor(prng: Prng, timeline: Timeline) {
    this.#prng = prng;
    this.#timeline = timeline;
  }

  /** Carries something from `from` to `to`, perhaps: `deliver` runs zero, one or two times, later. */
  carry(from: MemberId, to: MemberId, deliver: () => void): void {
    const { loss, duplicate } = this.quality;
    const copies = this.#prng.chance(loss) ? 0 : this.#prng.chance(duplicate) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      this.#timeline.after(this.#delayMs(), () => {
        if (!this.isCut(from, to)) deliver();
      });
    }
  }

  cut(from: MemberId, to: MemberId): void {
    this.#cut.add(`${from}>${to}`);
  }

  isCut(from: MemberId, to: MemberId): boolean {
    return this.#cut.has(`${from}>${to}`);
  }

  /** Cuts `one` off from all `others`, both ways. */
  isolate(one: MemberId, others: readonly MemberId[]): void {
    for (const other of others) {
      if (other === one) continue;
      this.cut(one, other);
      this.cut(other, one);
    }
  }

  heal(): void {
    this.#cut.clear();
    this.quality = calmLinks;
  }

  #delayMs(): number {
    const { delayMsMin, delayMsMax } = this.quality;
    const spread = this.#prng.unit();
    return delayMsMin + (delayMsMax - delayMsMin) * spread * spread;
  }
}
