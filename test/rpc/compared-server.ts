/** One of the two servers that are asked the same: knows its clients, and the ids it gave to leases. */
import * as grpc from '@grpc/grpc-js';
import { methodTypes, type WireType, wireType } from '../../src/rpc/codec.ts';
import { bigintOf, type Int, int64Of, numberOf } from '../../src/rpc/int64.ts';
import { type WatchResponse, wire } from '../../src/rpc/messages.ts';
import { comparable, comparableStatus } from './comparable.ts';
import { placeholderOf, type Step } from './random-calls.ts';
import { type Status, WireClient } from './wire-client.ts';

export class ComparedServer {
  readonly #channels: readonly grpc.Client[];
  readonly #clients: readonly WireClient[];
  /** The one that has surely applied all that was answered. */
  #fresh = 0;
  #turn = 0;
  /** By what stands for them, the last one given for each slot. */
  readonly #ids = new Map<number, Int>();
  /** Every id it chose, as text, and its number. */
  readonly #names = new Map<string, string>();

  constructor(addresses: readonly string[]) {
    this.#channels = addresses.map(
      (address) =>
        new grpc.Client(address, grpc.credentials.createInsecure(), { 'grpc.max_receive_message_length': -1 }),
    );
    this.#clients = this.#channels.map((channel) => new WireClient(channel));
  }

  close(): void {
    for (const channel of this.#channels) channel.close();
  }

  /** What the step comes to, without what may differ between servers. */
  async do(step: Step): Promise<unknown> {
    switch (step.type) {
      case 'unary':
        return await this.#unary(step.path, this.encoded(step.path, step.message));
      case 'bytes':
        return await this.#unary(step.path, step.request);
      case 'grant':
        return await this.#grant(step.slot, step.ttl);
      case 'keepAlive':
        return await this.#keepAlive(this.#resolved(step.id) as Int);
      default:
        return await this.#watch(step.create, step.key);
    }
  }

  encoded(path: string, message: object): Uint8Array {
    return wireType<object>(methodTypes(path).request).encode(this.#resolved(message) as object);
  }

  async #unary(path: string, request: Uint8Array): Promise<unknown> {
    const types = methodTypes(path);
    const local = isLocal(path, request, wireType<object>(types.request));
    const at = local ? this.#fresh : this.#next();
    const raw = await this.#client(at).raw(path, request, {}, 30_000);
    if ('code' in raw) return comparableStatus(raw);
    if (!local) this.#fresh = at;
    return comparable(wireType<object>(types.answer).decode(raw), this.#names);
  }

  async #grant(slot: number, ttl: Int): Promise<unknown> {
    const at = this.#next();
    const request = wire.LeaseGrantRequest.encode({ TTL: ttl });
    const raw = await this.#client(at).raw('/etcdserverpb.Lease/LeaseGrant', request, {}, 30_000);
    if ('code' in raw) return comparableStatus(raw);
    this.#fresh = at;
    const answer = wire.LeaseGrantResponse.decode(raw);
    this.#ids.set(placeholderOf(slot), answer.ID);
    this.#names.set(bigintOf(answer.ID).toString(), `chosen ${this.#names.size}`);
    return { ...(comparable(answer, this.#names) as object), positive: bigintOf(answer.ID) > 0n };
  }

  async #keepAlive(id: Int): Promise<unknown> {
    const stream = this.#client(this.#fresh).keepAlive();
    stream.send({ ID: id });
    const answer = await stream.next().catch((status: Status) => comparableStatus(status));
    stream.raw.end();
    return 'code' in answer ? answer : comparable(answer, this.#names);
  }

  /** All events up to a put and a delete of `key` behind the creation, however they are cut into responses. */
  async #watch(create: Extract<Step, { type: 'watch' }>['create'], key: Uint8Array): Promise<unknown> {
    const client = this.#client(this.#fresh);
    const stream = client.watch();
    stream.send({ createRequest: create });
    const created = await stream.next();
    const put = await client.raw('/etcdserverpb.KV/Put', wire.PutRequest.encode({ key }));
    const gone = await client.raw('/etcdserverpb.KV/DeleteRange', wire.DeleteRangeRequest.encode({ key }));
    for (const answer of [put, gone]) {
      if (!('code' in answer)) continue;
      stream.raw.cancel();
      return comparableStatus(answer);
    }
    const { header } = wire.PutResponse.decode(put as Uint8Array);
    const last = numberOf(header?.revision ?? 0) + (create.filters?.includes(1) ? 0 : 1);
    const start = numberOf(create.startRevision ?? 0);
    const responses: WatchResponse[] = [created];
    while (start <= last && !responses.some((one) => one.canceled || reaches(one, last)))
      responses.push(await stream.next());
    stream.raw.cancel();
    const told = responses.map(({ header: _header, fragment: _fragment, events: _events, ...rest }) => rest);
    const quiet = told.filter((one) => one.created || one.canceled);
    return comparable({ told: quiet, events: responses.flatMap((one) => one.events) }, this.#names);
  }

  #client(at: number): WireClient {
    return this.#clients[at] as WireClient;
  }

  #next(): number {
    this.#turn = (this.#turn + 1) % this.#clients.length;
    return this.#turn;
  }

  /** With the ids that this server gave in the place of their slots; of a slot without any, an unknown one. */
  #resolved(value: unknown): unknown {
    if (typeof value === 'number') {
      const known = this.#ids.get(value);
      if (known !== undefined) return known;
      return value >= placeholderOf(0) && value < placeholderOf(9) ? int64Of(424_242n) : value;
    }
    if (Array.isArray(value)) return value.map((item) => this.#resolved(item));
    if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
    return Object.fromEntries(Object.entries(value).map(([field, inner]) => [field, this.#resolved(inner)]));
  }
}

function reaches(response: WatchResponse, revision: number): boolean {
  return response.events.some(({ kv }) => numberOf(kv?.modRevision ?? 0) >= revision);
}

/** Whether the answer comes from the member's own state, without asking the others. */
function isLocal(path: string, request: Uint8Array, type: WireType<object>): boolean {
  if (path.startsWith('/etcdserverpb.Maintenance/') || path.endsWith('/MemberList')) return true;
  if (path.endsWith('/LeaseLeases') || path.endsWith('/LeaseTimeToLive')) return true;
  if (!path.endsWith('/Range') && !path.endsWith('/Txn')) return false;
  try {
    const message = type.decode(request);
    return /"serializable":true/.test(JSON.stringify(message)) || path.endsWith('/Txn');
  } catch {
    return false;
  }
}
