/**
 * What waits to be sent to one member. Owns order, the limit in bytes and what is dropped; knows no socket. Two lanes: elections and
 * heartbeats overtake appends and forwards, so that a megabyte on a slow line never looks like a dead leader; within a lane order
 * is kept. A full queue refuses the newest: what is already under way stays without gaps.
 */
import { assert } from '../base/assert.ts';
import type { PeerMessage } from '../node/peer-message.ts';
import { peerMessageBytes, writePeerMessage } from './codec.ts';
import { type FrameBytes, FrameWriter } from './frame.ts';

/** What became of a message. */
export type Queued = 'queued' | 'queueFull' | 'tooLarge';

/** Whole frames that lie in one stretch of memory or in pieces that belong together. */
interface Unit {
  pieces: readonly Buffer[];
  bytes: number;
  messages: number;
}

/** Frames joined into one write at most; a larger one stays alone. */
const joinBytesMax = 64 * 1024;

class Lane {
  readonly #writer = new FrameWriter();
  #units: Unit[] = [];
  #first = 0;

  push(message: PeerMessage): number | undefined {
    const frame = this.#writer.frame('message', (writer) => writePeerMessage(writer, message));
    if (frame === undefined) return undefined;
    const last = this.#first < this.#units.length ? this.#units[this.#units.length - 1] : undefined;
    const joined = last === undefined ? undefined : join(last, frame);
    if (last !== undefined && joined !== undefined) {
      last.pieces = [joined];
      last.bytes += frame.bytes;
      last.messages++;
    } else this.#units.push({ pieces: frame.pieces, bytes: frame.bytes, messages: 1 });
    return frame.bytes;
  }

  take(): Unit | undefined {
    const unit = this.#units[this.#first];
    if (unit === undefined) return undefined;
    this.#first++;
    if (this.#first === this.#units.length) this.clear();
    else if (this.#first >= 1024) {
      this.#units = this.#units.slice(this.#first);
      this.#first = 0;
    }
    return unit;
  }

  clear(): void {
    this.#units = [];
    this.#first = 0;
  }
}

/** One buffer over both if they are neighbours in memory: a turn's small messages become one write, without a copy. */
function join(last: Unit, frame: FrameBytes): Buffer | undefined {
  const [before] = last.pieces;
  const [after] = frame.pieces;
  if (before === undefined || after === undefined || last.pieces.length > 1 || frame.pieces.length > 1)
    return undefined;
  const adjacent = before.buffer === after.buffer && before.byteOffset + before.byteLength === after.byteOffset;
  if (!adjacent || last.bytes + frame.bytes > joinBytesMax) return undefined;
  return Buffer.from(before.buffer, before.byteOffset, last.bytes + frame.bytes);
}

export class Outbox {
  readonly #urgent = new Lane();
  readonly #bulk = new Lane();
  #bytes = 0;
  #messages = 0;

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Messages that wait. */
  get messages(): number {
    return this.#messages;
  }

  /** Encodes and queues the message unless that would exceed `bytesMax`. */
  push(message: PeerMessage, bytesMax: number): Queued {
    if (this.#bytes + peerMessageBytes(message) > bytesMax) return 'queueFull';
    const bytes = (isUrgent(message) ? this.#urgent : this.#bulk).push(message);
    if (bytes === undefined) return 'tooLarge';
    this.#bytes += bytes;
    this.#messages++;
    return 'queued';
  }

  /** Frames to write next, `bytesMax` of them or one more than fits; urgent ones first. */
  take(bytesMax: number): readonly FrameBytes[] {
    const frames: FrameBytes[] = [];
    let bytes = 0;
    while (bytes < bytesMax) {
      const unit = this.#urgent.take() ?? this.#bulk.take();
      if (unit === undefined) break;
      frames.push(unit);
      bytes += unit.bytes;
      this.#messages -= unit.messages;
    }
    this.#bytes -= bytes;
    assert(this.#bytes >= 0 && this.#messages >= 0, 'outbox: what comes in goes out');
    return frames;
  }

  /** Forgets everything: the connection it was meant for is gone. Returns the messages dropped. */
  clear(): number {
    const messages = this.#messages;
    this.#urgent.clear();
    this.#bulk.clear();
    this.#bytes = 0;
    this.#messages = 0;
    return messages;
  }
}

/**
 * Whether a message may overtake the others. Raft takes messages in any order; these say nothing about the log that an
 * append before them would have to establish (a heartbeat's commit never exceeds what the receiver is known to hold).
 */
function isUrgent(message: PeerMessage): boolean {
  switch (message.type) {
    case 'preVote':
    case 'preVoteReply':
    case 'vote':
    case 'voteReply':
    case 'heartbeat':
    case 'heartbeatReply':
      return true;
    default:
      return false;
  }
}
