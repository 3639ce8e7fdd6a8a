/**
 * The same script of watch requests and writes to a real etcd and to us: after every step the responses of each watcher must be
 * equal but for ids and terms. What stays different on purpose (decision 0015) is left out of the script or masked: starts below
 * 0, and the header of a creation in the past. Runs where `etcd` is installed. SEED and DIFF_STEPS by environment.
 */
import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { methodTypes, type Sparse, wireType } from '../../src/rpc/codec.ts';
import { numberOf } from '../../src/rpc/int64.ts';
import { type WatchCreateRequest, type WatchRequest, type WatchResponse, wire } from '../../src/rpc/messages.ts';
import { etcdInstalled, RealEtcd } from '../support/real-etcd.ts';
import { bytes, Fixture, text, until, WireClient } from './wire-client.ts';

const seed = Number(process.env['SEED'] ?? 20_261_125);
const stepsMax = Number(process.env['DIFF_STEPS'] ?? 250);
const progressIntervalMs = 100;

/** The watcher of the fence: when a put of its key has come, so has all that was before it. */
const fenceId = 100_000;
const fenceKey = '~fence';

let fixture: Fixture;
let etcd: RealEtcd | undefined;
let channel: grpc.Client | undefined;

beforeAll(async () => {
  if (!etcdInstalled) return;
  fixture = await Fixture.start({ progressIntervalMs });
  etcd = await RealEtcd.start({ 'experimental-watch-progress-notify-interval': `${progressIntervalMs}ms` });
  channel = new grpc.Client(etcd.address, grpc.credentials.createInsecure(), { 'grpc.max_receive_message_length': -1 });
});
afterAll(async () => {
  channel?.close();
  etcd?.stop();
  await fixture?.stop();
});

/** One server, a watch stream on it, and all that it said on that and was not looked at yet. */
class Side {
  readonly #client: WireClient;
  readonly #stream: ReturnType<WireClient['watch']>;
  readonly #responses: WatchResponse[] = [];
  #fences = 0;
  #notes = 0;

  constructor(client: WireClient) {
    this.#client = client;
    this.#stream = client.watch();
  }

  async call(name: string, request: Uint8Array): Promise<unknown> {
    const path = `/etcdserverpb.${name}`;
    const answer = await this.#client.raw(path, request);
    if ('code' in answer) return answer;
    const { header, ...rest } = JSON.parse(JSON.stringify(wireType<object>(methodTypes(path).answer).decode(answer)));
    return { ...rest, revision: header?.revision };
  }

  /** Sends, and waits until the server has looked at it: it answers a question for progress after that. */
  async send(request: Sparse<WatchRequest>): Promise<void> {
    this.#stream.send(request);
    this.#stream.send({ progressRequest: {} });
    const notes = ++this.#notes;
    await this.#until(() => this.#notesSeen() >= notes, 'progress is told');
  }

  /** Waits until all that was written so far has come. */
  async fence(): Promise<void> {
    await this.call('KV/Put', wire.PutRequest.encode({ key: bytes(fenceKey) }));
    const fences = ++this.#fences;
    await this.#until(
      () => this.#responses.filter((each) => numberOf(each.watchId) === fenceId && !each.created).length >= fences,
      'the fence has come',
    );
  }

  /**
   * What was said to each watcher since the last look, in order. After a creation in the past its header is masked, and its
   * responses with events are taken together: both cut a long past into several, at lengths of their own.
   */
  take(past: boolean): Record<string, object[]> {
    this.#read();
    const said: Record<string, { readonly events: WatchResponse['events'] }[]> = {};
    for (const response of this.#responses.splice(0)) {
      const { watchId, created, canceled, compactRevision, cancelReason, fragment } = response;
      const id = numberOf(watchId);
      const events = response.events.filter(({ kv }) => text(kv?.key ?? bytes('')) !== fenceKey);
      if (id === fenceId || (events.length === 0 && response.events.length > 0)) continue;
      const revision = past && created ? 0 : numberOf(response.header?.revision ?? 0);
      said[id] ??= [];
      const merges = past && events.length > 0 && said[id]?.at(-1)?.events.length;
      const before = merges ? (said[id]?.pop()?.events ?? []) : [];
      const words = { revision, created, canceled, compactRevision, cancelReason, fragment };
      said[id]?.push({ ...words, events: [...before, ...events] });
    }
    this.#fences = 0;
    this.#notes = 0;
    return JSON.parse(JSON.stringify(said));
  }

  /** Responses with events since the last look. */
  get eventResponses(): readonly WatchResponse[] {
    this.#read();
    return this.#responses.filter(({ events }) => events.length > 0);
  }

  /** Everything since the last look. */
  get responses(): readonly WatchResponse[] {
    this.#read();
    return this.#responses;
  }

  cancel(): void {
    this.#stream.raw.cancel();
  }

  #notesSeen(): number {
    const isNote = ({ watchId, created, events }: WatchResponse) =>
      numberOf(watchId) === -1 && !created && events.length === 0;
    return this.#responses.filter(isNote).length;
  }

  #until(condition: () => boolean, what: string): Promise<void> {
    return until(() => {
      this.#read();
      return condition();
    }, what);
  }

  #read(): void {
    for (const message of this.#stream.raw.messages.splice(0)) this.#responses.push(wire.WatchResponse.decode(message));
  }
}

/** Both, with a fence each. */
async function bothSides(): Promise<readonly [Side, Side]> {
  if (channel === undefined) throw new Error('there is no etcd');
  const sides = [new Side(fixture.client()), new Side(new WireClient(channel))] as const;
  for (const side of sides) await side.send({ createRequest: { key: bytes(fenceKey), watchId: fenceId } });
  return sides;
}

/** etcd reads the past every 100 ms, and then counts no slow watcher. */
async function pastIsRead(): Promise<void> {
  for (let look = 0; look < 1_000; look++) {
    const page = await (await fetch(`http://${etcd?.address}/metrics`)).text();
    if (/^etcd_debugging_mvcc_slow_watcher_total 0$/m.test(page)) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('etcd does not catch up');
}

type Step =
  | { readonly type: 'create'; readonly create: Sparse<WatchCreateRequest> & { readonly startRevision: number } }
  | { readonly type: 'cancel'; readonly watchId: number }
  | { readonly type: 'write'; readonly name: string; readonly request: Uint8Array };

test.skipIf(!etcdInstalled)(
  `${stepsMax} random steps: every watcher is told what etcd tells it`,
  { timeout: 240_000 },
  async () => {
    const random = new Prng(seed, 'watch-differential');
    const [ours, theirs] = await bothSides();
    let revision = fixture.member.state.revision;
    let events = 0;
    let compacted = 0;
    for (let at = 0; at < stepsMax; at++) {
      const step = randomStep(random, revision);
      const where = `seed ${seed}, step ${at}: ${JSON.stringify(step)}`;
      const past = step.type === 'create' && step.create.startRevision > 0 && step.create.startRevision <= revision;
      if (step.type === 'write') {
        const [mine, judge] = [await ours.call(step.name, step.request), await theirs.call(step.name, step.request)];
        expect(mine, where).toEqual(judge);
      } else {
        const request =
          step.type === 'create' ? { createRequest: step.create } : { cancelRequest: { watchId: step.watchId } };
        await Promise.all([ours.send(request), theirs.send(request)]);
        if (past) await pastIsRead();
      }
      await Promise.all([ours.fence(), theirs.fence()]);
      const mine = ours.take(past);
      expect(mine, where).toEqual(theirs.take(past));
      if (JSON.stringify(mine).includes('"kv"')) events++;
      if (/"compactRevision":("[1-9]|\{"low":[1-9])/.test(JSON.stringify(mine))) compacted++;
      revision = fixture.member.state.revision;
    }
    for (const side of [ours, theirs]) side.cancel();
    expect(events, 'the script shows events').toBeGreaterThan(stepsMax / 10);
    expect(compacted, 'the script shows starts that are compacted').toBeGreaterThan(stepsMax / 100);
  },
);

const keys = ['a', 'b', 'b\0', 'c', 'k/1', 'k/2', 'k/3', '\0'];
const ends = ['', '', '', '\0', 'b', 'c', 'l', 'a'];
const leases = [7, 8, 9];

function randomStep(random: Prng, revision: number): Step {
  const dice = random.below(21);
  if (dice < 6) return { type: 'create', create: randomCreate(random, revision) };
  if (dice < 8) return { type: 'cancel', watchId: random.below(25) };
  const put = () => ({
    key: bytes(random.pick(keys)),
    value: bytes(random.pick(['', '1', '2', '3'])),
    lease: random.pick([0, 0, ...leases]),
  });
  const del = () => ({ key: bytes(random.pick(keys)), rangeEnd: bytes(random.pick(ends)) });
  const write = (name: string, request: Uint8Array): Step => ({ type: 'write', name, request });
  if (dice === 20) {
    // Mostly far back, now and then everything, or what may not be.
    const to = random.pick([random.between(1, revision), random.between(1, revision), revision, revision + 1]);
    return write('KV/Compact', wire.CompactionRequest.encode({ revision: Math.floor(to * random.pick([0.5, 1])) }));
  }
  if (dice < 13) return write('KV/Put', wire.PutRequest.encode(put()));
  if (dice < 15) return write('KV/DeleteRange', wire.DeleteRangeRequest.encode(del()));
  const ID = random.pick(leases);
  if (dice === 15) return write('Lease/LeaseGrant', wire.LeaseGrantRequest.encode({ ID, TTL: 100_000 }));
  if (dice === 16) return write('Lease/LeaseRevoke', wire.LeaseRevokeRequest.encode({ ID }));
  const op = () => (random.chance(0.7) ? { requestPut: put() } : { requestDeleteRange: del() });
  return write('KV/Txn', wire.TxnRequest.encode({ success: Array.from({ length: random.below(5) }, op) }));
}

function randomCreate(random: Prng, revision: number): Sparse<WatchCreateRequest> & { readonly startRevision: number } {
  const start = random.pick(['next', 'next', 'past', 'past', 'future', 'first']);
  return {
    key: bytes(random.pick([...keys, ''])),
    rangeEnd: bytes(random.pick(ends)),
    startRevision:
      { next: 0, past: random.between(1, revision), future: revision + random.below(6), first: 1 }[start] ?? 0,
    filters: random.pick([[], [], [], [0], [1], [0, 1], [0, 0, 7]]),
    prevKv: random.chance(0.4),
    watchId: random.pick([0, 0, 1, 2, 5, 11, 20]),
    fragment: random.chance(0.3),
  };
}

test.skipIf(!etcdInstalled)(
  'C77: 20,000 keys of 200 bytes on a lease: its end is cut as etcd cuts it',
  { timeout: 240_000 },
  async () => {
    const [ours, theirs] = await bothSides();
    const prefix = { key: bytes('C77/'), rangeEnd: bytes('C770') };
    const leased = wire.LeaseGrantRequest.encode({ ID: 77, TTL: 100_000 });
    const keyOf = (at: number) => bytes(`C77/${String(at).padStart(196, '0')}`);
    for (const side of [ours, theirs]) {
      await side.call('Lease/LeaseGrant', leased);
      for (let from = 0; from < 20_000; from += 125) {
        const success = Array.from({ length: 125 }, (_, at) => ({ requestPut: { key: keyOf(from + at), lease: 77 } }));
        await side.call('KV/Txn', wire.TxnRequest.encode({ success }));
      }
      await side.send({ createRequest: { ...prefix, watchId: 1 } });
      await side.send({ createRequest: { ...prefix, watchId: 2, fragment: true } });
      await side.call('Lease/LeaseRevoke', wire.LeaseRevokeRequest.encode({ ID: 77 }));
      const came = () => side.eventResponses.reduce((sum, { events }) => sum + events.length, 0);
      // etcd weighs a part anew with every event it adds: that takes it seconds.
      await until(() => came() >= 40_000, 'all came', 60_000);
    }
    const sides = [ours, theirs].map((side) => {
      const parts = (id: number) => side.eventResponses.filter(({ watchId }) => numberOf(watchId) === id);
      for (const id of [1, 2]) {
        const mine = parts(id);
        expect(mine.map(({ fragment }) => fragment)).toEqual(mine.map((_, at) => at < mine.length - 1));
        expect(new Set(mine.map(({ header }) => numberOf(header?.revision ?? 0))).size).toBe(1);
        const seen = mine.flatMap(({ events }) => events.map(({ kv }) => text(kv?.key ?? bytes(''))));
        expect(seen).toEqual(Array.from({ length: 20_000 }, (_, at) => text(keyOf(at))));
      }
      return [1, 2].map((id) => parts(id).map(({ events }) => events.length));
    });
    expect(sides[0]?.map(({ length }) => length)).toEqual([1, 3]);
    expect(sides[0]?.map(({ length }) => length)).toEqual(sides[1]?.map(({ length }) => length));
    // Ids in the header may be a byte longer or shorter, so a cut may lie an event off.
    for (const [at, counts] of (sides[0] ?? []).entries()) {
      for (const [part, count] of counts.entries()) {
        expect(Math.abs(count - (sides[1]?.[at]?.[part] ?? 0)), `watcher ${at + 1}, part ${part}`).toBeLessThan(2);
      }
    }
    for (const side of [ours, theirs]) side.cancel();
  },
);

test.skipIf(!etcdInstalled)(
  'progress unasked: to idle watchers that want it, at the revision they have seen',
  async () => {
    const [ours, theirs] = await bothSides();
    const told = [];
    for (const side of [ours, theirs]) {
      await side.send({ createRequest: { key: bytes('p'), watchId: 1 } });
      await side.send({ createRequest: { key: bytes('p'), watchId: 2, progressNotify: true } });
      await side.send({ createRequest: { key: bytes('p'), watchId: 3, progressNotify: true, filters: [0, 1] } });
      await side.call('KV/Put', wire.PutRequest.encode({ key: bytes('p') }));
      const notes = () =>
        side.responses.filter(
          ({ watchId, created, events }) => numberOf(watchId) > 0 && !created && events.length === 0,
        );
      const ofBoth = () => [2, 3].every((id) => notes().filter(({ watchId }) => numberOf(watchId) === id).length >= 3);
      await until(ofBoth, 'three notes each');
      told.push(new Set(notes().map(({ watchId }) => numberOf(watchId))));
    }
    expect(told).toEqual([new Set([2, 3]), new Set([2, 3])]);
    for (const side of [ours, theirs]) side.cancel();
  },
);
