/**
 * A channel over `@grpc/grpc-js`: one HTTP/2 connection, with pings that notice a peer that is gone without a word. Moves bytes and
 * knows no message. Says of each failed call whether any of it can have left (`CallFailure.sent`), which decides whether a write
 * may be made again.
 */
import * as grpc from '@grpc/grpc-js';
import { onAbort } from '../abort.ts';
import { CallFailure, grpcCodes, LeaseError } from '../errors.ts';
import type { Channel, Connect, Metadata, StreamCall, StreamSink, UnaryOptions } from './channel.ts';
import { type Endpoint, parseEndpoint } from './endpoint.ts';
import { channelTarget } from './endpoint-resolver.ts';

/** How members are known, and who the client says it is. */
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
  /** Silence after which a connection with something under way is pinged. */
  readonly pingMs: number;
}

const identity = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const deserialize = (bytes: Buffer): Uint8Array => bytes;

/** A ping is answered within this, or the connection is given up; less if pings are asked for more often. */
const pingAnswerMsMax = 4_000;
/** A method that nobody has; only asked to hear from grpc-js why there is no connection. */
const nowhere = '/leasehold.client/Unreachable';

/** The library's usual way to a member. Throws `invalid_argument` for TLS material that is none. */
export function grpcConnect(options: GrpcChannelOptions): Connect {
  return (endpoint) => new GrpcChannel(parseEndpoint(endpoint, options.tls !== undefined), options);
}

class GrpcChannel implements Channel {
  readonly endpoint: string;
  readonly #client: grpc.Client;
  readonly #calls = new Set<{ cancel(): void }>();
  #isClosed = false;

  constructor({ endpoint, target, secure }: Endpoint, { tls = {}, pingMs }: GrpcChannelOptions) {
    this.endpoint = endpoint;
    const credentials = secure ? secureCredentials(tls) : grpc.credentials.createInsecure();
    this.#client = new grpc.Client(channelTarget(target), credentials, {
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      'grpc.enable_http_proxy': 0,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.min_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1_000,
      'grpc.keepalive_time_ms': pingMs,
      'grpc.keepalive_timeout_ms': Math.min(pingMs, pingAnswerMsMax),
      'grpc.service_config_disable_resolution': 1,
      'grpc.enable_retries': 0,
      'grpc.default_authority': target,
      ...(tls.serverName === undefined ? {} : { 'grpc.ssl_target_name_override': tls.serverName }),
    });
  }

  ready(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const channel = this.#client.getChannel();
    const deadline = Date.now() + timeoutMs;
    return new Promise((resolve, reject) => {
      let undo = (): void => {};
      const over = (failure?: CallFailure): void => {
        undo();
        if (failure === undefined) resolve();
        else reject(failure);
      };
      const cancelled = (): void => over(new CallFailure(grpcCodes.cancelled, 'cancelled', false));
      const failed = (why: string): void =>
        over(new CallFailure(grpcCodes.unavailable, `no connection to ${this.endpoint}${why}`, false));
      const look = (): void => {
        if (signal?.aborted === true) return;
        const state = this.#isClosed ? grpc.connectivityState.SHUTDOWN : channel.getConnectivityState(true);
        if (state === grpc.connectivityState.READY) over();
        else if (state === grpc.connectivityState.TRANSIENT_FAILURE) void this.#whyNot(deadline).then(failed);
        else if (state === grpc.connectivityState.SHUTDOWN) failed(': closed');
        else
          channel.watchConnectivityState(state, deadline, (late) => (late === undefined ? look() : failed(' in time')));
      };
      if (signal !== undefined) undo = onAbort(signal, cancelled);
      look();
    });
  }

  async unary(path: string, request: Uint8Array, { metadata, timeoutMs, signal }: UnaryOptions): Promise<Uint8Array> {
    if (this.#isClosed) throw new CallFailure(grpcCodes.unavailable, 'the channel is closed', false);
    if (signal?.aborted === true) throw new CallFailure(grpcCodes.cancelled, 'cancelled', false);
    const leaving = new Leaving();
    return await new Promise((resolve, reject) => {
      let undo = (): void => {};
      const call = this.#client.makeUnaryRequest(
        path,
        identity,
        deserialize,
        request,
        metadataOf(metadata),
        { deadline: Date.now() + timeoutMs, credentials: leaving.credentials },
        (error, answer) => {
          undo();
          this.#calls.delete(call);
          if (error !== null) reject(callFailureOf(error, leaving.hasLeft));
          else resolve(answer ?? new Uint8Array());
        },
      );
      this.#calls.add(call);
      if (signal !== undefined) undo = onAbort(signal, () => call.cancel());
    });
  }

  stream(path: string, metadata: Metadata, sink: StreamSink): StreamCall {
    if (this.#isClosed) return stillborn(sink);
    const leaving = new Leaving();
    const { credentials } = leaving;
    const call = this.#client.makeBidiStreamRequest(path, identity, deserialize, metadataOf(metadata), { credentials });
    const stream = new GrpcStream(call, leaving, {
      message: (bytes) => sink.message(bytes),
      end: (failure) => {
        this.#calls.delete(stream);
        sink.end(failure);
      },
    });
    this.#calls.add(stream);
    return stream;
  }

  close(): void {
    this.#isClosed = true;
    // grpc-js lets what is under way come to its end, which a stream never does.
    for (const call of [...this.#calls]) call.cancel();
    this.#client.close();
  }

  /** Why there is no connection, which grpc-js tells only to calls. */
  #whyNot(deadline: number): Promise<string> {
    return new Promise((resolve) => {
      const empty = new Uint8Array();
      this.#client.makeUnaryRequest(nowhere, identity, deserialize, empty, { deadline }, (error) => {
        const details = error?.details ?? '';
        const why = /Last error: (?:Error: )?(.*?)\.?(?: Resolution note: .*)?$/s.exec(details)?.[1] ?? details;
        resolve(why === '' ? '' : `: ${why}`);
      });
    });
  }
}

/** A stream on a channel that is closed. */
function stillborn(sink: StreamSink): StreamCall {
  queueMicrotask(() => sink.end(new CallFailure(grpcCodes.unavailable, 'the channel is closed', false)));
  const nothing = (): void => {};
  return {
    write: () => true,
    whenWritable: () => Promise.resolve(),
    end: nothing,
    cancel: nothing,
    pause: nothing,
    resume: nothing,
  };
}

const nothing = new grpc.Metadata();

/**
 * Whether a call has been given to a connection: from then on it may have left. grpc-js says so nowhere, but it asks for a call's
 * credentials right before that, and only then.
 */
class Leaving {
  hasLeft = false;
  readonly credentials = grpc.credentials.createFromMetadataGenerator((_options, done) => {
    this.hasLeft = true;
    done(null, nothing);
  });
}

class GrpcStream implements StreamCall {
  readonly #call: grpc.ClientDuplexStream<Uint8Array, Uint8Array>;
  #over = false;
  #waiters: (() => void)[] = [];

  constructor(call: grpc.ClientDuplexStream<Uint8Array, Uint8Array>, leaving: Leaving, { message, end }: StreamSink) {
    this.#call = call;
    const over = (failure: CallFailure | undefined): void => {
      if (this.#over) return;
      this.#over = true;
      this.#drained();
      end(failure);
    };
    call.on('data', (bytes: Uint8Array) => {
      if (!this.#over) message(bytes);
    });
    // The status may overtake messages that wait for `resume`; the end of what is read does not.
    call.on('end', () => setImmediate(() => over(undefined)));
    call.on('error', (error) => over(callFailureOf(error, leaving.hasLeft)));
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

/** What grpc-js says when a connection breaks in a way that it does not know for one: no server writes that. */
const broken =
  /^(Received RST_STREAM with code|Write error:|Write failed with error|No message received|Failed to start HTTP\/2 stream)/;
/** Nothing of the call was looked at: by HTTP/2's promise, or as the connection was going away when it was to begin. */
const neverBegun = /^(Stream refused by server|Failed to start HTTP\/2 stream)/;

/** grpc-js's error as the library has it; `hasLeft`: as far as was seen here, it may have been sent. */
export function callFailureOf(error: unknown, hasLeft: boolean): CallFailure {
  const { code, details, message } = error as Partial<grpc.ServiceError>;
  const text = details ?? message ?? String(error);
  if (typeof code !== 'number') return new CallFailure(grpcCodes.unknown, text, hasLeft);
  const isBroken = code === grpcCodes.internal && broken.test(text);
  return new CallFailure(isBroken ? grpcCodes.unavailable : code, text, hasLeft && !neverBegun.test(text));
}

function metadataOf(entries: Metadata): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(entries)) metadata.set(name, value);
  return metadata;
}

function secureCredentials({ ca, cert, key }: TlsOptions): grpc.ChannelCredentials {
  if ((cert === undefined) !== (key === undefined))
    throw new LeaseError('invalid_argument', 'tls.cert and tls.key go together: give both, or neither');
  try {
    return grpc.credentials.createSsl(bufferOf(ca), bufferOf(key), bufferOf(cert));
  } catch (cause) {
    const { message } = cause as Error;
    throw new LeaseError('invalid_argument', `tls: ca, cert or key is no PEM, or they do not fit: ${message}`, {
      cause,
    });
  }
}

function bufferOf(pem: Uint8Array | string | undefined): Buffer | null {
  return pem === undefined ? null : Buffer.from(pem as string);
}
