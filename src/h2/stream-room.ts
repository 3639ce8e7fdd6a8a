/**
 * How many streams may be open on all connections, and how long their heads may be, as each is kept until its last stream is over; and
 * which part of both one address may take, so that nobody takes what others need. Owns the counts; who opens a stream gives its place
 * back when it is gone.
 */
import { streamShareOfAddress } from '../base/limits.ts';

/** What a stream keeps of its request. Several may share one. */
export interface KeptHead {
  readonly bytes: number;
  /** Open streams that have it. */
  streams: number;
}

/** The part of all connections from one address. */
export class StreamShare {
  readonly #room: StreamRoom;
  readonly #close: () => void;
  /** Connections that have it. */
  connections = 0;
  streams = 0;
  headBytes = 0;

  constructor(room: StreamRoom, close: () => void) {
    this.#room = room;
    this.#close = close;
  }

  /** Takes a place, if there is one. */
  enter(head: KeptHead): boolean {
    const bytes = head.streams === 0 ? head.bytes : 0;
    const room = this.#room;
    if (this.streams >= room.streamsPerAddressMax || this.headBytes + bytes > room.headBytesPerAddressMax) return false;
    if (!room.enter(bytes)) return false;
    head.streams++;
    this.streams++;
    this.headBytes += bytes;
    return true;
  }

  leave(head: KeptHead): void {
    const bytes = --head.streams === 0 ? head.bytes : 0;
    this.#room.leave(bytes);
    this.streams--;
    this.headBytes -= bytes;
  }

  /** A connection is gone, and its streams with it. */
  close(): void {
    if (--this.connections === 0) this.#close();
  }
}

export class StreamRoom {
  readonly #streamsMax: number;
  readonly #headBytesMax: number;
  readonly streamsPerAddressMax: number;
  readonly headBytesPerAddressMax: number;
  readonly #shares = new Map<string, StreamShare>();
  streams = 0;
  headBytes = 0;

  constructor(streamsMax: number, headBytesMax: number, perAddress = streamShareOfAddress) {
    this.#streamsMax = streamsMax;
    this.#headBytesMax = headBytesMax;
    this.streamsPerAddressMax = streamsMax * perAddress;
    this.headBytesPerAddressMax = headBytesMax * perAddress;
  }

  /** Addresses that have connections. */
  get addresses(): number {
    return this.#shares.size;
  }

  /** For one more connection from there, which closes it. */
  share(address: string): StreamShare {
    let share = this.#shares.get(address);
    if (share === undefined) {
      share = new StreamShare(this, () => this.#shares.delete(address));
      this.#shares.set(address, share);
    }
    share.connections++;
    return share;
  }

  /** For a share. */
  enter(headBytes: number): boolean {
    if (this.streams >= this.#streamsMax || this.headBytes + headBytes > this.#headBytesMax) return false;
    this.streams++;
    this.headBytes += headBytes;
    return true;
  }

  /** For a share. */
  leave(headBytes: number): void {
    this.streams--;
    this.headBytes -= headBytes;
  }
}
