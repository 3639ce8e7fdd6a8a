/**
 * The load of the benchmark: raw bytes over grpc-js, many calls in flight. It shares the machine with the members it measures, so
 * it decodes only what it must. Owns no figure.
 */
import * as grpc from '@grpc/grpc-js';
import { asBuffer } from '../../src/base/bytes.ts';
import { type int64Of, numberOf } from '../../src/rpc/int64.ts';
import { wire } from '../../src/rpc/messages.ts';

/** The upper half of the ids the benchmark gives its leases; the lower half counts from 1. */
const idHigh = 0x0b3c;

const identity = (raw: Uint8Array): Buffer => asBuffer(raw);
const noMetadata = new grpc.Metadata();

/** The id of the benchmark's lease number `n`, from 0 on. */
export function leaseId(n: number): ReturnType<typeof int64Of> {
  return { low: n + 1, high: idHigh, unsigned: false };
}

/** The key attached to lease number `n`. */
export function leaseKey(n: number): Buffer {
  return Buffer.from(`${keyPrefix}${n}`, 'latin1');
}

export const keyPrefix = 'bench/';

/** A connection to one member. */
export class Line {
  readonly #channel: grpc.Client;

  constructor(endpoint: string) {
    this.#channel = new grpc.Client(endpoint, grpc.credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': -1,
      'grpc.initial_reconnect_backoff_ms': 20,
      'grpc.max_reconnect_backoff_ms': 20,
    });
  }

  close(): void {
    this.#channel.close();
  }

  /** One call; rejects with grpc's error. */
  call(path: string, request: Uint8Array, timeoutMs = 60_000): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const options = { deadline: Date.now() + timeoutMs };
      this.#channel.makeUnaryRequest(path, identity, identity, request, noMetadata, options, (error, answer) =>
        error ? reject(error) : resolve(answer ?? new Uint8Array(0)),
      );
    });
  }

  stream(path: string): grpc.ClientDuplexStream<Uint8Array, Uint8Array> {
    return this.#channel.makeBidiStreamRequest(path, identity, identity, noMetadata, {});
  }

  grant(n: number, ttlSeconds: number): Promise<Uint8Array> {
    const request = wire.LeaseGrantRequest.encode({ TTL: ttlSeconds, ID: leaseId(n) });
    return this.call('/etcdserverpb.Lease/LeaseGrant', request);
  }

  /** Puts lease number `n`'s key on it. */
  putLeased(n: number): Promise<Uint8Array> {
    const request = wire.PutRequest.encode({ key: leaseKey(n), value: Buffer.from('x'), lease: leaseId(n) });
    return this.call('/etcdserverpb.KV/Put', request);
  }

  timeToLive(n: number): Promise<Uint8Array> {
    const request = wire.LeaseTimeToLiveRequest.encode({ ID: leaseId(n), keys: true });
    return this.call('/etcdserverpb.Lease/LeaseTimeToLive', request);
  }

  /** A stream, one renewal on it, its answer, the end. Rejects if the lease is gone. */
  keepAliveOnce(n: number): Promise<void> {
    const stream = this.stream('/etcdserverpb.Lease/LeaseKeepAlive');
    return new Promise((resolve, reject) => {
      let isAlive = false;
      stream.on('error', reject);
      stream.on('data', (bytes: Uint8Array) => {
        isAlive = numberOf(wire.LeaseKeepAliveResponse.decode(bytes).TTL) > 0;
        stream.end();
      });
      stream.on('end', () => (isAlive ? resolve() : reject(new Error(`lease ${n} is gone`))));
      stream.write(wire.LeaseKeepAliveRequest.encode({ ID: leaseId(n) }));
    });
  }

  /** A linearizable read of one key. */
  read(timeoutMs?: number): Promise<Uint8Array> {
    return this.call('/etcdserverpb.KV/Range', wire.RangeRequest.encode({ key: leaseKey(0) }), timeoutMs);
  }
}

/** Does `work` for 0 … `count` - 1, at most `lanes` at a time. */
export async function inFlight(count: number, lanes: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: Math.min(lanes, count) }, lane));
}

/** What became of one renewal. */
export interface Renewed {
  readonly n: number;
  readonly sentMs: number;
  readonly answeredMs: number;
  readonly ttlSeconds: number;
}

/**
 * Keep-alives on one stream, `window` of them unanswered. `next` names the lease to renew, or says that there is none left.
 * Answers are matched by id, as etcd's own client does.
 */
export function renewOn(
  line: Line,
  window: number,
  next: () => number | undefined,
  renewed: (renewal: Renewed) => void,
): Promise<void> {
  const stream = line.stream('/etcdserverpb.Lease/LeaseKeepAlive');
  const sentMs = new Map<number, number>();
  return new Promise((resolve, reject) => {
    const fill = (): void => {
      while (sentMs.size < window) {
        const n = next();
        if (n === undefined) break;
        sentMs.set(n, performance.now());
        stream.write(wire.LeaseKeepAliveRequest.encode({ ID: leaseId(n) }));
      }
      if (sentMs.size === 0) stream.end();
    };
    stream.on('data', (bytes: Uint8Array) => {
      const answer = wire.LeaseKeepAliveResponse.decode(bytes);
      const n =
        numberOf({ low: typeof answer.ID === 'number' ? answer.ID : answer.ID.low, high: 0, unsigned: true }) - 1;
      const sent = sentMs.get(n);
      if (sent === undefined) return;
      sentMs.delete(n);
      renewed({ n, sentMs: sent, answeredMs: performance.now(), ttlSeconds: numberOf(answer.TTL) });
      fill();
    });
    stream.on('error', reject);
    stream.on('end', resolve);
    fill();
  });
}
