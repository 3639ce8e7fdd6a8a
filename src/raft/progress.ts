/**
 * What a leader knows of one follower, and how it feeds it (etcd raft/tracker/progress.go, in our words):
 * `probe`: one append at a time until the logs are known to meet; `replicate`: optimistic, a window of appends on the way;
 * `snapshot`: the entries it needs are gone from our log, an image must bring it forward.
 * It sends nothing itself. Invariants: R9 (match only grows within a leader's term; next > match).
 */
import { assert } from '../base/assert.ts';
import { appendBytesInFlightMax, appendsInFlightMax } from '../base/limits.ts';
import type { Index } from '../store/entry.ts';

export type ProgressState = 'probe' | 'replicate' | 'snapshot';

/**
 * A snapshot's road: `wanted` (tell the node), `underWay` (the node streams), `settling` (ended: give the follower time to
 * install it, or ourselves a pause after a failure, before anything is tried again).
 */
export type StreamState = 'none' | 'wanted' | 'underWay' | 'settling';

interface InFlight {
  readonly index: Index;
  readonly bytes: number;
}

export class Progress {
  #match: Index = 0;
  #next: Index;
  #state: ProgressState = 'probe';
  #inFlight: InFlight[] = [];
  #inFlightBytes = 0;

  /** A probe is on the way; nothing more until it is answered, or a heartbeat's answer shows it was lost. */
  paused = false;
  /** Ticks since anything of our term came from it. */
  silentTicks = 0;
  /** Heartbeat intervals in which something was unanswered and no answer came. */
  stalledIntervals = 0;
  /** The commit index it will have once what was sent arrives. */
  sentCommit: Index = 0;
  /** Its own clients wait for an entry up to here to be committed. */
  awaited: Index = 0;
  stream: StreamState = 'none';
  /** Ticks left of `settling`. */
  settleTicks = 0;
  /** Index of the image that was streamed last; 0 if that failed. */
  imageIndex: Index = 0;
  /** It said that its image is lost: its log is good, but it applies nothing until an image comes. */
  needsImage = false;

  constructor(next: Index) {
    this.#next = next;
  }

  get match(): Index {
    return this.#match;
  }
  get next(): Index {
    return this.#next;
  }
  get state(): ProgressState {
    return this.#state;
  }
  get inFlight(): number {
    return this.#inFlight.length;
  }
  /** No further append may go before one is answered. */
  get full(): boolean {
    return this.#inFlight.length >= appendsInFlightMax || this.#inFlightBytes >= appendBytesInFlightMax;
  }
  /** Was something sent that is not answered? */
  get unanswered(): boolean {
    return this.#state === 'probe' ? this.paused : this.#state === 'replicate' && this.#match < this.#next - 1;
  }

  /** An append with entries up to `lastIndex` left. */
  sent(lastIndex: Index, bytes: number): void {
    if (this.#state === 'probe') {
      this.paused = true;
      return;
    }
    assert(this.#state === 'replicate', 'nothing is appended while an image is on its way');
    assert(lastIndex >= this.#next, 'R9: sent backwards');
    this.#next = lastIndex + 1;
    this.#inFlight.push({ index: lastIndex, bytes });
    this.#inFlightBytes += bytes;
  }

  /** It vouches for everything up to `index`. False for news that are none: a late or doubled answer lowers nothing (M08). */
  acknowledged(index: Index): boolean {
    let freed = 0;
    while (freed < this.#inFlight.length && (this.#inFlight[freed] as InFlight).index <= index) {
      this.#inFlightBytes -= (this.#inFlight[freed] as InFlight).bytes;
      freed++;
    }
    if (freed > 0) this.#inFlight.splice(0, freed);
    if (index <= this.#match) return false;
    this.#match = index;
    this.#next = Math.max(this.#next, index + 1);
    this.stalledIntervals = 0;
    return true;
  }

  /**
   * It has no entry `refused` of ours. `retryAt` is where the logs may meet. False if the answer is a late one: about something
   * below what it has acknowledged, or not about the probe on the way.
   */
  rejected(refused: Index, retryAt: Index): boolean {
    if (this.#state === 'snapshot' || refused <= this.#match || refused >= this.#next) return false;
    if (this.#state === 'probe' && refused !== this.#next - 1) return false;
    this.becomeProbe(Math.min(refused, retryAt));
    return true;
  }

  /** Back to one append at a time, from `next` or just above what is known. */
  becomeProbe(next: Index): void {
    this.#state = 'probe';
    this.#next = Math.max(next, this.#match + 1);
    this.paused = false;
    this.stalledIntervals = 0;
    this.#clearWindow();
  }

  /** The logs meet at `match`: from here on optimistic. */
  becomeReplicate(): void {
    this.#state = 'replicate';
    this.#next = this.#match + 1;
    this.paused = false;
    this.stalledIntervals = 0;
    this.#clearWindow();
  }

  /** Our log no longer holds what it needs. */
  becomeSnapshot(): void {
    this.#state = 'snapshot';
    this.#next = this.#match + 1;
    this.paused = false;
    this.#clearWindow();
    this.wantImage();
  }

  /** Asks the node for a stream, unless one is on its road. */
  wantImage(): void {
    if (this.stream === 'none') this.stream = 'wanted';
  }

  /** No image is needed any more. */
  imageArrived(): void {
    if (this.stream === 'wanted' || this.stream === 'settling') this.stream = 'none';
  }

  /** The stream ended. What comes of it shows within `ticks`; until then nothing else is tried. */
  streamEnded(imageIndex: Index, ticks: number): void {
    this.stream = 'settling';
    this.imageIndex = imageIndex;
    this.settleTicks = ticks;
  }

  /** A tick has passed: a stream that settled long enough is over, and a probe shows where the follower stands. */
  tickStream(): void {
    if (this.stream !== 'settling' || --this.settleTicks > 0) return;
    this.stream = 'none';
    if (this.#state === 'snapshot') this.becomeProbe(this.imageIndex + 1);
    else if (this.needsImage) this.wantImage();
  }

  #clearWindow(): void {
    this.#inFlight = [];
    this.#inFlightBytes = 0;
  }
}
