/**
 * Whose turn it is to send on a connection: streams write one after the other, some frames each. Owns that order, and who waits for the
 * connection's window.
 */
import { AnswerHeads } from './answer-heads.ts';
import type { FrameWriter } from './frame-writer.ts';
import type { Stream } from './stream.ts';

/** Places in front of the queue that are not used any more, before they are taken away. */
const passedMax = 256;

export class SendQueue {
  readonly heads = new AnswerHeads();
  #ready: Stream[] = [];
  /** The first of `#ready` that has not had its turn. */
  #next = 0;
  #blocked: Stream[] = [];

  add(stream: Stream): void {
    stream.queued = true;
    this.#ready.push(stream);
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
