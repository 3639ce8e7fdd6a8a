/**
 * What calls there were and how they ended, in go-grpc-prometheus' names, which etcd's alerts and dashboards read. A part of `Metrics`.
 */
import type { Registry } from 'prom-client';
import { handlingBuckets } from './buckets.ts';
import type { EtcdCounters } from './etcd-counters.ts';
import { Distributions, Tallies, type Tally, tally } from './tallies.ts';

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
  /** `messages`: 1 if not given; `bytes` are those of all of them. */
  sent(bytes: number, messages?: number): void;
  /** The call that began at `startedMs` of `performance.now()` has ended. */
  handled(code: GrpcCode, startedMs: number): void;
}

const rpcLabels = ['grpc_service', 'grpc_method', 'grpc_type'] as const;

export class RpcMetrics {
  readonly #etcd: EtcdCounters;
  readonly #started: Tallies;
  readonly #received: Tallies;
  readonly #sent: Tallies;
  readonly #handled: Tallies;
  readonly #handling: Distributions;
  readonly #clientReceived: Tally;
  readonly #clientSent: Tally;

  constructor(registry: Registry, etcd: EtcdCounters) {
    this.#etcd = etcd;
    this.#clientReceived = tally(registry, 'etcd_network_client_grpc_received_bytes_total', 'Bytes of requests.');
    this.#clientSent = tally(registry, 'etcd_network_client_grpc_sent_bytes_total', 'Bytes of answers.');
    const rpc = (name: string, help: string, more: readonly string[] = []): Tallies =>
      new Tallies(registry, name, help, [...rpcLabels, ...more]);
    this.#started = rpc('grpc_server_started_total', 'Calls started.');
    this.#received = rpc('grpc_server_msg_received_total', 'Messages received.');
    this.#sent = rpc('grpc_server_msg_sent_total', 'Messages sent.');
    this.#handled = rpc('grpc_server_handled_total', 'Calls ended, by status.', ['grpc_code']);
    const help = 'From the start of a call to its end.';
    this.#handling = new Distributions(registry, 'grpc_server_handling_seconds', help, handlingBuckets);
  }

  /** The counters of a method, all series at zero from now on. */
  meter(service: string, method: string, type: string): RpcMeter {
    const labels = { grpc_service: service, grpc_method: method, grpc_type: type };
    const started = this.#started.series(labels);
    const received = this.#received.series(labels);
    const sent = this.#sent.series(labels);
    const handled = new Map(
      grpcCodes.map((code) => [code, this.#handled.series({ ...labels, grpc_code: code })] as const),
    );
    const handling = this.#handling.series(labels);
    const isRange = method === 'Range';
    const isWatch = service === 'etcdserverpb.Watch';
    return {
      started: () => {
        started.add(1);
        if (isWatch) this.#etcd.watchStreams(1);
      },
      received: (bytes) => {
        received.add(1);
        this.#clientReceived.add(bytes);
      },
      sent: (bytes, messages = 1) => {
        sent.add(messages);
        this.#clientSent.add(bytes);
      },
      handled: (code, startedMs) => {
        handled.get(code)?.add(1);
        if (isWatch) this.#etcd.watchStreams(-1);
        if (isRange && code === 'OK') this.#etcd.ranged();
        handling.observe((performance.now() - startedMs) / 1000);
      },
    };
  }
}
