/**
 * A client's watch over its connections: it reads at its own pace, moves to another member when its connection breaks or when it
 * likes, and resumes one revision after the last it saw. What it is delivered goes into its record; judging that is the checks'.
 */
import type { EventView } from '../../src/state/history.ts';
import type { Watcher } from '../../src/watch/watcher.ts';
import type { WatchRecord } from './history.ts';
import type { SimMember } from './member.ts';
import type { ClientOp } from './schedule.ts';
import { keyBytes, rangeEndBytes } from './workload.ts';
import type { World } from './world.ts';

type WatchOp = ClientOp & { readonly type: 'watch' };

const pullBytesMax = 4_096;
/** A watch whose connection was not made, or broke, tries again after this. */
const retryMs = 400;
/** How often a connection is pinged: one that is cut is given up. */
const pingMs = 2_000;

/** Client `client` watches through `member`, and later others, for `op.forMs`. */
export function openWatch(world: World, client: number, member: SimMember, op: WatchOp): void {
  new Watching(world, client, op).connect(member);
}

class Watching {
  readonly #world: World;
  readonly #op: WatchOp;
  readonly #record: WatchRecord;
  /** Grows with every connection; what belongs to an older one is void. */
  #connection = 0;
  #member: SimMember | undefined;
  #watcher: Watcher | undefined;
  readonly #gone = (member: SimMember): void => {
    if (member === this.#member) this.#reconnectLater();
  };

  constructor(world: World, client: number, op: WatchOp) {
    this.#world = world;
    this.#op = op;
    const { watches, newestRevision } = world.clients;
    const startRevision = op.back === 0 ? 0 : Math.max(1, newestRevision - op.back);
    this.#record = {
      number: watches.length,
      client,
      key: keyBytes(op.key),
      rangeEnd: rangeEndBytes(op.keyTo),
      prevKv: op.prevKv,
      noPut: op.noPut,
      noDelete: op.noDelete,
      slowMs: op.slowMs,
      startRevision,
      sentMs: world.nowMs,
      createdRevision: undefined,
      connections: [],
      events: [],
      seenRevision: startRevision === 0 ? 0 : startRevision - 1,
      compactRevision: 0,
      endedMs: undefined,
    };
    watches.push(this.#record);
    world.observer.watchOpened(this.#record);
    world.clients.goneListeners.add(this.#gone);
    world.timeline.after(op.forMs, () => this.#end());
    this.#ping();
  }

  #ping(): void {
    const { network, members, timeline } = this.#world;
    timeline.after(pingMs, () => {
      if (this.#record.endedMs !== undefined) return;
      const client = members.length + this.#record.client;
      const index = this.#member?.index;
      if (index !== undefined && (network.isCut(client, index) || network.isCut(index, client))) this.#reconnectLater();
      this.#ping();
    });
  }

  connect(member: SimMember): void {
    const { network, members, timeline } = this.#world;
    this.#leave();
    const connection = ++this.#connection;
    this.#member = member;
    const there = network.link(members.length + this.#record.client, member.index);
    network.carry(there, () => member.post(() => this.#create(member, connection)));
    // No answer: try another one.
    timeline.after(3 * retryMs, () => {
      if (connection === this.#connection && this.#watcher === undefined) this.#reconnectLater();
    });
    const { moveMs } = this.#op;
    if (moveMs > 0)
      timeline.after(moveMs, () => {
        if (connection === this.#connection) this.#move();
      });
  }

  /** At the member: the watcher is registered in this step. */
  #create(member: SimMember, connection: number): void {
    const { node } = member;
    if (node === undefined || connection !== this.#connection || this.#watcher !== undefined) return;
    const record = this.#record;
    // Until something was seen, the first creation says where "from now on" began.
    const startRevision = record.createdRevision === undefined ? record.startRevision : record.seenRevision + 1;
    const { key, rangeEnd, noPut, noDelete, prevKv } = record;
    const spec = { key, rangeEnd, startRevision, noPut, noDelete, prevKv };
    const { boot } = member;
    const watcher = node.hub.watch(spec, () => this.#readLater(member, boot, connection));
    if ('type' in watcher) {
      if (watcher.type === 'compacted') record.compactRevision = watcher.compacted;
      this.#end();
      return;
    }
    this.#watcher = watcher;
    if (record.createdRevision === undefined) {
      record.createdRevision = node.machine.revision;
      if (record.startRevision === 0) record.seenRevision = node.machine.revision;
    }
    record.connections.push({
      member: member.index,
      atMs: this.#world.nowMs,
      startRevision,
      firstEvent: record.events.length,
      compactRevision: node.machine.compactRevision,
    });
    this.#readLater(member, boot, connection);
  }

  #readLater(member: SimMember, boot: number, connection: number): void {
    this.#world.timeline.after(this.#op.slowMs, () => {
      if (member.boot !== boot || member.node === undefined || connection !== this.#connection) return;
      member.post(() => this.#read(member, boot, connection));
    });
  }

  /** Pulls once, sends what came over the link, and goes on while there is more. */
  #read(member: SimMember, boot: number, connection: number): void {
    const watcher = this.#watcher;
    const { node } = member;
    if (node === undefined || watcher === undefined || connection !== this.#connection) return;
    const { network, members } = this.#world;
    const pulled = node.hub.pull(watcher, pullBytesMax);
    if (pulled.type === 'compacted') {
      this.#record.compactRevision = pulled.compacted;
      this.#end();
      return;
    }
    const back = network.link(member.index, members.length + this.#record.client);
    // One stream: what is lost in between breaks it, and nothing arrives twice.
    if (back.cuts > 0) {
      this.#reconnectLater();
      return;
    }
    this.#take(member, pulled.revision, pulled.events);
    if (!node.hub.synced(watcher)) this.#readLater(member, boot, connection);
  }

  #take(member: SimMember, revision: number, events: readonly EventView[]): void {
    const record = this.#record;
    const world = this.#world;
    if (revision > record.seenRevision) record.seenRevision = revision;
    record.events.push(...events);
    world.clients.watchEvents += events.length;
    world.timeline.mix((record.number << 8) ^ events.length ^ revision);
    if (events.length > 0 && world.trace !== undefined)
      world.trace(-1, `c${record.client + 1} watch #${record.number} up to ${revision}: ${events.length} events`);
    world.observer.watched(record, events, member);
  }

  #move(): void {
    const { members } = this.#world;
    this.connect(members[((this.#member?.index ?? 0) + 1) % members.length] as SimMember);
  }

  #reconnectLater(): void {
    const connection = ++this.#connection;
    this.#leave();
    this.#world.timeline.after(retryMs, () => {
      if (connection === this.#connection && this.#record.endedMs === undefined) this.#move();
    });
  }

  #leave(): void {
    if (this.#watcher !== undefined) this.#member?.node?.hub.cancel(this.#watcher);
    this.#watcher = undefined;
  }

  #end(): void {
    const record = this.#record;
    if (record.endedMs !== undefined) return;
    this.#connection++;
    this.#leave();
    record.endedMs = this.#world.nowMs;
    this.#world.clients.goneListeners.delete(this.#gone);
    this.#world.observer.watchEnded(record);
  }
}
