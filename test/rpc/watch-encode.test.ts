/** Hand-written watch responses against protobufjs, and what is kept and shared of encoded events. */
import { expect, test } from 'vitest';
import { watchRunBytesMax } from '../../src/base/limits.ts';
import { Prng } from '../../src/base/prng.ts';
import { keyValueMessage } from '../../src/rpc/convert.ts';
import { headerField } from '../../src/rpc/header.ts';
import { halvesOf } from '../../src/rpc/hot/fields.ts';
import { int64Of } from '../../src/rpc/int64.ts';
import { wire } from '../../src/rpc/messages.ts';
import { grpcHeadBytes } from '../../src/rpc/transport.ts';
import { EventBytes, type ResponseFrame, WatchResponses, watchIdField } from '../../src/rpc/watch-encode.ts';
import type { EventView } from '../../src/state/history.ts';
import type { KeyValue } from '../../src/state/outcome.ts';
import { sent } from './framed.ts';

interface Drawn {
  readonly clusterId: bigint;
  readonly memberId: bigint;
  readonly watchId: bigint;
  readonly revision: number;
  readonly term: number;
  readonly events: readonly EventView[];
}

const edges = [0, 1, 127, 128, 16_383, 16_384, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 35, 2 ** 53 - 1];
const wideEdges = [...edges.map(BigInt), -1n, -(2n ** 63n), 2n ** 63n - 1n, 2n ** 64n - 1n, 2n ** 56n];

function drawn(random: Prng): Drawn {
  const signed = () => BigInt.asIntN(64, random.pick(wideEdges));
  const raw = (max: number) => Buffer.alloc(random.below(max), random.below(256));
  const kv = (): KeyValue => ({
    key: raw(300),
    createRevision: random.pick(edges),
    modRevision: random.pick(edges),
    version: random.pick(edges),
    value: raw(random.pick([1, 2, 200, 2_000])),
    lease: signed(),
  });
  const event = (): EventView => ({
    type: random.pick(['put', 'delete'] as const),
    kv: kv(),
    prevKv: random.chance(0.5) ? kv() : undefined,
  });
  return {
    clusterId: BigInt.asUintN(64, random.pick(wideEdges)),
    memberId: BigInt.asUintN(64, random.pick(wideEdges)),
    watchId: signed(),
    revision: random.pick(edges),
    term: random.pick(edges),
    events: Array.from({ length: random.below(20) }, event),
  };
}

function frameOf({ clusterId, memberId, watchId, revision, term }: Drawn): ResponseFrame {
  const header = headerField(halvesOf(clusterId), halvesOf(memberId), revision, term);
  return { header, watchId: watchIdField(watchId) };
}

/** By protobufjs; a field with its default value is not given, as it would be written. */
function byProtobufjs(what: Drawn, events: readonly EventView[], fragment: boolean): Uint8Array {
  const wide = (value: bigint) => (value === 0n ? undefined : int64Of(value));
  const number = (value: number) => (value === 0 ? undefined : value);
  const bytes = (value: Uint8Array) => (value.length === 0 ? undefined : value);
  const message = (kv: KeyValue) => ({
    ...keyValueMessage(kv),
    key: bytes(kv.key),
    createRevision: number(kv.createRevision),
    modRevision: number(kv.modRevision),
    version: number(kv.version),
    value: bytes(kv.value),
    lease: wide(kv.lease),
  });
  return wire.WatchResponse.encode({
    header: {
      clusterId: wide(what.clusterId),
      memberId: wide(what.memberId),
      revision: number(what.revision),
      raftTerm: number(what.term),
    },
    watchId: wide(what.watchId),
    fragment: fragment ? true : undefined,
    events: events.map(({ type, kv, prevKv }) => ({
      type: type === 'put' ? undefined : 1,
      kv: message(kv),
      prevKv: prevKv === undefined ? undefined : message(prevKv),
    })),
  });
}

function sentOf(responses: WatchResponses): Uint8Array[] {
  const { bytes } = responses;
  const messages = responses.take();
  const each = messages === undefined ? [] : sent(messages);
  expect(each.reduce((sum, { length }) => sum + grpcHeadBytes + length, 0)).toBe(bytes);
  return each;
}

const same = (ours: Uint8Array, theirs: Uint8Array, why: string) => expect(Buffer.compare(ours, theirs), why).toBe(0);

test('a response is, byte for byte, what protobufjs makes of it', () => {
  const random = new Prng(20_261_125, 'watch-encode');
  for (let round = 0; round < 500; round++) {
    const what = drawn(random);
    const events = new EventBytes();
    const responses = new WatchResponses();
    responses.add(frameOf(what), events.run(what.events));
    // The second and the third who are shown the same get it in one piece.
    responses.add(frameOf(what), events.run(what.events));
    responses.add(frameOf(what), events.run(what.events));
    responses.add(frameOf(what), events.run(what.events.slice(0, 1)));
    expect(responses.bytes).toBeGreaterThan(0);
    const [whole, second, third, one] = sentOf(responses);
    same(whole as Uint8Array, byProtobufjs(what, what.events, false), `round ${round}`);
    same(second as Uint8Array, whole as Uint8Array, `round ${round}, once more`);
    same(third as Uint8Array, whole as Uint8Array, `round ${round}, and again`);
    same(one as Uint8Array, byProtobufjs(what, what.events.slice(0, 1), false), `round ${round}, one event`);
    expect(responses.bytes).toBe(0);
    expect(responses.take()).toBeUndefined();
  }
});

test('W4: fragments are cut where etcd cuts: below the limit, one event at least, all but the last marked', () => {
  const random = new Prng(20_261_126, 'watch-fragments');
  let cuts = 0;
  for (let round = 0; round < 200; round++) {
    const what = drawn(random);
    const events = new EventBytes();
    const bytesMax = random.pick([1, 200, 1_000, 5_000, 20_000, 100_000]);
    const responses = new WatchResponses();
    // Cut or whole, as a run of its own or one that others share.
    for (let others = random.below(3); others > 0; others--) events.run(what.events);
    responses.addFragmented(frameOf(what), events.run(what.events), bytesMax);
    const parts = sentOf(responses);
    let from = 0;
    for (const [at, part] of parts.entries()) {
      const isLast = at === parts.length - 1;
      const { length } = wire.WatchResponse.decode(part).events;
      const mine = what.events.slice(from, from + length);
      same(part, byProtobufjs(what, mine, !isLast), `round ${round}, part ${at}`);
      if (length > 1 && parts.length > 1) expect(part.length).toBeLessThan(bytesMax);
      // One event more would have been too much.
      const more = what.events.slice(from, from + length + 1);
      if (!isLast) expect(byProtobufjs(what, more, true).length).toBeGreaterThanOrEqual(bytesMax);
      from += length;
    }
    expect(from).toBe(what.events.length);
    cuts += parts.length - 1;
  }
  expect(cuts).toBeGreaterThan(200);
});

test('W12: a run is kept for the next who is shown it, but not a long one', () => {
  const view = (size: number): EventView[] => {
    const kv = {
      key: Buffer.from('k'),
      createRevision: 1,
      modRevision: 1,
      version: 1,
      value: Buffer.alloc(size),
      lease: 0n,
    };
    return [{ type: 'put', kv, prevKv: undefined }];
  };
  const events = new EventBytes();
  const [short, long] = [view(watchRunBytesMax / 2), view(watchRunBytesMax)];
  expect(events.run(short)).toBe(events.run(short));
  const once = events.run(long);
  expect(events.run(long)).not.toBe(once);
  expect(events.run(short)).not.toBe(events.run(long));
});

test('W12: the bytes of an event are made once while it is asked for, and no more of them are kept than allowed', () => {
  const view = (at: number, size: number): EventView => ({
    type: 'put',
    kv: {
      key: Buffer.from(`k${at}`),
      createRevision: 1,
      modRevision: 1,
      version: 1,
      value: Buffer.alloc(size),
      lease: 0n,
    },
    prevKv: undefined,
  });
  const events = new EventBytes(10_000);
  const of = (event: EventView): Uint8Array => events.run([event]).pieces[0] as Uint8Array;
  const first = view(0, 100);
  expect(of(first)).toBe(of(first));
  expect(events.encoded).toBe(1);
  for (let at = 1; at < 1_000; at++) {
    of(view(at, 100));
    expect(events.keptBytes).toBeLessThanOrEqual(10_000);
  }
  // Made again, as it was dropped meanwhile: the same bytes.
  expect(of(first).length).toBe(of(first).length);
  expect(events.encoded).toBe(1_001);
  // Larger than all that may be kept: encoded, not kept.
  const huge = view(1, 20_000);
  expect(of(huge).length).toBeGreaterThan(20_000);
  expect(events.keptBytes).toBeLessThanOrEqual(10_000);
});
