/**
 * Whose turn it is to send on a connection: streams write one after the other, some frames each. Owns that order, and who waits for the
 * connection's window.
 */
import { AnswerHeads } from './answer-heads.ts';
import type { FrameWriter } from './frame-writer.ts';
import type { Stream } from './stream.ts';

/** Places in front of the queue that are not used any more, before they are taken away. */
const passedMax = 256;
/** Streams that were given up while they waited, before their places are looked for. */
const goneMax = 256;

export class SendQueue {
  readonly heads = new AnswerHeads();
  #ready: Stream[] = [];
  /** The first of `#ready` that has not had its turn. */
  #next = 0;
  #blocked: Stream[] = [];
  /** At least as many are over and still have a place. */
  #gone = 0;

  /** Places that are taken. */
  get places(): number {
    return this.#ready.length - this.#next + this.#blocked.length;
  }

  add(stream: Stream): void {
    stream.queued = true;
    this.#ready.push(stream);
  }

  /**
   * A stream that waits is over. Its turn may never come, as its client need not open the window nor read: of those that are over no more
   * are kept than of those that are not.
   */
  gone(): void {
    if (++this.#gone <= goneMax || 2 * this.#gone <= this.places) return;
    this.#gone = 0;
    // The next one may be having its turn.
    const after = this.#next + 1;
    this.#ready = [...this.#ready.slice(0, after), ...this.#ready.slice(after).filter(isOpen)];
    this.#blocked = this.#blocked.filter(isOpen);
  }

  /** The connection's window is open again. Returns whether anybody waited for it. */
  unblock(): boolean {
    if (this.#blocked.length === 0) return false;
    for (const stream of this.#blocked) this.#ready.push(stream);
    this.#blocked = [];
    return true;
  }

  /** Lets streams write as long as there is room. Returns whether there is more to write. */
  write(out: FrameWriter): boolean {
    while (this.#next < this.#ready.length) {
      const stream = this.#ready[this.#next] as Stream;
      const stopped = stream.closed ? 'idle' : stream.write(out, this.heads);
      if (stopped === 'full') return true;
      this.#next++;
      if (stopped === 'turn') this.#ready.push(stream);
      else if (stopped === 'connection') this.#blocked.push(stream);
      else {
        stream.queued = false;
        if (!stream.closed && stream.sendable) this.add(stream);
      }
      if (this.#next === passedMax) {
        this.#ready.splice(0, passedMax);
        this.#next = 0;
      }
    }
    this.#ready = [];
    this.#next = 0;
    return false;
  }
}

function isOpen(stream: Stream): boolean {
  return !stream.closed;
}
