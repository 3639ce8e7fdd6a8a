/** Watchers of one prefix on some streams, and clients that put into it: an operation is an event that arrived. */
import { Call, type Connection } from './connection.ts';
import type { Load } from './loop.ts';
import { paths, requests, watched } from './messages.ts';
import type { Told } from './meter.ts';
import { ClosedLoop } from './unary-loops.ts';

export interface WatchShape {
  readonly watchers: number;
  readonly streams: number;
  /** Who put, each again as soon as it is answered. */
  readonly clients: number;
}

const keys = 1_000;
const valueBytes = 256;

class Watching extends Call {
  readonly #connection: Connection;
  readonly #meter: Told;
  readonly #there: () => void;

  constructor(connection: Connection, meter: Told, there: () => void) {
    super();
    this.#connection = connection;
    this.#meter = meter;
    this.#there = there;
  }

  open(watchers: number, request: Buffer): void {
    this.#connection.open(paths.watch, this);
    for (let n = 0; n < watchers; n++) this.#connection.send(this, request);
    this.#connection.flush();
  }

  message(bytes: Buffer, from: number, to: number): void {
    const seen = (valueAt: number): void => this.#meter.done(bytes.readDoubleBE(valueAt), this.#connection.nowMs);
    if (watched(bytes, from, to, seen)) this.#there();
  }

  ended(code: number, text: string): void {
    this.#meter.failed(`a watch ended: ${code} ${text}`);
  }
}

/** Resolves when all watchers are there. The puts carry the time they were sent at. */
export async function watchLoad(
  meter: Told,
  connections: readonly Connection[],
  prefix: Buffer,
  shape: WatchShape,
): Promise<Load> {
  const rangeEnd = Buffer.from(prefix);
  rangeEnd[rangeEnd.length - 1] = (rangeEnd[rangeEnd.length - 1] as number) + 1;
  const request = requests.watch(prefix, rangeEnd);
  // Watchers and those who put have connections of their own.
  const half = Math.ceil(connections.length / 2);
  let missing = shape.watchers;
  await new Promise<void>((resolve) => {
    for (let n = 0; n < shape.streams; n++) {
      const mine = Math.floor(shape.watchers / shape.streams) + (n < shape.watchers % shape.streams ? 1 : 0);
      const there = (): void => {
        if (--missing === 0) resolve();
      };
      new Watching(connections[n % half] as Connection, meter, there).open(mine, request);
    }
  });
  const value = Buffer.alloc(valueBytes, 'v');
  const puts = Array.from({ length: keys }, (_, n) => {
    const key = Buffer.concat([prefix, Buffer.from(String(n).padStart(8, '0'))]);
    const bytes = requests.put(key, value);
    return { bytes, valueAt: bytes.lastIndexOf(value) };
  });
  let put = 0;
  const asked = {
    path: paths.put,
    next: (): Buffer => {
      const { bytes, valueAt } = puts[put++ % keys] as (typeof puts)[number];
      bytes.writeDoubleBE(performance.now(), valueAt);
      return bytes;
    },
    check: (): boolean => true,
  };
  // What puts take is not what is measured; that they work is.
  const aside: Told = {
    done: () => undefined,
    failed: (text) => meter.failed(text),
    get errors() {
      return meter.errors;
    },
  };
  return new ClosedLoop(aside, connections.slice(half), shape.clients, asked);
}
