/**
 * An image on its way to a member, on a connection of its own: head, chunks, end, and the receiver's word that all of it is verified
 * and staged. Owns both ends of the stream; knows nothing of how an image is read or staged. Each side writes no faster than
 * the other takes, so that a snapshot never fills memory nor stands before a heartbeat. A stream cut at any byte is forgotten.
 * Invariants: R11 (all or nothing).
 */
import { snapshotFrameBytesMax } from '../base/limits.ts';
import type { SnapshotHead } from '../raft/message.ts';
import type { MemberId } from '../store/entry.ts';
import type { ImageRecord } from '../store/image.ts';
import type { PeerAddress } from './address.ts';
import type { Channel } from './channel.ts';
import { type Dialer, dial } from './dial.ts';
import { FrameWriter } from './frame.ts';
import { type Refusal, readRefusal, refusal, writeRefusal } from './handshake.ts';
import {
  readSnapshotEnd,
  readSnapshotHead,
  readSnapshotRecords,
  snapshotRecordBytes,
  writeSnapshotEnd,
  writeSnapshotHead,
  writeSnapshotRecords,
} from './snapshot-codec.ts';

/** Where an image from a leader goes. One stream at a time; every `begin` that returned is followed by one `end` or `abort`. */
export interface SnapshotReceiver {
  /** Makes room. Throwing refuses the stream; its message is told to the sender. */
  begin(head: SnapshotHead): void | Promise<void>;
  /** In key order. The next chunk waits until this one is done. */
  chunk(records: readonly ImageRecord[]): void | Promise<void>;
  /** All records have come: verify and stage. Throwing means the image is bad; it has to clean up itself then. */
  end(): Promise<void>;
  /** The stream broke: forget what was staged. */
  abort(): void | Promise<void>;
}

/** How a stream ended at its sender. */
export interface SnapshotSent {
  readonly ok: boolean;
  /** Why not, for the log. */
  readonly why: string;
  readonly bytes: number;
}

/** Written ahead of the kernel before the sender waits. */
const aheadBytesMax = 2 * snapshotFrameBytesMax;

/** Sends an image to `head.to` at `peer.url`; ends `chunks` early if the stream breaks. Never rejects. */
export async function sendSnapshot(
  dialer: Dialer,
  peer: PeerAddress,
  head: SnapshotHead,
  chunks: AsyncIterable<readonly ImageRecord[]>,
  signal: AbortSignal,
): Promise<SnapshotSent> {
  const dialed = await dial(dialer, peer.member, peer.url, 'snapshot', signal);
  if (dialed.type !== 'open') {
    return { ok: false, why: dialed.type === 'failed' ? dialed.why : dialed.refusal.text, bytes: 0 };
  }
  const { channel } = dialed;
  const stop = (): void => channel.end('stopped');
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    const why = await stream(channel, head, chunks, dialer.timings.snapshotTakenMs);
    return { ok: why === undefined, why: why ?? '', bytes: channel.bytes.sent };
  } catch (error) {
    return { ok: false, why: error instanceof Error ? error.message : String(error), bytes: channel.bytes.sent };
  } finally {
    signal.removeEventListener('abort', stop);
    channel.end('snapshot over');
  }
}

/** Undefined if the receiver took it, else why not. */
async function stream(
  channel: Channel,
  head: SnapshotHead,
  chunks: AsyncIterable<readonly ImageRecord[]>,
  takenMs: number,
): Promise<string | undefined> {
  // Reading goes on beside writing: a refusal in the middle ends the stream at once.
  let answered = false;
  const verdict = channel.read().then((frame) => {
    answered = true;
    return frame;
  });
  const writer = new FrameWriter();
  channel.write('snapshotHead', (to) => writeSnapshotHead(to, head));
  let records = 0;
  for await (const chunk of chunks) {
    for (const part of cut(chunk)) {
      const frame = writer.frame('snapshotChunk', (to) => writeSnapshotRecords(to, part));
      if (frame === undefined) throw new Error('an image record is larger than a frame');
      records += part.length;
      channel.send([frame]);
      await nextTurn();
      if (channel.waitingBytes >= aheadBytesMax) await channel.drained();
      if (answered || channel.why !== undefined) break;
    }
    if (answered || channel.why !== undefined) break;
  }
  if (!answered) channel.write('snapshotEnd', (to) => writeSnapshotEnd(to, { records }));
  const timer = setTimeout(() => channel.end('the receiver did not take the snapshot in time'), takenMs);
  const frame = await verdict;
  clearTimeout(timer);
  if (frame?.type === 'snapshotTaken') return undefined;
  if (frame?.type === 'refusal') return readRefusal(frame.body)?.text ?? 'refused';
  return channel.why ?? 'unexpected answer';
}

/** Parts of at most a frame's size, one record at least. */
function* cut(records: readonly ImageRecord[]): Generator<readonly ImageRecord[]> {
  let start = 0;
  let bytes = 0;
  for (let i = 0; i < records.length; i++) {
    const more = snapshotRecordBytes(records[i] as ImageRecord);
    if (i > start && bytes + more > snapshotFrameBytesMax) {
      yield records.slice(start, i);
      start = i;
      bytes = 0;
    }
    bytes += more;
  }
  if (start < records.length) yield records.slice(start);
}

interface Intake {
  readonly from: MemberId;
  readonly term: number;
  readonly channel: Channel;
  readonly over: Promise<void>;
}

/** The receiving end: one stream at a time. A newer term, or a new try of the same sender, ends the one under way. */
export class SnapshotIntake {
  readonly #self: MemberId;
  readonly #receiver: SnapshotReceiver;
  readonly #closeMs: number;
  #current: Intake | undefined;

  constructor(self: MemberId, receiver: SnapshotReceiver, closeMs: number) {
    this.#self = self;
    this.#receiver = receiver;
    this.#closeMs = closeMs;
  }

  /** Runs a stream from `member`, whose handshake is done, to its end. Resolves with what was refused, if anything. */
  async run(channel: Channel, member: MemberId): Promise<Refusal | undefined> {
    const refused = await this.#admit(channel, member);
    if (refused === undefined) {
      channel.write('snapshotTaken', () => {});
      channel.finish('snapshot taken', this.#closeMs);
    } else if (channel.why === undefined) {
      channel.write('refusal', (writer) => writeRefusal(writer, refused));
      channel.finish(refused.text, this.#closeMs);
    }
    return refused;
  }

  async #admit(channel: Channel, member: MemberId): Promise<Refusal | undefined> {
    const frame = await channel.read();
    if (frame === undefined) return refusal('badMessage', channel.why ?? 'closed');
    const head = frame.type === 'snapshotHead' ? readSnapshotHead(frame.body) : undefined;
    if (head === undefined) return refusal('badMessage', 'a snapshot stream begins with its head');
    if (head.from !== member || head.to !== this.#self) return refusal('badMessage', 'snapshot of another member');
    while (this.#current !== undefined) {
      const { from, term } = this.#current;
      const wins = head.term > term || (head.from === from && head.term === term);
      if (!wins) return refusal('busy', `a snapshot of term ${term} is being received`);
      this.#current.channel.end('a newer snapshot stream took over');
      await this.#current.over;
    }
    let isOver = (): void => {};
    const over = new Promise<void>((resolve) => {
      isOver = resolve;
    });
    this.#current = { from: head.from, term: head.term, channel, over };
    try {
      return await this.#receive(channel, head);
    } finally {
      this.#current = undefined;
      isOver();
    }
  }

  async #receive(channel: Channel, head: SnapshotHead): Promise<Refusal | undefined> {
    try {
      await this.#receiver.begin(head);
    } catch (error) {
      return refusal('busy', error instanceof Error ? error.message : 'not now');
    }
    try {
      const broken = await this.#chunks(channel);
      if (broken !== undefined) {
        await this.#receiver.abort();
        return refusal('badMessage', broken);
      }
    } catch (error) {
      await this.#receiver.abort();
      return refusal('badMessage', error instanceof Error ? error.message : 'the image was not taken');
    }
    try {
      await this.#receiver.end();
      return undefined;
    } catch (error) {
      return refusal('badMessage', error instanceof Error ? error.message : 'the image is damaged');
    }
  }

  /** Hands on chunks up to the end mark; undefined if all came, else what broke. */
  async #chunks(channel: Channel): Promise<string | undefined> {
    let records = 0;
    for (;;) {
      const frame = await channel.read();
      if (frame === undefined) return channel.why ?? 'closed';
      if (frame.type === 'snapshotEnd') {
        return readSnapshotEnd(frame.body)?.records === records ? undefined : 'records are missing';
      }
      const chunk = frame.type === 'snapshotChunk' ? readSnapshotRecords(frame.body, frame.owned) : undefined;
      if (chunk === undefined) return `unexpected ${frame.type} frame`;
      records += chunk.length;
      await this.#receiver.chunk(chunk);
      await nextTurn();
    }
  }
}

/** Lets everything else that is due run first: both ends handle one frame in a turn of the loop, so heartbeats wait for no more. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
