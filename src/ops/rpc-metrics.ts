/**
 * What calls there were and how they ended, in go-grpc-prometheus' names, which etcd's alerts and dashboards read. A part of `Metrics`.
 */
import { Counter, Histogram, type Registry } from 'prom-client';
import { handlingBuckets } from './buckets.ts';
import type { EtcdCounters } from './etcd-counters.ts';

/** gRPC's status names, all of which every method's series starts with. */
const grpcCodes = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
] as const;
type GrpcCode = (typeof grpcCodes)[number];

/** The counters of one method; bytes are those of the message. */
export interface RpcMeter {
  started(): void;
  received(bytes: number): void;
  sent(bytes: number): void;
  /** The call that began at `startedMs` of `performance.now()` has ended. */
  handled(code: GrpcCode, startedMs: number): void;
}

const rpcLabels = ['grpc_service', 'grpc_method', 'grpc_type'] as const;

export class RpcMetrics {
  readonly #etcd: EtcdCounters;
  readonly #started: Counter<string>;
  readonly #received: Counter<string>;
  readonly #sent: Counter<string>;
  readonly #handled: Counter<string>;
  readonly #handling: Histogram<string>;
  readonly #clientReceived: Counter;
  readonly #clientSent: Counter;

  constructor(registry: Registry, etcd: EtcdCounters) {
    this.#etcd = etcd;
    const bytes = (name: string, help: string): Counter => new Counter({ name, help, registers: [registry] });
    this.#clientReceived = bytes('etcd_network_client_grpc_received_bytes_total', 'Bytes of requests.');
    this.#clientSent = bytes('etcd_network_client_grpc_sent_bytes_total', 'Bytes of answers.');
    const rpc = (name: string, help: string, more: readonly string[] = []): Counter<string> =>
      new Counter({ name, help, labelNames: [...rpcLabels, ...more], registers: [registry] });
    this.#started = rpc('grpc_server_started_total', 'Calls started.');
    this.#received = rpc('grpc_server_msg_received_total', 'Messages received.');
    this.#sent = rpc('grpc_server_msg_sent_total', 'Messages sent.');
    this.#handled = rpc('grpc_server_handled_total', 'Calls ended, by status.', ['grpc_code']);
    this.#handling = new Histogram({
      name: 'grpc_server_handling_seconds',
      help: 'From the start of a call to its end.',
      labelNames: rpcLabels,
      buckets: handlingBuckets,
      registers: [registry],
    });
  }

  /** The counters of a method, all series at zero from now on. */
  meter(service: string, method: string, type: string): RpcMeter {
    const labels = { grpc_service: service, grpc_method: method, grpc_type: type };
    const started = this.#started.labels(labels);
    const received = this.#received.labels(labels);
    const sent = this.#sent.labels(labels);
    const handled = new Map(
      grpcCodes.map((code) => [code, this.#handled.labels({ ...labels, grpc_code: code })] as const),
    );
    for (const series of [started, received, sent, ...handled.values()]) series.inc(0);
    const handling = this.#handling.labels(labels);
    const isRange = method === 'Range';
    const isWatch = service === 'etcdserverpb.Watch';
    return {
      started: () => {
        started.inc();
        if (isWatch) this.#etcd.watchStreams(1);
      },
      received: (bytes) => {
        received.inc();
        this.#clientReceived.inc(bytes);
      },
      sent: (bytes) => {
        sent.inc();
        this.#clientSent.inc(bytes);
      },
      handled: (code, startedMs) => {
        handled.get(code)?.inc();
        if (isWatch) this.#etcd.watchStreams(-1);
        if (isRange && code === 'OK') this.#etcd.ranged();
        handling.observe((performance.now() - startedMs) / 1000);
      },
    };
  }
}
