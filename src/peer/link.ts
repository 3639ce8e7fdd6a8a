/**
 * The way to one member: a connection that we dial and that carries our messages to it, made again whenever it breaks. Owns the
 * queue, reconnecting and the counters; the other direction is the peer's own link to us. Delivers each message at most once and
 * a lane in order; may lose any, as Raft expects.
 *
 * While no connection is up, messages wait for the next attempt (`peerConnectingBytesMax`) and are dropped if it fails: what a
 * member said seconds ago only confuses those who come back.
 */
import { peerConnectingBytesMax, peerQueueBytesMax, peerSocketBytesMax } from '../base/limits.ts';
import type { PeerMessage } from '../node/peer-message.ts';
import type { MemberId } from '../store/entry.ts';
import type { Channel } from './channel.ts';
import { type Dialer, dial } from './dial.ts';
import { type Refusal, readRefusal } from './handshake.ts';
import { Outbox } from './outbox.ts';

/** Counted since the link was made. */
export interface LinkCounters {
  readonly up: boolean;
  readonly sentBytes: number;
  readonly sentMessages: number;
  readonly queuedBytes: number;
  /** Messages that never left: queue full, no connection, or too large for a frame. */
  readonly droppedMessages: number;
  /** Connections made after the first. */
  readonly reconnects: number;
  readonly rttMs: number | undefined;
}

export interface LinkEvents {
  /** The handshake was refused; told once until the reason changes or a connection succeeds. */
  onRefused(member: MemberId, by: 'peer' | 'us', refusal: Refusal): void;
  onRoundTrip(member: MemberId, ms: number): void;
}

export class Link {
  readonly member: MemberId;
  readonly #url: string;
  readonly #dialer: Dialer;
  readonly #events: LinkEvents;
  readonly #outbox = new Outbox();
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #channel: Channel | undefined;
  #flushing = false;
  #failures = 0;
  #connections = 0;
  #sentBytes = 0;
  #takenMessages = 0;
  #droppedMessages = 0;
  #lastReason: string | undefined;
  #wakeBackoff: (() => void) | undefined;

  /** Starts dialing at once. */
  constructor(member: MemberId, url: string, dialer: Dialer, events: LinkEvents) {
    this.member = member;
    this.#url = url;
    this.#dialer = dialer;
    this.#events = events;
    this.#running = this.#run();
  }

  get url(): string {
    return this.#url;
  }

  get counters(): LinkCounters {
    return {
      up: this.#channel !== undefined,
      sentBytes: this.#sentBytes + (this.#channel?.bytes.sent ?? 0),
      sentMessages: this.#takenMessages - this.#outbox.messages,
      queuedBytes: this.#outbox.bytes,
      droppedMessages: this.#droppedMessages,
      reconnects: Math.max(0, this.#connections - 1),
      rttMs: this.#channel?.rttMs,
    };
  }

  /** Queues a message; it leaves at the end of this step with all others of the turn. */
  send(message: PeerMessage): void {
    if (this.#stop.signal.aborted) return;
    const queued = this.#outbox.push(message, this.#channel === undefined ? peerConnectingBytesMax : peerQueueBytesMax);
    if (queued !== 'queued') {
      this.#droppedMessages++;
      return;
    }
    this.#takenMessages++;
    if (this.#flushing || this.#channel === undefined) return;
    this.#flushing = true;
    process.nextTick(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  /** Tries again now: the peer has just shown that it lives. */
  hurry(): void {
    this.#failures = 0;
    this.#wakeBackoff?.();
  }

  /** Sends what is queued if that goes quickly, then ends for good. */
  async close(): Promise<void> {
    const channel = this.#channel;
    if (channel !== undefined) {
      channel.send(this.#outbox.take(Number.POSITIVE_INFINITY));
      channel.finish('stopped', this.#dialer.timings.closeMs);
    }
    this.#stop.abort();
    this.#wakeBackoff?.();
    await this.#running;
  }

  #flush(): void {
    const channel = this.#channel;
    if (channel === undefined) return;
    const room = peerSocketBytesMax - channel.waitingBytes;
    if (room <= 0) return;
    const frames = this.#outbox.take(room);
    if (frames.length > 0) channel.send(frames);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const dialed = await dial(this.#dialer, this.member, this.#url, 'messages', signal);
      if (dialed.type === 'open') {
        await this.#carry(dialed.channel);
      } else if (dialed.type === 'refused') {
        this.#refused(dialed.by, dialed.refusal);
      }
      this.#forget();
      if (!signal.aborted) await this.#backoff();
    }
  }

  async #carry(channel: Channel): Promise<void> {
    if (this.#stop.signal.aborted) return channel.end('stopped');
    this.#connections++;
    this.#lastReason = undefined;
    this.#channel = channel;
    const sinceMs = performance.now();
    channel.onRoundTrip = (ms) => this.#events.onRoundTrip(this.member, ms);
    channel.onDrain(() => this.#flush());
    // An acceptor has nothing to say on this connection but its pings; a refusal is its last word.
    channel.consume((frame) => {
      const told = frame.type === 'refusal' ? readRefusal(frame.body) : undefined;
      if (told !== undefined) this.#refused('peer', told);
      channel.end(told?.text ?? `unexpected ${frame.type} frame`);
    });
    this.#flush();
    await channel.ended;
    this.#channel = undefined;
    // A connection that broke at once was no success: whoever throws us out each time is not dialed in a tight loop.
    if (performance.now() - sinceMs >= this.#dialer.timings.backoffMsMax) this.#failures = 0;
    this.#sentBytes += channel.bytes.sent;
  }

  #refused(by: 'peer' | 'us', refusal: Refusal): void {
    if (refusal.reason === this.#lastReason) return;
    this.#lastReason = refusal.reason;
    this.#events.onRefused(this.member, by, refusal);
  }

  #forget(): void {
    const dropped = this.#outbox.clear();
    this.#takenMessages -= dropped;
    this.#droppedMessages += dropped;
  }

  /** 20 ms, 40, … 1 s, each jittered to between a half and the whole, so that members do not dial in step. */
  async #backoff(): Promise<void> {
    const { backoffMsMin, backoffMsMax } = this.#dialer.timings;
    const wholeMs = Math.min(backoffMsMax, backoffMsMin * 2 ** Math.min(this.#failures++, 16));
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, wholeMs * (0.5 + Math.random() / 2));
      this.#wakeBackoff = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wakeBackoff = undefined;
  }
}
