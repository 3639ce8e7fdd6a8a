/**
 * How many streams may be open on all connections that share this, and how long their heads may be, as each is kept until its stream is
 * over. Owns the two counts; who opens a stream gives its place back when it is gone.
 */
export class StreamRoom {
  readonly #streamsMax: number;
  readonly #headBytesMax: number;
  streams = 0;
  headBytes = 0;

  constructor(streamsMax: number, headBytesMax: number) {
    this.#streamsMax = streamsMax;
    this.#headBytesMax = headBytesMax;
  }

  /** Takes a place, if there is one. */
  enter(headBytes: number): boolean {
    if (this.streams >= this.#streamsMax || this.headBytes + headBytes > this.#headBytesMax) return false;
    this.streams++;
    this.headBytes += headBytes;
    return true;
  }

  leave(headBytes: number): void {
    this.streams--;
    this.headBytes -= headBytes;
  }
}
