/**
 * The links of the world, each direction for itself, members and clients alike: loss, duplication, delay and so reorder, cuts,
 * clogs, broken connections and what arrives late from them. Owns whether and when something arrives, not what it does.
 */
import { Prng } from '../../src/base/prng.ts';
import type { Noise } from './schedule.ts';
import type { Timeline } from './timeline.ts';

/** What a link does besides the noise of all. */
export interface LinkQuality {
  readonly loss: number;
  readonly duplicate: number;
  readonly delayMsMax: number;
}

/** One direction between two ends. */
export class Link {
  readonly from: number;
  readonly to: number;
  readonly prng: Prng;
  /** Faults that cut, and that clog, this link at present. */
  cuts = 0;
  clogs = 0;
  quality: LinkQuality | undefined;
  /** Connections so far; what was sent on an older one is lost. */
  connection = 0;
  /** What the connection before this one carried still arrives, up to `lateMs` late. */
  lateConnection = -1;
  lateMs = 0;
  /** The boots of both ends that have met on it. */
  bootFrom = 0;
  bootTo = 0;
  lastAtMs = 0;
  held: (() => void)[] = [];

  constructor(from: number, to: number, prng: Prng) {
    this.from = from;
    this.to = to;
    this.prng = prng;
  }
}

export class Network {
  /** Of all links, unless one has its own. */
  quality: LinkQuality | undefined;
  lost = 0;
  delivered = 0;
  readonly members: number;
  readonly ends: number;
  readonly #timeline: Timeline;
  readonly #noise: Noise;
  /** What links lose by themselves; healed, they lose nothing. */
  noiseLoss: number;
  readonly #links: Link[] = [];

  /** Ends 0 … members-1 are members, clients follow. */
  constructor(seed: bigint, members: number, clients: number, noise: Noise, timeline: Timeline) {
    this.members = members;
    this.ends = members + clients;
    this.#timeline = timeline;
    this.#noise = noise;
    this.noiseLoss = noise.loss;
    for (let from = 0; from < this.ends; from++)
      for (let to = 0; to < this.ends; to++)
        this.#links.push(new Link(from, to, new Prng(seed, `net ${this.nameOf(from)}>${this.nameOf(to)}`)));
  }

  nameOf(end: number): string {
    return end < this.members ? `n${end + 1}` : `c${end - this.members + 1}`;
  }

  link(from: number, to: number): Link {
    return this.#links[from * this.ends + to] as Link;
  }

  /** Carries something, perhaps: `deliver` runs zero, one or two times, later. */
  carry(link: Link, deliver: () => void): void {
    if (link.cuts > 0) {
      this.lost++;
      return;
    }
    const quality = link.quality ?? this.quality;
    const { prng } = link;
    const loss = quality?.loss ?? this.noiseLoss;
    if (loss > 0 && prng.chance(loss)) {
      this.lost++;
      return;
    }
    this.#schedule(link, quality, deliver);
    const duplicate = quality?.duplicate ?? this.#noise.duplicate;
    if (duplicate > 0 && prng.chance(duplicate)) this.#schedule(link, quality, deliver);
  }

  cut(from: number, to: number): void {
    this.link(from, to).cuts++;
  }

  uncut(from: number, to: number): void {
    const link = this.link(from, to);
    if (link.cuts > 0) link.cuts--;
  }

  isCut(from: number, to: number): boolean {
    return this.link(from, to).cuts > 0;
  }

  /** Cuts `one` off from all other members, both ways; clients still reach it. Undone by `heal`. */
  isolate(one: number): void {
    for (let other = 0; other < this.members; other++) {
      if (other === one) continue;
      this.cut(one, other);
      this.cut(other, one);
    }
  }

  /** Cuts `one` off from everybody, clients included. */
  cutOff(one: number): void {
    for (let other = 0; other < this.ends; other++) {
      if (other === one) continue;
      this.cut(one, other);
      this.cut(other, one);
    }
  }

  clog(from: number, to: number): void {
    this.link(from, to).clogs++;
  }

  unclog(from: number, to: number): void {
    const link = this.link(from, to);
    if (link.clogs === 0 || --link.clogs > 0) return;
    for (const deliver of link.held.splice(0)) this.#timeline.after(link.prng.unit(), deliver);
  }

  /** The connection breaks: what is on its way is lost, or (`lateMs` > 0) arrives after things sent later. */
  breakConnection(from: number, to: number, lateMs: number): void {
    const link = this.link(from, to);
    link.lateConnection = lateMs > 0 ? link.connection : -1;
    link.lateMs = lateMs;
    link.connection++;
  }

  /** Every link whole and as noisy as at the beginning. */
  heal(): void {
    this.quality = undefined;
    this.noiseLoss = 0;
    for (const link of this.#links) {
      link.quality = undefined;
      link.cuts = 0;
      if (link.clogs > 0) {
        link.clogs = 1;
        this.unclog(link.from, link.to);
      }
    }
  }

  #schedule(link: Link, quality: LinkQuality | undefined, deliver: () => void): void {
    const { delayMsMin, delayMsMax, inOrder } = this.#noise;
    const spread = link.prng.unit();
    let delayMs = delayMsMin + ((quality?.delayMsMax ?? delayMsMax) - delayMsMin) * spread * spread;
    if (inOrder) {
      const atMs = Math.max(this.#timeline.nowMs + delayMs, link.lastAtMs + 0.001);
      link.lastAtMs = atMs;
      delayMs = atMs - this.#timeline.nowMs;
    }
    const { connection } = link;
    this.#timeline.after(delayMs, () => this.#arrive(link, connection, deliver));
  }

  #arrive(link: Link, connection: number, deliver: () => void): void {
    if (link.cuts > 0) {
      this.lost++;
      return;
    }
    if (connection !== link.connection) {
      if (connection === link.lateConnection) this.#timeline.after(link.prng.unit() * link.lateMs, deliver);
      else this.lost++;
      return;
    }
    if (link.clogs > 0) {
      link.held.push(deliver);
      return;
    }
    this.delivered++;
    deliver();
  }
}
