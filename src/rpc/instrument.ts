/**
 * Counts every call (go-grpc-prometheus' names, which etcd's dashboards read) and turns whatever a service throws into a row
 * of the error table, so that nothing else reaches a transport.
 */
import type { Metrics } from '../ops/metrics.ts';
import type { RpcMeter } from '../ops/rpc-metrics.ts';
import { declaredMethods } from './codec.ts';
import { RpcError, toRpcError } from './errors.ts';
import { lengthOf, sendFramed } from './framed-messages.ts';
import {
  type BidiStream,
  grpcHeadBytes,
  type Incoming,
  type Method,
  type Outgoing,
  type ServerStream,
  type ServiceTable,
  splitMethodName,
  type Unary,
} from './transport.ts';

/** The table, counted. Also registers the methods of `proto/` that are not mounted, so that every series exists from the start. */
export function instrument(table: ServiceTable, metrics: Metrics, onBug: (error: unknown) => void): ServiceTable {
  const counted: Record<string, Method> = {};
  for (const [name, type] of declaredMethods()) {
    const meter = metrics.rpc(...splitMethodName(name), type);
    const method = table[name];
    if (method !== undefined) counted[name] = countedMethod(method, meter, onBug);
  }
  return counted;
}

function countedMethod(method: Method, meter: RpcMeter, onBug: (error: unknown) => void): Method {
  switch (method.kind) {
    case 'unary':
      return { kind: 'unary', call: countedUnary(method.call, meter, onBug) };
    case 'serverStream': {
      const call: ServerStream = (request, outgoing, ctx) => {
        meter.received(request.length);
        const stream = new CountedOutgoing(outgoing, ctx.signal, meter);
        stream.guard(onBug, () => method.call(request, stream, ctx));
      };
      return { kind: 'serverStream', call };
    }
    case 'bidi': {
      const call: BidiStream = (incoming, outgoing, ctx) => {
        const stream = new CountedOutgoing(outgoing, ctx.signal, meter);
        const counted = {
          listen: (sink: Sink) => incoming.listen(new CountedSink(sink, stream, meter, onBug)),
          pause: () => incoming.pause(),
          resume: () => incoming.resume(),
        };
        stream.guard(onBug, () => method.call(counted, stream, ctx));
      };
      return { kind: 'bidi', call };
    }
  }
}

function countedUnary(call: Unary, meter: RpcMeter, onBug: (error: unknown) => void): Unary {
  return async (request, ctx) => {
    const startedMs = performance.now();
    meter.started();
    meter.received(request.length);
    try {
      const answer = await call(request, ctx);
      meter.sent(answer.length);
      meter.handled('OK', startedMs);
      return answer;
    } catch (error) {
      const status = toRpcError(error, onBug);
      meter.handled(status.code, startedMs);
      throw status;
    }
  };
}

type Sink = Parameters<Incoming['listen']>[0];

/** What the sink throws ends the stream. */
class CountedSink implements Sink {
  readonly #sink: Sink;
  readonly #stream: CountedOutgoing;
  readonly #meter: RpcMeter;
  readonly #onBug: (error: unknown) => void;

  constructor(sink: Sink, stream: CountedOutgoing, meter: RpcMeter, onBug: (error: unknown) => void) {
    this.#sink = sink;
    this.#stream = stream;
    this.#meter = meter;
    this.#onBug = onBug;
  }

  message(bytes: Uint8Array): void {
    this.#meter.received(bytes.length);
    try {
      this.#sink.message(bytes);
    } catch (error) {
      this.#stream.fail(toRpcError(error, this.#onBug));
    }
  }

  end(): void {
    this.#stream.guard(this.#onBug, () => this.#sink.end());
  }
}

class CountedOutgoing implements Outgoing {
  readonly #outgoing: Outgoing;
  readonly #meter: RpcMeter;
  readonly #startedMs = performance.now();
  #ended = false;

  constructor(outgoing: Outgoing, signal: AbortSignal, meter: RpcMeter) {
    this.#outgoing = outgoing;
    this.#meter = meter;
    meter.started();
    signal.addEventListener('abort', () => {
      // Failed below the service, at its deadline for one.
      const { reason } = signal;
      this.#handled(reason instanceof RpcError ? reason.code : 'Canceled');
    });
  }

  write(message: Uint8Array): boolean {
    this.#meter.sent(message.length);
    return this.#outgoing.write(message);
  }

  writeFramed(pieces: readonly Uint8Array[], count: number): boolean {
    this.#meter.sent(lengthOf(pieces) - count * grpcHeadBytes, count);
    return sendFramed(this.#outgoing, pieces, count);
  }

  whenWritable(): Promise<void> {
    return this.#outgoing.whenWritable();
  }

  end(): void {
    this.#handled('OK');
    this.#outgoing.end();
  }

  fail(error: RpcError): void {
    this.#handled(error.code);
    this.#outgoing.fail(error);
  }

  /** What `step` throws ends the stream. */
  guard(onBug: (error: unknown) => void, step: () => void): void {
    try {
      step();
    } catch (error) {
      this.fail(toRpcError(error, onBug));
    }
  }

  #handled(code: Parameters<RpcMeter['handled']>[0]): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#meter.handled(code, this.#startedMs);
  }
}
