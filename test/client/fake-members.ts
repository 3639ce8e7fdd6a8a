/** Members without a socket, and a clock that the test moves: what the library sends is seen, what it is told is the test's to say. */
import type { Clock, Timer } from '../../src/client/clock.ts';
import { CallFailure, grpcCodes } from '../../src/client/errors.ts';
import type { Channel, StreamCall, StreamSink } from '../../src/client/transport/channel.ts';
import { decode, encode, type Sparse } from '../../src/client/wire/codec.ts';
import type { RangeRequest, RangeResponse, WatchRequest, WatchResponse } from '../../src/client/wire/messages.ts';
import { calls } from '../../src/client/wire/schema.ts';

interface Waiting extends Timer {
  readonly atMs: number;
  readonly step: () => void;
}

export class FakeClock implements Clock {
  #nowMs = 0;
  #waiting: Waiting[] = [];

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 1_000_000 + this.#nowMs;
  }

  random(): number {
    return 0.5;
  }

  after(delayMs: number, step: () => void): Timer {
    const timer = {
      atMs: this.#nowMs + delayMs,
      step,
      cancel: () => {
        this.#waiting = this.#waiting.filter((each) => each !== timer);
      },
    };
    this.#waiting.push(timer);
    return timer;
  }

  /** How many steps wait for their time. */
  get timers(): number {
    return this.#waiting.length;
  }

  /** Moves time, step by step, and lets what follows from each happen. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      await settled();
      const [next] = this.#waiting.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs);
      if (next === undefined) break;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.cancel();
      next.step();
    }
    this.#nowMs = endMs;
  }
}

/** Everything that waits for no time has happened. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** A watch stream as a member sees it. */
export class FakeStream implements StreamCall {
  readonly sent: WatchRequest[] = [];
  readonly #sink: StreamSink;
  cancelled = false;
  ended = false;
  /** Takes no more until `drain`. */
  full = false;
  #drained: (() => void)[] = [];

  constructor(sink: StreamSink) {
    this.#sink = sink;
  }

  write(bytes: Uint8Array): boolean {
    this.sent.push(decode('WatchRequest', bytes));
    return !this.full;
  }

  whenWritable(): Promise<void> {
    return this.full ? new Promise((resolve) => this.#drained.push(resolve)) : Promise.resolve();
  }

  drain(): void {
    this.full = false;
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  end(): void {}

  cancel(): void {
    this.cancelled = true;
  }

  pause(): void {}

  resume(): void {}

  tell(answer: Sparse<WatchResponse>): void {
    this.#sink.message(encode('WatchResponse', answer));
  }

  tellBytes(bytes: Uint8Array): void {
    this.#sink.message(bytes);
  }

  /** Answers a creation. */
  created(watchId: bigint, revision: bigint): void {
    this.tell({ watchId, created: true, header: { revision } });
  }

  /** Puts, one event each. */
  puts(watchId: bigint, puts: readonly (readonly [key: string, revision: bigint])[], fragment = false): void {
    const events = puts.map(([key, modRevision]) => ({ kv: { key: Buffer.from(key), modRevision, version: 1n } }));
    this.tell({ watchId, events, fragment, header: { revision: puts.at(-1)?.[1] ?? 0n } });
  }

  break(grpcCode: number = grpcCodes.unavailable, text = 'connection reset'): void {
    this.ended = true;
    this.#sink.end(new CallFailure(grpcCode, text, true));
  }

  /** Ids whose watches were cancelled. */
  get cancels(): readonly bigint[] {
    return this.sent.flatMap(({ cancelRequest }) => (cancelRequest ? [cancelRequest.watchId] : []));
  }

  /** Where the watches that were asked for begin. */
  get starts(): readonly bigint[] {
    return this.sent.flatMap(({ createRequest }) => (createRequest ? [createRequest.startRevision] : []));
  }
}

/** All members of a client, as one. */
export class FakeMembers {
  readonly streams: FakeStream[] = [];
  readonly ranges: RangeRequest[] = [];
  /** Methods of unary calls, in order. */
  readonly asked: string[] = [];
  /** How unary calls but ranges are answered. */
  onOther: (path: string) => Uint8Array = (path) => {
    throw new CallFailure(grpcCodes.unimplemented, path, true);
  };
  /** How listings are answered. */
  onRange: (request: RangeRequest) => Sparse<RangeResponse> = () => ({ header: { revision: 1n } });
  /** Streams fail as soon as they are opened. */
  refuse: CallFailure | undefined;

  readonly connect = (endpoint: string): Channel => ({
    endpoint,
    ready: async () => {},
    unary: async (path, body) => {
      this.asked.push(path);
      if (path !== calls.range[0]) return this.onOther(path);
      const request = decode('RangeRequest', body);
      this.ranges.push(request);
      return encode('RangeResponse', this.onRange(request));
    },
    stream: (_path, _metadata, sink) => {
      const stream = new FakeStream(sink);
      this.streams.push(stream);
      if (this.refuse !== undefined) stream.break(this.refuse.grpcCode, this.refuse.message);
      return stream;
    },
    close: () => {},
  });

  /** The newest stream. */
  get stream(): FakeStream {
    return this.streams.at(-1) as FakeStream;
  }
}
