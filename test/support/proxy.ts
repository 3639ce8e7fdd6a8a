/**
 * A userland TCP proxy that does to connections what networks do: cut, stall, delay, half-open, stop at a byte. Used by the peer
 * tests and by the chaos script, which has no root. Owns sockets on loopback only. Direction `up` is from client to target.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';

export type Direction = 'up' | 'down';

interface Way {
  stalled: boolean;
  delayMs: number;
  /** Bytes that may still pass before the connection is cut; undefined: no such limit. */
  passBytes: number | undefined;
  bytes: number;
  /** Socket reads that brought them. */
  reads: number;
}

interface Pair {
  readonly client: Socket;
  readonly target: Socket;
}

/** What stands behind the proxy. */
export interface ProxyTarget {
  readonly host: string;
  readonly port: number;
}

export class TcpProxy {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #ways: Readonly<Record<Direction, Way>> = {
    up: { stalled: false, delayMs: 0, passBytes: undefined, bytes: 0, reads: 0 },
    down: { stalled: false, delayMs: 0, passBytes: undefined, bytes: 0, reads: 0 },
  };
  #target: ProxyTarget;
  #refusing = false;
  #port = 0;
  #accepted = 0;

  constructor(target: ProxyTarget) {
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
  }

  /** Resolves with the port clients connect to. */
  listen(port = 0, host = '127.0.0.1'): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => {
        const address = this.#server.address();
        this.#port = typeof address === 'object' && address !== null ? address.port : port;
        resolve(this.#port);
      });
    });
  }

  get port(): number {
    return this.#port;
  }

  /** Connections open through it, and connections it ever let through. */
  get open(): number {
    return this.#pairs.size;
  }
  get accepted(): number {
    return this.#accepted;
  }

  /** Bytes forwarded so far. */
  bytes(direction: Direction): number {
    return this.#ways[direction].bytes;
  }

  /** Socket reads that brought them: small writes come in as many. */
  reads(direction: Direction): number {
    return this.#ways[direction].reads;
  }

  /** Where new connections go from now on. */
  retarget(target: ProxyTarget): void {
    this.#target = target;
  }

  /** Resets every connection, wherever it is in a message; new ones are still let through. */
  reset(): void {
    for (const pair of this.#pairs) {
      pair.client.resetAndDestroy();
      pair.target.resetAndDestroy();
    }
    this.#pairs.clear();
  }

  /** Resets every connection and refuses new ones until `heal`. */
  cut(): void {
    this.#refusing = true;
    this.reset();
  }

  /** Lets everything pass again, what was held back included. */
  heal(): void {
    this.#refusing = false;
    for (const direction of ['up', 'down'] as const) {
      const way = this.#ways[direction];
      way.stalled = false;
      way.delayMs = 0;
      way.passBytes = undefined;
    }
    for (const pair of this.#pairs) {
      pair.client.resume();
      pair.target.resume();
    }
  }

  /** Nothing passes any more in this direction, or in both; connections stay open and backpressure builds up. */
  stall(...directions: Direction[]): void {
    for (const direction of directions.length === 0 ? (['up', 'down'] as const) : directions) {
      this.#ways[direction].stalled = true;
      for (const pair of this.#pairs) source(pair, direction).pause();
    }
  }

  /** Everything in this direction arrives that much later, in order. */
  delay(direction: Direction, delayMs: number): void {
    this.#ways[direction].delayMs = delayMs;
  }

  /** Ends the connection over which the last of that many more bytes passes in this direction, wherever that is in a message. */
  cutAfter(direction: Direction, bytes: number): void {
    this.#ways[direction].passBytes = bytes;
  }

  /** One side's connection vanishes, the other stays open and hears nothing: a host that lost its power. */
  halfOpen(gone: 'client' | 'target'): void {
    for (const pair of this.#pairs) {
      const [lost, left] = gone === 'client' ? [pair.client, pair.target] : [pair.target, pair.client];
      lost.removeAllListeners('close');
      lost.resetAndDestroy();
      left.removeAllListeners('data');
      left.resume();
    }
  }

  /** Ends everything. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.cut();
    await closed;
  }

  #accept(client: Socket): void {
    if (this.#refusing) {
      client.resetAndDestroy();
      return;
    }
    this.#accepted++;
    const target = connect({ ...this.#target, allowHalfOpen: true });
    const pair: Pair = { client, target };
    this.#pairs.add(pair);
    for (const socket of [client, target]) {
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => this.#end(pair));
    }
    this.#forward(pair, 'up');
    this.#forward(pair, 'down');
  }

  #forward(pair: Pair, direction: Direction): void {
    const way = this.#ways[direction];
    const from = source(pair, direction);
    const to = direction === 'up' ? pair.target : pair.client;
    from.on('data', (chunk: Buffer) => {
      const bytes = way.passBytes === undefined ? chunk.byteLength : Math.min(way.passBytes, chunk.byteLength);
      way.bytes += bytes;
      way.reads++;
      if (way.passBytes !== undefined) way.passBytes -= bytes;
      this.#later(way, () => {
        if (!to.write(chunk.subarray(0, bytes))) from.pause();
      });
      if (way.passBytes === 0) {
        way.passBytes = undefined;
        // The last bytes are with the kernel before the reset, so that the reader sees a message cut in the middle.
        to.end(() => {
          from.resetAndDestroy();
          to.destroy();
        });
      }
    });
    to.on('drain', () => {
      if (!way.stalled) from.resume();
    });
    from.on('end', () => this.#later(way, () => to.end()));
    if (way.stalled) from.pause();
  }

  /** Now, or after the delay; equal delays keep the order. */
  #later(way: Way, call: () => void): void {
    if (way.delayMs === 0) {
      call();
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      call();
    }, way.delayMs);
    this.#timers.add(timer);
  }

  #end(pair: Pair): void {
    if (!this.#pairs.delete(pair)) return;
    pair.client.destroy();
    pair.target.destroy();
  }
}

function source(pair: Pair, direction: Direction): Socket {
  return direction === 'up' ? pair.client : pair.target;
}
