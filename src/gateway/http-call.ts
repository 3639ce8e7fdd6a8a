/**
 * One HTTP request as a service sees a call, and its answer as a service writes one. Owns the call's end: answered, failed,
 * past its deadline or left by its client, the signal aborts once and nothing is written after it.
 */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { RpcError, rpcError } from '../rpc/errors.ts';
import type { CallContext, Outgoing } from '../rpc/transport.ts';
import { errorJson, gatewayErrors, httpStatus, streamErrorJson } from './errors.ts';
import type { HttpConnections } from './http1-server.ts';
import { messageJson } from './json-write.ts';
import type { Route } from './routes.ts';

/** On every answer of the port, as etcd's `--cors='*'`, its default. */
export const corsHeaders = {
  'Access-Control-Allow-Headers': 'accept, content-type, authorization',
  'Access-Control-Allow-Methods': 'POST, GET, OPTIONS, PUT, DELETE',
  'Access-Control-Allow-Origin': '*',
} as const;

const jsonHeaders = { ...corsHeaders, 'Content-Type': 'application/json' } as const;
const grpcType = 'application/grpc';
const timerMsMax = 2 ** 31 - 1;
/** The units of a Grpc-Timeout header, in milliseconds. */
const unitMs: ReadonlyMap<string, number> = new Map([
  ['H', 3_600_000],
  ['M', 60_000],
  ['S', 1_000],
  ['m', 1],
  ['u', 1e-3],
  ['n', 1e-6],
]);

export interface HttpCallOptions {
  /** Bytes written to a stream and not yet taken, above which `write` says stop. */
  readonly bufferBytesMax: number;
  readonly connections: HttpConnections;
}

export class HttpCall implements CallContext, Outgoing {
  readonly route: Route;
  readonly request: IncomingMessage;
  readonly timeoutMs: number | undefined;
  readonly metadata = { get: (name: string): string | undefined => this.#metadatum(name) };
  readonly #response: ServerResponse;
  readonly #abort = new AbortController();
  readonly #options: HttpCallOptions;
  #timer: NodeJS.Timeout | undefined;
  #pendingBytes = 0;
  #waiters: (() => void)[] = [];
  #over = false;

  constructor(route: Route, request: IncomingMessage, response: ServerResponse, options: HttpCallOptions) {
    this.route = route;
    this.request = request;
    this.#response = response;
    this.#options = options;
    response.once('close', () => this.#finish());
    // A broken connection also closes; unheard, its error would end the process.
    response.on('error', () => this.#finish());
    this.timeoutMs = this.#readTimeout();
  }

  get peer(): string {
    const { remoteAddress, remotePort } = this.request.socket;
    return `${remoteAddress}:${remotePort}`;
  }

  get unread(): boolean {
    return this.#options.connections.isFull(this.request);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Answered, failed or left; what is said now is not heard. */
  get over(): boolean {
    return this.#over;
  }

  /** A unary call's answer. */
  answer(message: Uint8Array): void {
    if (this.#over) return;
    const json = this.#json(message);
    if (json instanceof RpcError) {
      this.refuse(json);
      return;
    }
    this.#head(200, { 'Grpc-Metadata-Content-Type': grpcType, 'Content-Length': Buffer.byteLength(json) });
    this.#last(json);
  }

  /** A unary call's error, as it came from a service: gRPC's trailer goes with it. */
  refuse(error: RpcError): void {
    if (this.#over) return;
    this.#head(httpStatus(error), { Trailer: 'Grpc-Trailer-Content-Type' });
    this.#response.write(errorJson(error));
    this.#response.addTrailers({ 'Grpc-Trailer-Content-Type': grpcType });
    this.#last();
  }

  /** An error of the gateway's own, before any service was asked. */
  reject(error: RpcError): void {
    if (this.#over) return;
    const json = errorJson(error);
    this.#head(httpStatus(error), { 'Content-Length': Buffer.byteLength(json) });
    this.#finish(error);
    this.#last(json);
  }

  /** One message of a stream is one line and one chunk. */
  write(message: Uint8Array): boolean {
    if (this.#over) return true;
    const json = this.#json(message);
    if (json instanceof RpcError) {
      this.fail(json);
      return true;
    }
    if (!this.#response.headersSent) this.#head(200, { 'Grpc-Metadata-Content-Type': grpcType });
    const line = Buffer.from(`{"result":${json}}\n`);
    this.#pendingBytes += line.length;
    this.#response.write(line, () => {
      this.#pendingBytes -= line.length;
      if (this.#pendingBytes < this.#options.bufferBytesMax / 2) this.#wakeWaiters();
    });
    return this.#pendingBytes < this.#options.bufferBytesMax;
  }

  whenWritable(): Promise<void> {
    if (this.#over || this.#pendingBytes < this.#options.bufferBytesMax / 2) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  end(): void {
    if (this.#over) return;
    if (!this.#response.headersSent) this.#head(200, {});
    // A stream without a message is chunked all the same.
    this.#response.flushHeaders();
    this.#last();
  }

  fail(error: RpcError): void {
    if (this.#over) return;
    if (!this.#response.headersSent) this.#head(httpStatus(error), {});
    this.#response.write(streamErrorJson(error));
    this.#finish(error);
    this.#last();
  }

  /** Or why there is none that may be sent. */
  #json(message: Uint8Array): string | RpcError {
    try {
      const json = messageJson(this.route.answer, message);
      const { connections } = this.#options;
      return connections.mayKeep(this.request, json.length) ? json : rpcError('tooManyRequests');
    } catch (error) {
      if (error instanceof RpcError) return error;
      throw error;
    }
  }

  #head(status: number, headers: OutgoingHttpHeaders): void {
    this.#response.writeHead(status, { ...jsonHeaders, ...headers });
  }

  #last(json?: string): void {
    this.#finish();
    this.#response.end(json);
  }

  #finish(why?: RpcError): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#abort.abort(why);
    this.#wakeWaiters();
  }

  #wakeWaiters(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  /** `Grpc-Metadata-Token: x` is gRPC's `token: x`; `Authorization` goes by its own name. */
  #metadatum(name: string): string | undefined {
    const { headers } = this.request;
    const found = name === 'authorization' ? headers.authorization : headers[`grpc-metadata-${name}`];
    return Array.isArray(found) ? found[0] : found;
  }

  /** Starts the clock of a Grpc-Timeout header; one that cannot be read, or is over at once, answers the call. */
  #readTimeout(): number | undefined {
    const given = this.request.headers['grpc-timeout'];
    if (given === undefined || given === '') return undefined;
    const text = String(given);
    const [, count, unit] = /^([+-]?\d+)([HMSmun])$/.exec(text) ?? [];
    if (count === undefined) {
      this.reject(gatewayErrors.badTimeout(text));
      return undefined;
    }
    const ms = Number(count) * (unitMs.get(unit ?? '') ?? 0);
    if (ms < 1) this.#late();
    else if (ms <= timerMsMax) this.#timer = setTimeout(() => this.#late(), ms);
    return Math.max(0, ms);
  }

  #late(): void {
    if (this.#response.headersSent) this.fail(gatewayErrors.deadline());
    else this.reject(gatewayErrors.deadline());
  }
}
