/**
 * Members talk to members: the acceptor, one link per peer, snapshot streams and the question before the first start, as one thing that
 * the program holds. Owns their lives and the list of peers; what is said is the node's. Its life: `listen`, then (with an empty
 * directory) `ask`, then `start`, at the end `close`.
 */
import { assert } from '../base/assert.ts';
import type { PeerMessage } from '../node/peer-message.ts';
import type { PeersPort } from '../node/ports.ts';
import type { SnapshotHead } from '../raft/message.ts';
import type { MemberId } from '../store/entry.ts';
import type { ImageRecord } from '../store/image.ts';
import { Acceptor, type IncomingCounters } from './acceptor.ts';
import { type PeerAddress, parsePeerUrl } from './address.ts';
import { askUntilDecided, type StartDecision } from './ask.ts';
import type { Dialer, KnownBoots } from './dial.ts';
import { type HelloChecks, isFatal, type Refusal } from './handshake.ts';
import { Link, type LinkCounters } from './link.ts';
import { SnapshotIntake, type SnapshotReceiver, type SnapshotSent, sendSnapshot } from './snapshot-stream.ts';
import { defaultTimings, type PeerTimings } from './timings.ts';

/** A refused handshake, ours or theirs, for the log. */
export interface PeerRefused extends Refusal {
  /** `them`: a dialer or peer refused by us; `us`: we were refused. */
  readonly who: 'us' | 'them';
  /** Unknown if a stranger did not get as far as saying. */
  readonly member: MemberId | undefined;
  /** Where it was: `host:port` of an incoming connection, or the peer's URL. */
  readonly address: string;
  /** We were refused for what we are (another cluster, an older or emptied directory): log it and exit. */
  readonly fatal: boolean;
}

export interface PeerEvents {
  /** In order per sender, but for elections and heartbeats, which may overtake. Called in the step in which the bytes arrive. */
  onMessage(message: PeerMessage): void;
  /** The connection from this member broke, or it restarted: a leader may be gone. */
  onLinkLost(member: MemberId): void;
  onRefused(refused: PeerRefused): void;
}

export interface PeersOptions {
  readonly clusterId: bigint;
  readonly member: MemberId;
  /** All other members. */
  readonly peers: readonly PeerAddress[];
  readonly knownBoots: KnownBoots;
  /**
   * True while this member holds nothing that the cluster could have acknowledged: an empty directory, or a first start whose commit
   * index is still the initial configuration's. Told to members that ask before their first start.
   */
  readonly fresh: () => boolean;
  readonly snapshots: SnapshotReceiver;
  readonly events: PeerEvents;
  readonly timings?: PeerTimings;
}

/** For metrics; counted since the process started. */
export interface PeerCounters {
  readonly member: MemberId;
  readonly outgoing: LinkCounters;
  readonly incoming: IncomingCounters;
}

export class Peers implements PeersPort {
  /** For metrics: a peer answered a ping. */
  onRoundTrip: ((member: MemberId, ms: number) => void) | undefined;
  readonly #options: PeersOptions;
  readonly #dialer: Dialer;
  readonly #acceptor: Acceptor;
  readonly #links = new Map<MemberId, Link>();
  readonly #stop = new AbortController();
  #addresses: ReadonlyMap<MemberId, PeerAddress> = new Map();
  #boot = 0;
  #token = 0n;

  constructor(options: PeersOptions) {
    this.#options = options;
    const { clusterId, member, knownBoots, snapshots, events } = options;
    const timings = options.timings ?? defaultTimings;
    const own = (): { boot: number; token: bigint } => ({ boot: this.#boot, token: this.#token });
    const checks: HelloChecks = {
      clusterId,
      self: member,
      get boot() {
        return own().boot;
      },
      get token() {
        return own().token;
      },
      knows: (peer) => this.#addresses.has(peer),
      seen: (peer) => knownBoots.seen(peer),
      check: (peer, boot, token) => {
        if (knownBoots.check !== undefined) return knownBoots.check(peer, boot, token);
        const seen = knownBoots.seen(peer);
        return boot > seen ? 'new' : boot === seen ? 'same' : 'older';
      },
    };
    this.#dialer = { checks, knownBoots, timings };
    const intake = new SnapshotIntake(member, snapshots, timings.closeMs);
    this.#acceptor = new Acceptor(this.#dialer, options.fresh, intake, {
      onMessage: (message) => events.onMessage(message),
      onLinkLost: (peer) => events.onLinkLost(peer),
      onLinkUp: (peer) => this.#links.get(peer)?.hurry(),
      onRefused: (address, peer, refusal) =>
        events.onRefused({ ...refusal, who: 'them', member: peer, address, fatal: false }),
    });
    this.setPeers(options.peers);
  }

  /**
   * Opens the peer port (0: any) and resolves with its number; once per address. Until `start`, only questions are answered.
   */
  listen(host: string, port: number): Promise<number> {
    return this.#acceptor.listen(host, port);
  }

  /** May a member with an empty directory start? `undefined` if `close` came first. Never ends in `wait`. */
  ask(onWaiting: (text: string) => void): Promise<StartDecision | undefined> {
    assert(this.#boot === 0, 'S6: a member asks before its first start');
    return askUntilDecided(this.#dialer, [...this.#addresses.values()], this.#stop.signal, onWaiting);
  }

  /** From now on messages come and go. `boot` is this start's count and `token` its random mark, on disk already. */
  start(boot: number, token = 0n): void {
    assert(boot > 0 && this.#boot === 0, 'S6: a member starts once, with a boot of its own');
    this.#boot = boot;
    this.#token = token;
    this.setPeers([...this.#addresses.values()]);
  }

  /** Fire and forget; to nobody we know: dropped. */
  send(to: MemberId, message: PeerMessage): void {
    assert(message.from === this.#options.member && message.to === to, 'peers: a message carries its true ends');
    this.#links.get(to)?.send(message);
  }

  /** Streams an image to `head.to`; several may run at once. Never rejects. */
  sendSnapshot(head: SnapshotHead, chunks: AsyncIterable<readonly ImageRecord[]>): Promise<SnapshotSent> {
    assert(head.from === this.#options.member, 'peers: a snapshot carries its true sender');
    const peer = this.#addresses.get(head.to);
    if (peer === undefined) return Promise.resolve({ ok: false, why: 'not a member', bytes: 0 });
    return sendSnapshot(this.#dialer, peer, head, chunks, this.#stop.signal);
  }

  /** Replaces the list of other members. Throws on a URL that cannot be dialed. */
  setPeers(peers: readonly PeerAddress[]): void {
    for (const peer of peers) parsePeerUrl(peer.url);
    this.#addresses = new Map(peers.map((peer) => [peer.member, peer]));
    for (const [member, link] of this.#links) {
      const url = this.#addresses.get(member)?.url;
      if (url === link.url) continue;
      this.#links.delete(member);
      void link.close();
      if (url === undefined) this.#acceptor.drop(member);
    }
    if (this.#boot === 0 || this.#stop.signal.aborted) return;
    for (const { member, url } of peers) {
      if (!this.#links.has(member)) this.#links.set(member, this.#link(member, url));
    }
  }

  #link(member: MemberId, url: string): Link {
    return new Link(member, url, this.#dialer, {
      onRefused: (peer, by, refusal) => {
        const fatal = by === 'peer' && isFatal(refusal.reason);
        const who = by === 'peer' ? 'us' : 'them';
        this.#options.events.onRefused({ ...refusal, who, member: peer, address: url, fatal });
      },
      onRoundTrip: (peer, ms) => this.onRoundTrip?.(peer, ms),
    });
  }

  /** Connections on the peer port, strangers included. */
  get connections(): number {
    return this.#acceptor.connections;
  }

  counters(): readonly PeerCounters[] {
    return [...this.#links.values()].map((link) => ({
      member: link.member,
      outgoing: link.counters,
      incoming: this.#acceptor.counters(link.member),
    }));
  }

  /** Sends what is queued if that goes quickly, then closes everything; done within a second. */
  async close(): Promise<void> {
    this.#stop.abort();
    const links = [...this.#links.values()];
    this.#links.clear();
    await Promise.all([...links.map((link) => link.close()), this.#acceptor.close()]);
  }
}
