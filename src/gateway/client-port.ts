/** Puts together what clients talk to: services on gRPC, pages on HTTP, one listener in front. The program's way in. */
import { receiveSlackBytes, streamsPerConnectionMax, watchStreamBufferBytesMax } from '../base/limits.ts';
import type { Metrics } from '../ops/metrics.ts';
import { type AcceptOptions, ClientListener } from '../rpc/accept.ts';
import { GrpcServer } from '../rpc/grpc-server.ts';
import type { Member } from '../rpc/member.ts';
import type { ProtocolServer } from '../rpc/protocol-server.ts';
import { services } from '../rpc/services.ts';
import { gatewayServer } from './http.ts';
import { Http1Server, type HttpDeadlines } from './http1-server.ts';

export interface ClientPortOptions {
  readonly member: Member;
  readonly metrics: Metrics;
  /** Hears of our own bugs; the program logs them and exits. */
  readonly onBug: (error: unknown) => void;
  /** etcd's --max-concurrent-streams. */
  readonly streamsPerConnection?: number;
  readonly streamBufferBytes?: number;
  readonly keepAlivesPerStream?: number;
  readonly queueCalls?: number;
  /** What JSON bodies that are arriving may hold together. */
  readonly jsonBodiesBytes?: number;
  readonly progressIntervalMs?: number;
  readonly ping?: { readonly everyMs: number; readonly answerMsMax: number };
  readonly grpcIdleMs?: number;
  /** Caps and deadlines of connections, where they differ from base/limits.ts. */
  readonly accept?: Omit<AcceptOptions, 'servers'>;
  readonly http?: HttpDeadlines;
}

/** A listener that is not listening yet: `listen(host, port)`, then `close(graceMs)`. */
export function clientPort(options: ClientPortOptions): ClientListener {
  const { member, metrics, onBug, progressIntervalMs, keepAlivesPerStream, queueCalls } = options;
  const table = services(member, {
    metrics,
    onBug,
    ...(progressIntervalMs === undefined ? {} : { progressIntervalMs }),
    ...(keepAlivesPerStream === undefined ? {} : { keepAlivesPerStream }),
    ...(queueCalls === undefined ? {} : { queueCalls }),
  });
  const messageBytesMax = member.options.maxRequestBytes + receiveSlackBytes;
  const streamBytesMax = options.streamBufferBytes ?? watchStreamBufferBytesMax;
  const grpc = new GrpcServer(table, {
    receiveBytesMax: messageBytesMax,
    streamsPerConnectionMax: options.streamsPerConnection ?? streamsPerConnectionMax,
    streamBufferBytesMax: streamBytesMax,
    ...(options.ping === undefined ? {} : { ping: options.ping }),
    ...(options.grpcIdleMs === undefined ? {} : { idleMs: options.grpcIdleMs }),
    onBug,
  });
  const { jsonBodiesBytes: bodiesBytesMax } = options;
  const limits = { messageBytesMax, streamBufferBytesMax: streamBytesMax };
  const api = { table, ...limits, ...(bodiesBytesMax === undefined ? {} : { bodiesBytesMax }) };
  const http1 = new Http1Server(
    (connections) => gatewayServer({ member, metrics, onBug, api, connections }),
    options.http,
  );
  return new ClientListener({ ...options.accept, servers: { http1, http2: grpc } });
}

/** The pages alone, for --listen-metrics-urls: who may scrape a member need not be let near its keys and leases. */
export function pagesPort({
  accept,
  http,
  ...pages
}: Pick<ClientPortOptions, 'member' | 'metrics' | 'onBug' | 'accept' | 'http'>): ClientListener {
  const http1 = new Http1Server((connections) => gatewayServer({ ...pages, connections }), http);
  return new ClientListener({ ...accept, servers: { http1, http2: noGrpc } });
}

const noGrpc: ProtocolServer = {
  serve: ({ socket }) => void socket.destroy(),
  drain: () => {},
  close: () => {},
};
