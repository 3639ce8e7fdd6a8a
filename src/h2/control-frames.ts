/**
 * What a connection has to say beside its streams: settings, pings, windows, resets, goodbyes, in order, ahead of all answers. Owns them
 * until they are sent.
 */
import { connectionWindowBytes, controlBytesMax, headerListBytesMax, streamWindowBytes } from '../base/limits.ts';
import { FrameWriter } from './frame-writer.ts';
import { writeRoomBytes } from './stream.ts';
import { flags, frameHeadBytes, frameTypes, settingIds, windowBytesDefault } from './words.ts';

/** Eight bytes each: which of our pings an answer is of. */
const aliveToken = Buffer.from('alive ? ');
const goodbyeToken = Buffer.from('goodbye!');
const settingBytes = 6;
const goAwayBytes = 8;
/** Longer than any frame here but our first SETTINGS. */
const frameBytesMax = 32;

export class ControlFrames {
  readonly #frames = new FrameWriter(2 * frameBytesMax);

  /** The client does not take what it makes us say. */
  get full(): boolean {
    return this.#frames.length > controlBytesMax;
  }

  /** Moves all to where it is sent from, and leaves room there for a stream: of resets there may be as many as streams. */
  moveTo(out: FrameWriter): void {
    if (this.#frames.length === 0) return;
    out.reserve(this.#frames.length + writeRoomBytes);
    this.#frames.moveTo(out);
  }

  clear(): void {
    this.#frames.length = 0;
  }

  /** Our own preface. */
  open(streamsMax: number): void {
    const settings: readonly (readonly [number, number])[] = [
      [settingIds.maxConcurrentStreams, streamsMax],
      [settingIds.initialWindowSize, streamWindowBytes],
      [settingIds.maxHeaderListSize, headerListBytesMax],
    ];
    this.#frames.reserve(frameHeadBytes + settings.length * settingBytes);
    this.#frames.head(settings.length * settingBytes, frameTypes.settings, 0, 0);
    for (const [id, value] of settings) {
      this.#frames.byte(id >>> 8);
      this.#frames.byte(id);
      this.#frames.uint32(value);
    }
    this.windowUpdate(0, connectionWindowBytes - windowBytesDefault);
  }

  settingsAck(): void {
    this.#frames.reserve(frameBytesMax);
    this.#frames.head(0, frameTypes.settings, flags.ack, 0);
  }

  /** A ping of ours, or one that asks whether a goodbye was heard. */
  ping(goodbye: boolean): void {
    this.#ping(0, goodbye ? goodbyeToken : aliveToken, 0);
  }

  /** The answer to a ping, with its eight bytes. */
  pong(bytes: Uint8Array, from: number): void {
    this.#ping(flags.ack, bytes, from);
  }

  /** Whether a ping's answer is that to a goodbye. */
  isGoodbye(bytes: Uint8Array, from: number): boolean {
    return goodbyeToken.every((byte, at) => byte === bytes[from + at]);
  }

  windowUpdate(stream: number, bytes: number): void {
    this.#frames.reserve(frameBytesMax);
    this.#frames.head(4, frameTypes.windowUpdate, 0, stream);
    this.#frames.uint32(bytes);
  }

  resetStream(stream: number, code: number): void {
    this.#frames.reserve(frameBytesMax);
    this.#frames.head(4, frameTypes.resetStream, 0, stream);
    this.#frames.uint32(code);
  }

  goAway(lastStream: number, code: number): void {
    this.#frames.reserve(frameBytesMax);
    this.#frames.head(goAwayBytes, frameTypes.goAway, 0, 0);
    this.#frames.uint32(lastStream);
    this.#frames.uint32(code);
  }

  #ping(frameFlags: number, bytes: Uint8Array, from: number): void {
    this.#frames.reserve(frameBytesMax);
    this.#frames.head(8, frameTypes.ping, frameFlags, 0);
    this.#frames.raw(bytes, from, from + 8);
  }
}
