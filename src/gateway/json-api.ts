/**
 * etcd's JSON gateway: POST /v3/… (/v1/… for what is ours) with a JSON body is the gRPC method that `proto/` gives that path,
 * served by the same services. Owns how bodies become calls; paths are in routes.ts, JSON in json-*.ts, answers in http-call.ts. A
 * body is read under its connection's deadline, which is told (`waits`) when it is the client who waits.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { jsonBodiesBytesMax, jsonBytesPerMessageByteMax } from '../base/limits.ts';
import { RpcError, rpcError, toRpcError } from '../rpc/errors.ts';
import type { BidiStream, Method, ServiceTable } from '../rpc/transport.ts';
import { BodyBudget, JsonBody, type NextValue } from './body.ts';
import { gatewayErrors } from './errors.ts';
import { HttpCall } from './http-call.ts';
import type { HttpConnections } from './http1-server.ts';
import { JsonError, messageBytes } from './json-read.ts';
import { type Route, routesOf } from './routes.ts';

export interface JsonApiOptions {
  readonly table: ServiceTable;
  /** The largest message a service is asked to look at, as on gRPC. */
  readonly messageBytesMax: number;
  /** Bytes written to one stream and not yet taken, above which `write` says stop. */
  readonly streamBufferBytesMax: number;
  /** Bytes of bodies that are arriving, in all. */
  readonly bodiesBytesMax?: number;
  readonly onBug: (error: unknown) => void;
  /** Hears whose turn it is on a connection, and says how much it may be sent. */
  readonly connections: HttpConnections;
}

/** What a path and method come to. */
export type Found = Route | 'notFound' | 'notAllowed';

export class JsonApi {
  readonly #options: JsonApiOptions;
  readonly #routes: ReadonlyMap<string, Route>;
  readonly #budget: BodyBudget;

  constructor(options: JsonApiOptions) {
    this.#options = options;
    this.#routes = routesOf(options.table);
    this.#budget = new BodyBudget(options.bodiesBytesMax ?? jsonBodiesBytesMax);
  }

  /** Undefined: not a path of the gateway at all. `path` is decoded; etcd 3.4 still serves its old name /v3beta. */
  find(path: string, method: string | undefined): Found | undefined {
    const current = path.startsWith('/v3beta/') ? path.replace('/v3beta/', '/v3/') : path;
    const route = this.#routes.get(current);
    if (route === undefined) return current.startsWith('/v3/') ? 'notFound' : undefined;
    return method === 'POST' ? route : 'notAllowed';
  }

  serve(route: Route, request: IncomingMessage, response: ServerResponse): void {
    const { streamBufferBytesMax, connections } = this.#options;
    const call = new HttpCall(route, request, response, { bufferBytesMax: streamBufferBytesMax, connections });
    const body = new JsonBody(this.#budget, this.#options.messageBytesMax * jsonBytesPerMessageByteMax);
    call.signal.addEventListener('abort', () => {
      body.close();
      // Whatever the client still sends is read and dropped, or its connection would stand still.
      request.resume();
      this.#options.connections.waits(request, false);
    });
    if (call.over) request.resume();
    else if (route.method?.kind === 'bidi') this.#stream(route.method.call, call, body);
    else this.#once(route.method, call, body);
  }

  /** One value in, one call. What comes after the value is read and dropped, as by etcd's. */
  #once(method: Exclude<Method, { kind: 'bidi' }> | undefined, call: HttpCall, body: JsonBody): void {
    let called = false;
    const look = (ended: boolean): void => {
      const found = called ? undefined : body.next(ended);
      if (found === undefined || found.type === 'more') return;
      called = true;
      this.#options.connections.waits(call.request, true);
      const fail = (error: RpcError): void => call.refuse(error);
      this.#guarded(call, fail, () =>
        this.#call(method, call, this.#message(call.route, found, gatewayErrors.badJson)),
      );
    };
    call.request.on('data', (chunk: Buffer) => {
      body.push(chunk);
      look(false);
    });
    call.request.on('end', () => look(true));
  }

  #call(method: Exclude<Method, { kind: 'bidi' }> | undefined, call: HttpCall, message: Uint8Array | RpcError): void {
    const { messageBytesMax, onBug } = this.#options;
    if (message instanceof RpcError) call.reject(message);
    else if (method === undefined) call.refuse(gatewayErrors.unimplemented(call.route.name));
    else if (message.length > messageBytesMax) call.refuse(gatewayErrors.tooLong(message.length, messageBytesMax));
    else if (method.kind === 'serverStream') method.call(message, call, call);
    else {
      method.call(message, call).then(
        (bytes) => call.answer(bytes),
        (error: unknown) => call.refuse(toRpcError(error, onBug)),
      );
    }
  }

  /** Values in, lines out, at the same time. The method is called with the first value, or with the end of an empty body. */
  #stream(method: BidiStream, call: HttpCall, body: JsonBody): void {
    const { request } = call;
    let sink: { message(bytes: Uint8Array): void; end(): void } | undefined;
    let paused = false;
    let halfClosed = false;
    let ended = false;

    const begin = (): void => {
      this.#options.connections.waits(request, true);
      method({ listen: (heard) => (sink = heard), pause: () => (paused = true), resume }, call, call);
    };
    const close = (): void => {
      halfClosed = true;
      body.close();
      sink?.end();
    };
    const take = (found: Exclude<NextValue, { type: 'more' }>): void => {
      const message =
        found.type === 'empty' ? undefined : this.#message(call.route, found, gatewayErrors.badStreamJson);
      if (message instanceof RpcError) {
        // A stream that has begun only hears no more, as with etcd.
        if (sink === undefined) call.reject(message);
        else if (found.type === 'refused') call.fail(message);
        close();
        return;
      }
      if (sink === undefined) begin();
      if (message === undefined) close();
      else sink?.message(message);
    };
    const pump = (): void =>
      this.#guarded(
        call,
        (error) => call.fail(error),
        () => {
          while (!paused && !halfClosed && !call.over) {
            const found = body.next(ended);
            if (found.type === 'more') break;
            take(found);
          }
          if (paused && !halfClosed) request.pause();
        },
      );
    const resume = (): void => {
      if (!paused) return;
      paused = false;
      request.resume();
      // Not within the call that wrote: what waits here is looked at on its own.
      setImmediate(pump);
    };
    request.on('data', (chunk: Buffer) => {
      body.push(chunk);
      pump();
    });
    request.on('end', () => {
      ended = true;
      pump();
    });
  }

  /** The message on gRPC's wire, or why there is none. */
  #message(route: Route, found: NextValue, badJson: (reason: string) => RpcError): Uint8Array | RpcError {
    switch (found.type) {
      case 'bad':
        return badJson(found.reason);
      case 'refused':
        return rpcError(found.why === 'tooLong' ? 'requestTooLarge' : 'tooManyRequests');
      case 'empty':
      case 'more':
        return new Uint8Array(0);
      case 'value':
        try {
          return messageBytes(route.request, found.json);
        } catch (error) {
          if (error instanceof JsonError) return badJson(error.message);
          if (error instanceof RpcError) return error;
          throw error;
        }
    }
  }

  /** What goes wrong in here ends its call, not the process. */
  #guarded(call: HttpCall, fail: (error: RpcError) => void, step: () => void): void {
    try {
      if (!call.over) step();
    } catch (error) {
      fail(toRpcError(error, this.#options.onBug));
    }
  }
}
