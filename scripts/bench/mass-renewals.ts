/** Renews many leases once each, on a few streams with many requests on the way, and notes when each was sent and answered. */
import { Call, type Connection } from './load/connection.ts';
import { hasTimeLeft, paths, renewedId, requests } from './load/messages.ts';

const streams = 16;
const window = 64;

/** Ids count from `firstId` on, as many as the columns are long. Returns the seconds that it took; rejects if one is gone. */
export async function renewAll(
  connections: readonly Connection[],
  firstId: number,
  sentMs: Float64Array,
  answeredMs: Float64Array,
): Promise<number> {
  const startMs = performance.now();
  let next = 0;
  const take = (): number | undefined => (next < sentMs.length ? next++ : undefined);
  const all = Array.from({ length: streams }, (_, at) => {
    const connection = connections[at % connections.length] as Connection;
    return new Promise<void>((resolve, reject) => {
      const done = (problem: string): void => (problem === '' ? resolve() : reject(new Error(problem)));
      new Renewing(connection, { firstId, sentMs, answeredMs, take, done }).start();
    });
  });
  await Promise.all(all);
  if (answeredMs.some((ms) => ms === 0)) throw new Error('a renewal was not answered');
  return (performance.now() - startMs) / 1_000;
}

interface Renewals {
  readonly firstId: number;
  readonly sentMs: Float64Array;
  readonly answeredMs: Float64Array;
  /** The number of the next lease to renew. */
  take(): number | undefined;
  done(problem: string): void;
}

class Renewing extends Call {
  readonly #connection: Connection;
  readonly #renewals: Renewals;
  #onTheWay = 0;

  constructor(connection: Connection, renewals: Renewals) {
    super();
    this.#connection = connection;
    this.#renewals = renewals;
  }

  start(): void {
    this.#connection.open(paths.keepAlive, this);
    for (let n = 0; n < window; n++) this.#send();
    if (this.#onTheWay === 0) this.#connection.send(this, undefined, true);
    this.#connection.flush();
  }

  /** Answers are matched by id, as etcd's own client does. */
  message(bytes: Buffer, from: number, to: number): void {
    const { firstId, answeredMs, done } = this.#renewals;
    const n = renewedId(bytes, from, to) - firstId;
    if (!hasTimeLeft(bytes, from, to)) done(`lease ${n} was gone when it was renewed`);
    answeredMs[n] = this.#connection.nowMs;
    this.#onTheWay--;
    this.#send();
    if (this.#onTheWay === 0) this.#connection.send(this, undefined, true);
  }

  ended(code: number, text: string): void {
    this.#renewals.done(code === 0 && this.#onTheWay === 0 ? '' : `renewals ended: ${code} ${text}`);
  }

  #send(): void {
    const n = this.#renewals.take();
    if (n === undefined) return;
    this.#onTheWay++;
    this.#renewals.sentMs[n] = performance.now();
    this.#connection.send(this, requests.keepAliveAs(this.#renewals.firstId + n));
  }
}
