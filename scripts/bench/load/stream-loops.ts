/** Load on streams: so many requests on the way on each, or a stream for every request. */
import { Call, type Connection } from './connection.ts';
import { type Asked, Loop, wrong } from './loop.ts';
import type { Told } from './meter.ts';

/** A stream with up to `window` requests on the way. */
class Stream extends Call {
  readonly connection: Connection;
  readonly #loop: Streams;
  readonly #asked: Asked;
  /** When those on the way were sent, as a ring. */
  readonly #sentMs: Float64Array;
  #sent = 0;
  #answered = 0;

  constructor(loop: Streams, connection: Connection, window: number, asked: Asked) {
    super();
    this.#loop = loop;
    this.connection = connection;
    this.#asked = asked;
    this.#sentMs = new Float64Array(window);
  }

  start(): void {
    this.connection.open(this.#asked.path, this);
    for (let n = 0; n < this.#sentMs.length; n++) this.#send(performance.now());
  }

  message(bytes: Buffer, from: number, to: number): void {
    if (this.#asked.check(bytes, from, to)) {
      const sentMs = this.#sentMs[this.#answered % this.#sentMs.length] as number;
      this.#loop.meter.done(sentMs, this.connection.nowMs);
    } else this.#loop.failed(wrong);
    this.#answered++;
    this.#send(this.connection.nowMs);
    if (this.#answered === this.#sent) this.connection.send(this, undefined, true);
  }

  ended(code: number, text: string): void {
    if (code !== 0 || this.#answered < this.#sent) this.#loop.failed(`${code} ${text}`);
    this.#loop.over();
  }

  #send(nowMs: number): void {
    const request = this.#loop.stopping ? undefined : this.#asked.next();
    if (request === undefined) return;
    this.#sentMs[this.#sent++ % this.#sentMs.length] = nowMs;
    this.connection.send(this, request);
  }
}

/** Streams that keep so many requests on the way; `askedOf` says what stream number n asks for. */
export class Streams extends Loop {
  readonly #streams: readonly Stream[];

  constructor(
    meter: Told,
    connections: readonly Connection[],
    shape: { readonly streams: number; readonly window: number },
    askedOf: (stream: number) => Asked,
  ) {
    super(meter);
    this.#streams = Array.from(
      { length: shape.streams },
      (_, n) => new Stream(this, connections[n % connections.length] as Connection, shape.window, askedOf(n)),
    );
  }

  start(): void {
    for (const stream of this.#streams) {
      this.began();
      stream.start();
    }
    for (const { connection } of this.#streams) connection.flush();
  }
}

/** One request on a stream of its own, its answer, the end; the client goes on when it has the answer, not when the stream is gone. */
class ShortStream extends Call {
  readonly connection: Connection;
  readonly #loop: ShortStreams;
  readonly #sentMs: number;
  #answered = false;

  constructor(loop: ShortStreams, connection: Connection, sentMs: number) {
    super();
    this.#loop = loop;
    this.connection = connection;
    this.#sentMs = sentMs;
  }

  message(bytes: Buffer, from: number, to: number): void {
    if (this.#answered || !this.#loop.asked.check(bytes, from, to)) this.#loop.failed(wrong);
    else this.#loop.meter.done(this.#sentMs, this.connection.nowMs);
    this.#answered = true;
    this.connection.send(this, undefined, true);
    this.#loop.open(this.connection, this.connection.nowMs);
  }

  ended(code: number, text: string): void {
    if (code !== 0 || !this.#answered) this.#loop.failed(`${code} ${text}`);
    this.#loop.over();
  }
}

/** Clients that each open a stream for every renewal. */
export class ShortStreams extends Loop {
  readonly asked: Asked;
  readonly #connections: readonly Connection[];
  readonly #clients: number;

  constructor(meter: Told, connections: readonly Connection[], clients: number, asked: Asked) {
    super(meter);
    this.asked = asked;
    this.#connections = connections;
    this.#clients = clients;
  }

  start(): void {
    for (let n = 0; n < this.#clients; n++)
      this.open(this.#connections[n % this.#connections.length] as Connection, performance.now());
    for (const connection of this.#connections) connection.flush();
  }

  open(connection: Connection, nowMs: number): void {
    const request = this.stopping || connection.closed ? undefined : this.asked.next();
    if (request === undefined) return;
    this.began();
    const stream = new ShortStream(this, connection, nowMs);
    connection.open(this.asked.path, stream);
    connection.send(stream, request);
  }
}
