/**
 * What lies between processes: links, one for each direction, that take a little time, keep order and can be cut. As TCP has it, what
 * is sent into a cut link waits and arrives when it is whole again, unless the connection is gone by then: that its ends decide.
 */
import { Prng } from '../../base/prng.ts';
import type { Host } from './host.ts';
import type { Timeline } from './timeline.ts';

const delayMsMin = 0.2;
const delayMsMax = 0.6;
/** What waits on a link after it is whole again is sent once more within this. */
const retransmitMsMax = 50;

export class Link {
  readonly #timeline: Timeline;
  readonly #prng: Prng;
  #lastMs = 0;
  #cut = false;
  #slowMs = 0;
  #waiting: (() => void)[] = [];

  constructor(timeline: Timeline, prng: Prng) {
    this.#timeline = timeline;
    this.#prng = prng;
  }

  get isCut(): boolean {
    return this.#cut;
  }

  /** `deliver` runs later, after all that was carried before it. */
  carry(deliver: () => void): void {
    if (this.#cut) this.#waiting.push(deliver);
    else this.#send(this.#slowMs + delayMsMin + (delayMsMax - delayMsMin) * this.#prng.unit(), deliver);
  }

  /** Everything takes so much longer from now on, until it is said anew or the link is healed. */
  slow(byMs: number): void {
    this.#slowMs = byMs;
  }

  cut(): void {
    this.#cut = true;
  }

  heal(): void {
    this.#slowMs = 0;
    if (!this.#cut) return;
    this.#cut = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    if (waiting.length === 0) return;
    const retransmitMs = this.#prng.unit() * retransmitMsMax;
    for (const deliver of waiting) this.#send(retransmitMs, deliver);
  }

  #send(delayMs: number, deliver: () => void): void {
    this.#lastMs = Math.max(this.#timeline.nowMs + delayMs, this.#lastMs + 0.001);
    this.#timeline.at(this.#lastMs, () => {
      if (this.#cut) this.#waiting.push(deliver);
      else deliver();
    });
  }
}

export class Network {
  readonly #timeline: Timeline;
  readonly #seed: bigint;
  readonly #links = new Map<Host, Map<Host, Link>>();

  constructor(timeline: Timeline, seed: bigint) {
    this.#timeline = timeline;
    this.#seed = seed;
  }

  /** One direction. */
  link(from: Host, to: Host): Link {
    let links = this.#links.get(from);
    if (links === undefined) {
      links = new Map();
      this.#links.set(from, links);
    }
    let link = links.get(to);
    if (link === undefined) {
      link = new Link(this.#timeline, new Prng(this.#seed, `link ${from.name}>${to.name}`));
      links.set(to, link);
    }
    return link;
  }

  /** Everything is whole again. */
  heal(): void {
    for (const links of this.#links.values()) for (const link of links.values()) link.heal();
  }
}
