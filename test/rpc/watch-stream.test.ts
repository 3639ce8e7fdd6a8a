/** Watch streams without a socket: what is shared between watchers, what a slow reader costs, and whose turn it is (W6, W12). */
import { afterEach, expect, test } from 'vitest';
import { watchPullBytesMax, watchPullsPerTurnMax } from '../../src/base/limits.ts';
import { numberOf } from '../../src/rpc/int64.ts';
import { type WatchCreateRequest, type WatchResponse, wire } from '../../src/rpc/messages.ts';
import type { CallContext, Incoming, Outgoing } from '../../src/rpc/transport.ts';
import { watchTable } from '../../src/rpc/watch.ts';
import { EventBytes } from '../../src/rpc/watch-encode.ts';
import { FakeMember } from './fake-member.ts';
import { bytes, text } from './wire-client.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** A caller in the same process. It takes everything, until it is told to stop reading. */
class Caller implements Outgoing {
  readonly written: Uint8Array[] = [];
  readonly #abort = new AbortController();
  reads = true;
  paused = false;
  #writable: (() => void)[] = [];
  #message: (bytes: Uint8Array) => void = () => {};

  constructor(server: Server) {
    const method = server.table['/etcdserverpb.Watch/Watch'];
    if (method?.kind !== 'bidi') throw new Error('Watch is a stream');
    const incoming: Incoming = {
      listen: ({ message }) => {
        this.#message = message;
      },
      pause: () => {
        this.paused = true;
      },
      resume: () => {
        this.paused = false;
      },
    };
    const ctx: CallContext = {
      peer: '',
      metadata: { get: () => undefined },
      signal: this.#abort.signal,
      timeoutMs: undefined,
    };
    method.call(incoming, this, ctx);
    closers.push(() => this.#abort.abort());
  }

  create(key: string, more: Partial<Record<keyof WatchCreateRequest, unknown>> = {}): void {
    const createRequest = { key: bytes(key), ...more };
    this.#message(wire.WatchRequest.encode({ createRequest } as Parameters<typeof wire.WatchRequest.encode>[0]));
  }

  askProgress(): void {
    this.#message(wire.WatchRequest.encode({ progressRequest: {} }));
  }

  write(message: Uint8Array): boolean {
    this.written.push(message);
    return this.reads;
  }
  whenWritable(): Promise<void> {
    return new Promise((resolve) => this.#writable.push(resolve));
  }
  end(): void {}
  fail(): void {}

  readOn(): void {
    this.reads = true;
    for (const wake of this.#writable.splice(0)) wake();
  }

  /** All responses since the last look. */
  took(): WatchResponse[] {
    return this.written.splice(0).map((response) => wire.WatchResponse.decode(response));
  }
}

class Server {
  readonly member = new FakeMember();
  readonly events = new EventBytes();
  readonly table = watchTable(this.member, 600_000, this.events);

  put(key: string, value = 'v'): void {
    const rest = { lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false };
    this.member.apply({ type: 'put', key: bytes(key), value: bytes(value), ...rest });
  }
}

/** Until nothing is left to send: each immediate is one turn. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

test('one put that a thousand watchers see is encoded once, and once more for those who want the value before', async () => {
  const server = new Server();
  const callers = Array.from({ length: 10 }, () => new Caller(server));
  for (const [stream, caller] of callers.entries()) {
    for (let at = 0; at < 100; at++) {
      caller.create(at % 2 === 0 ? 'k' : 'a', { rangeEnd: bytes(at % 2 === 0 ? '' : 'z'), prevKv: stream === 9 });
    }
    caller.took();
  }
  server.put('k', 'old');
  await turns(30);
  // Nothing was before it, so both views are one.
  expect(server.events.encoded).toBe(1);
  server.put('k', 'new');
  await turns(30);
  expect(server.events.encoded).toBe(3);
  for (const [stream, caller] of callers.entries()) {
    const responses = caller.took();
    expect(responses).toHaveLength(200);
    const seen = responses.flatMap(({ events }) => events);
    expect(seen.filter(({ kv }) => text(kv?.value ?? bytes('')) === 'new')).toHaveLength(100);
    expect(seen.filter(({ prevKv }) => prevKv !== null && text(prevKv.value) === 'old')).toHaveLength(
      stream === 9 ? 100 : 0,
    );
    expect(new Set(responses.map(({ watchId }) => numberOf(watchId))).size).toBe(100);
  }
});

test('W12: no more than so many pulls at a time, streams by turns; what is left comes after others had the loop', async () => {
  const server = new Server();
  const callers = [new Caller(server), new Caller(server)];
  for (const caller of callers) {
    for (let at = 0; at < 200; at++) caller.create('k');
    caller.took();
  }
  server.put('k');
  // Microtasks only: nobody else had the event loop.
  await undefined;
  expect(callers.map(({ written }) => written.length)).toEqual([watchPullsPerTurnMax, 0]);
  await turns(1);
  expect(callers.map(({ written }) => written.length)).toEqual([watchPullsPerTurnMax, watchPullsPerTurnMax]);
  await turns(10);
  expect(callers.map(({ written }) => written.length)).toEqual([200, 200]);
});

test('W12: a hundred thousand events pass a caller who does not read: one bounded piece waits, the rest is not even encoded', async () => {
  const server = new Server();
  const caller = new Caller(server);
  for (const watchId of [1, 2, 3]) caller.create('k', { rangeEnd: bytes('l'), watchId, prevKv: watchId === 3 });
  caller.took();
  caller.reads = false;
  const count = 100_000;
  for (let at = 0; at < count; at++) {
    server.put(`k${at % 50}`);
    if (at % 1_000 === 0) await turns(1);
  }
  await turns(10);
  // What was written when it stopped: the responses of one turn, one a watcher. Nothing of what came since.
  expect(caller.paused).toBe(true);
  expect(caller.written).toHaveLength(3);
  expect(Buffer.concat(caller.written).length).toBeLessThan(watchPullBytesMax);
  expect(server.events.encoded).toBeLessThan(10);
  expect(server.member.hub.revision).toBe(count + 1);

  caller.readOn();
  // W1, W2, W3: each revision of these is one event.
  const next = new Map([1, 2, 3].map((id) => [id, 2]));
  let wrong = 0;
  for (let turn = 0; turn < 2_000 && [...next.values()].some((at) => at < count + 2); turn++) {
    await turns(1);
    for (const { watchId, events } of caller.took()) {
      for (const { kv } of events) {
        const revision = numberOf(kv?.modRevision ?? 0);
        if (revision !== next.get(numberOf(watchId))) wrong++;
        next.set(numberOf(watchId), revision + 1);
      }
    }
  }
  expect(wrong).toBe(0);
  expect([...next.values()]).toEqual([count + 2, count + 2, count + 2]);
}, 60_000);

test('W6: progress that is asked for waits for all events before it, and for a caller who does not read', async () => {
  const server = new Server();
  for (let at = 0; at < 10; at++) server.put('k', 'x'.repeat(200_000));
  const caller = new Caller(server);
  caller.create('k', { startRevision: 2 });
  caller.askProgress();
  caller.askProgress();
  await turns(20);
  const responses = caller.took();
  const notes = responses.filter(({ watchId }) => numberOf(watchId) === -1);
  // Asked twice while events were on their way: one note says it.
  expect(notes).toHaveLength(1);
  expect(responses.at(-1)).toBe(notes[0]);
  expect(numberOf(notes[0]?.header?.revision ?? 0)).toBe(11);
  for (const { header, created, events } of responses.slice(0, -1)) {
    const last = created ? 1 : numberOf(events.at(-1)?.kv?.modRevision ?? 0);
    expect(numberOf(header?.revision ?? 0)).toBe(last);
  }

  caller.reads = false;
  server.put('k');
  await turns(2);
  server.put('k');
  caller.askProgress();
  await turns(2);
  expect(caller.took()).toHaveLength(1);
  caller.readOn();
  await turns(2);
  expect(caller.took().map(({ watchId, header }) => [numberOf(watchId), numberOf(header?.revision ?? 0)])).toEqual([
    [0, 13],
    [-1, 13],
  ]);
});
