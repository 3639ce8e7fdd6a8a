/**
 * The peer port: who comes in, and what their connections carry. Owns the handshake's acceptor half, the caps against strangers, and
 * one message connection per member; a new one of the same member replaces the old, whose remaining bytes are never read. What a
 * member sends carries its own name and ours, or its connection ends. Invariants: S6.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { peerConnectionsMax } from '../base/limits.ts';
import type { PeerMessage } from '../node/peer-message.ts';
import type { MemberId } from '../store/entry.ts';
import { type AskAnswer, writeAskAnswer } from './ask.ts';
import { Channel } from './channel.ts';
import { decodePeerMessage } from './codec.ts';
import type { Dialer } from './dial.ts';
import type { Frame } from './frame.ts';
import {
  checkDialer,
  type Hello,
  hex,
  type Refusal,
  readHello,
  refusal,
  writeHello,
  writeRefusal,
} from './handshake.ts';
import type { SnapshotIntake } from './snapshot-stream.ts';

export interface AcceptorEvents {
  onMessage(message: PeerMessage): void;
  /** The member's message connection broke, or it came back with a newer boot. */
  onLinkLost(member: MemberId): void;
  /** A member's message connection is in place. */
  onLinkUp(member: MemberId): void;
  /** Somebody was refused; `member` if it said who it is. */
  onRefused(address: string, member: MemberId | undefined, refusal: Refusal): void;
}

interface Incoming {
  readonly boot: number;
  readonly channel: Channel;
}

/** Counted since the start, per member. */
export interface IncomingCounters {
  readonly up: boolean;
  readonly receivedBytes: number;
  readonly receivedMessages: number;
}

export class Acceptor {
  readonly #own: Dialer;
  readonly #fresh: () => boolean;
  readonly #snapshots: SnapshotIntake;
  readonly #events: AcceptorEvents;
  readonly #servers: Server[] = [];
  /** All connections; those in `#strangers` have not finished their handshake, oldest first. */
  readonly #channels = new Set<Channel>();
  readonly #strangers = new Set<Channel>();
  readonly #incoming = new Map<MemberId, Incoming>();
  readonly #received = new Map<MemberId, { bytes: number; messages: number }>();
  #closed = false;

  constructor(own: Dialer, fresh: () => boolean, snapshots: SnapshotIntake, events: AcceptorEvents) {
    this.#own = own;
    this.#fresh = fresh;
    this.#snapshots = snapshots;
    this.#events = events;
  }

  /** Connections open now. */
  get connections(): number {
    return this.#channels.size;
  }

  /** Resolves with the port; rejects if it cannot be had. May be called for several addresses. */
  listen(host: string, port: number): Promise<number> {
    const server = createServer({ pauseOnConnect: true }, (socket) => this.#connected(socket));
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, () => {
        server.removeListener('error', reject);
        // From now on an error is one connection's (no descriptor left): the port stays open.
        server.on('error', () => {});
        this.#servers.push(server);
        const address = server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }

  counters(member: MemberId): IncomingCounters {
    const received = this.#received.get(member);
    const current = this.#incoming.get(member)?.channel.bytes.received ?? 0;
    return {
      up: this.#incoming.has(member),
      receivedBytes: (received?.bytes ?? 0) + current,
      receivedMessages: received?.messages ?? 0,
    };
  }

  /** Ends the connections of a member that is no longer one. */
  drop(member: MemberId): void {
    this.#incoming.get(member)?.channel.end('no longer a member');
  }

  /** Ends everything at once. */
  async close(): Promise<void> {
    this.#closed = true;
    const closed = this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    for (const channel of this.#channels) channel.end('stopped');
    await Promise.all(closed);
  }

  #connected(socket: Socket): void {
    if (this.#channels.size >= peerConnectionsMax) {
      const [oldest] = this.#strangers;
      if (oldest === undefined) return void socket.destroy();
      oldest.end('made room for a newer connection');
      this.#channels.delete(oldest);
      this.#strangers.delete(oldest);
    }
    const channel = new Channel(socket);
    this.#channels.add(channel);
    this.#strangers.add(channel);
    void channel.ended.then(() => {
      this.#channels.delete(channel);
      this.#strangers.delete(channel);
    });
    const timer = setTimeout(() => channel.end('handshake timed out'), this.#own.timings.handshakeMs);
    void this.#welcome(channel).finally(() => clearTimeout(timer));
  }

  /** The handshake. All checks are made before anything behind the hello is read. */
  async #welcome(channel: Channel): Promise<void> {
    const frame = await channel.read();
    if (frame === undefined) {
      if (channel.bytes.received > 0) this.#tell(channel, undefined, refusal('notAPeer', channel.why ?? 'closed'));
      return;
    }
    const hello = frame.type === 'hello' ? readHello(frame.body) : refusal('notAPeer', 'no hello came first');
    if ('reason' in hello) return this.#refuse(channel, undefined, hello);
    const refused = checkDialer(hello, this.#own.checks) ?? this.#checkAsk(hello) ?? (await this.#noteBoot(hello));
    if (refused !== undefined) return this.#refuse(channel, hello.member, refused);
    if (channel.why !== undefined || this.#closed) return channel.end('stopped');
    const { clusterId, self, boot, token } = this.#own.checks;
    const answer: Hello = { clusterId, member: self, target: hello.member, boot, token, purpose: hello.purpose };
    channel.write('hello', (writer) => writeHello(writer, answer));
    if (hello.purpose === 'ask') return this.#answer(channel, hello.member);
    this.#strangers.delete(channel);
    channel.open(this.#own.timings);
    if (hello.purpose === 'messages') return this.#carry(channel, hello);
    void this.#receiveSnapshot(channel, hello.member);
  }

  /** While we have data and have not read it, we know nobody: answering so would let a member that lost its data in (S6). */
  #checkAsk(hello: Hello): Refusal | undefined {
    const { boot, self } = this.#own.checks;
    if (hello.purpose !== 'ask' || boot > 0 || this.#fresh()) return undefined;
    return refusal('notReady', `member ${hex(self)} has not read its data yet`);
  }

  /** The member's boot is on disk before a message of it is read; a newer one may have come meanwhile. */
  async #noteBoot(hello: Hello): Promise<Refusal | undefined> {
    const { knownBoots, checks } = this.#own;
    if (hello.purpose === 'ask') return undefined;
    try {
      await knownBoots.note(hello.member, hello.boot, hello.token);
    } catch {
      return refusal('busy', 'cannot remember your start');
    }
    return checkDialer(hello, checks);
  }

  #answer(channel: Channel, asker: MemberId): void {
    const answer: AskAnswer = { knownBoot: this.#own.checks.seen(asker), fresh: this.#fresh() };
    channel.write('askAnswer', (writer) => writeAskAnswer(writer, answer));
    channel.finish('answered', this.#own.timings.closeMs);
  }

  #carry(channel: Channel, hello: Hello): void {
    const { member, boot } = hello;
    const before = this.#incoming.get(member);
    this.#incoming.set(member, { boot, channel });
    before?.channel.end('replaced by a newer connection');
    if (before !== undefined && before.boot < boot) this.#events.onLinkLost(member);
    this.#events.onLinkUp(member);
    const received = this.#received.get(member) ?? { bytes: 0, messages: 0 };
    this.#received.set(member, received);
    void channel.stopped.then(() => {
      received.bytes += channel.bytes.received;
      if (this.#incoming.get(member)?.channel !== channel) return;
      this.#incoming.delete(member);
      if (!this.#closed) this.#events.onLinkLost(member);
    });
    channel.consume((frame) => {
      const bad = this.#take(frame, member);
      if (bad === undefined) received.messages++;
      else this.#refuse(channel, member, refusal('badMessage', bad));
    });
  }

  /** Undefined if the frame held a message that this member may send us, else what is wrong with it. */
  #take(frame: Frame, member: MemberId): string | undefined {
    if (frame.type !== 'message') return `unexpected ${frame.type} frame`;
    const decoded = decodePeerMessage(frame.body, frame.owned);
    if (!decoded.ok) return decoded.why;
    if (decoded.message.from !== member) return 'a message in the name of another member';
    if (decoded.message.to !== this.#own.checks.self) return 'a message for another member';
    this.#events.onMessage(decoded.message);
    return undefined;
  }

  async #receiveSnapshot(channel: Channel, member: MemberId): Promise<void> {
    const refused = await this.#snapshots.run(channel, member);
    if (refused !== undefined && !this.#closed) this.#tell(channel, member, refused);
  }

  #refuse(channel: Channel, member: MemberId | undefined, refused: Refusal): void {
    channel.write('refusal', (writer) => writeRefusal(writer, refused));
    channel.finish(refused.text, this.#own.timings.closeMs);
    this.#tell(channel, member, refused);
  }

  #tell(channel: Channel, member: MemberId | undefined, refused: Refusal): void {
    this.#events.onRefused(channel.address, member, refused);
  }
}
