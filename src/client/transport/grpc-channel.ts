/**
 * A channel over `@grpc/grpc-js`: one HTTP/2 connection, with pings that notice a peer that is gone without a word. Moves bytes and
 * knows no message.
 */
import * as grpc from '@grpc/grpc-js';
import { onAbort } from '../abort.ts';
import { CallFailure, grpcCodes } from '../errors.ts';
import type { Channel, Connect, Metadata, StreamCall, StreamSink, UnaryOptions } from './channel.ts';
import { type Endpoint, parseEndpoint } from './endpoint.ts';

export interface TlsOptions {
  /** PEM certificates of who may sign the members'; the system's, if not given. */
  readonly ca?: Uint8Array | string;
  /** PEM certificate and key that the client shows. */
  readonly cert?: Uint8Array | string;
  readonly key?: Uint8Array | string;
  /** The name that members' certificates bear, if it is not the endpoint's host. */
  readonly serverName?: string;
}

export interface GrpcChannelOptions {
  /** TLS for endpoints without a scheme, and what `https://` ones are checked with. */
  readonly tls?: TlsOptions | undefined;
  /** Silence after which a connection is pinged; it is given up when the ping is not answered in as much again. */
  readonly pingMs: number;
}

const identity = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const deserialize = (bytes: Buffer): Uint8Array => bytes;

/** The library's usual way to a member. */
export function grpcConnect(options: GrpcChannelOptions): Connect {
  return (endpoint) => new GrpcChannel(parseEndpoint(endpoint, options.tls !== undefined), options);
}

class GrpcChannel implements Channel {
  readonly endpoint: string;
  readonly #client: grpc.Client;

  constructor({ endpoint, target, secure }: Endpoint, { tls = {}, pingMs }: GrpcChannelOptions) {
    this.endpoint = endpoint;
    const credentials = secure
      ? grpc.credentials.createSsl(bufferOf(tls.ca), bufferOf(tls.key), bufferOf(tls.cert))
      : grpc.credentials.createInsecure();
    this.#client = new grpc.Client(target, credentials, {
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      'grpc.enable_http_proxy': 0,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.min_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1_000,
      'grpc.keepalive_time_ms': pingMs,
      'grpc.keepalive_timeout_ms': pingMs,
      'grpc.service_config_disable_resolution': 1,
      'grpc.enable_retries': 0,
      ...(tls.serverName === undefined ? {} : { 'grpc.ssl_target_name_override': tls.serverName }),
    });
  }

  ready(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancelled = (): void => reject(new CallFailure(grpcCodes.cancelled, 'cancelled', false));
      if (signal?.aborted === true) return cancelled();
      const undo = signal === undefined ? () => {} : onAbort(signal, cancelled);
      this.#client.waitForReady(Date.now() + timeoutMs, (error) => {
        undo();
        if (error === undefined || error === null) resolve();
        else reject(new CallFailure(grpcCodes.unavailable, `no connection to ${this.endpoint}`, false));
      });
    });
  }

  unary(path: string, request: Uint8Array, { metadata, timeoutMs, signal }: UnaryOptions): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const deadline = Date.now() + timeoutMs;
      let undo = (): void => {};
      const call = this.#client.makeUnaryRequest(
        path,
        identity,
        deserialize,
        request,
        metadataOf(metadata),
        { deadline },
        (error, answer) => {
          undo();
          if (error !== null) reject(failureOf(error));
          else resolve(answer ?? new Uint8Array());
        },
      );
      if (signal !== undefined) undo = onAbort(signal, () => call.cancel());
    });
  }

  stream(path: string, metadata: Metadata, sink: StreamSink): StreamCall {
    const call = this.#client.makeBidiStreamRequest(path, identity, deserialize, metadataOf(metadata));
    return new GrpcStream(call, sink);
  }

  close(): void {
    this.#client.close();
  }
}

class GrpcStream implements StreamCall {
  readonly #call: grpc.ClientDuplexStream<Uint8Array, Uint8Array>;
  #over = false;
  #waiters: (() => void)[] = [];

  constructor(call: grpc.ClientDuplexStream<Uint8Array, Uint8Array>, sink: StreamSink) {
    this.#call = call;
    const end = (failure: CallFailure | undefined): void => {
      if (this.#over) return;
      this.#over = true;
      this.#drained();
      sink.end(failure);
    };
    call.on('data', (bytes: Uint8Array) => {
      if (!this.#over) sink.message(bytes);
    });
    call.on('error', (error) => end(failureOf(error)));
    call.on('status', ({ code, details }: grpc.StatusObject) => {
      if (code === grpc.status.OK) end(undefined);
      else end(new CallFailure(code, details, true));
    });
    call.on('drain', () => this.#drained());
  }

  write(bytes: Uint8Array): boolean {
    return this.#over || this.#call.write(bytes);
  }

  whenWritable(): Promise<void> {
    if (this.#over || !this.#call.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  end(): void {
    if (!this.#over) this.#call.end();
  }

  cancel(): void {
    this.#call.cancel();
  }

  pause(): void {
    this.#call.pause();
  }

  resume(): void {
    this.#call.resume();
  }

  #drained(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }
}

/** grpc-js's words for calls that never left: nothing of them can have been applied. */
const neverLeft =
  /^(No connection established|Name resolution failed|Failed to connect|Channel closed|The pending stream)/;

function failureOf(error: unknown): CallFailure {
  const { code, details, message } = error as Partial<grpc.ServiceError>;
  if (typeof code !== 'number') return new CallFailure(grpcCodes.unknown, message ?? String(error), true);
  return new CallFailure(code, details ?? message ?? '', !neverLeft.test(details ?? ''));
}

function metadataOf(entries: Metadata): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(entries)) metadata.set(name, value);
  return metadata;
}

function bufferOf(pem: Uint8Array | string | undefined): Buffer | null {
  return pem === undefined ? null : Buffer.from(pem as string);
}
