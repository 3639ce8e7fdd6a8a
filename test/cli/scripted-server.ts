/**
 * A gRPC server that answers from a script, for tests of the tool: responses are made from our own proto files, requests are
 * kept for the test to look at.
 */
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import protobuf from 'protobufjs';

/** What a method answers: a message's fields, or an error. */
export type Scripted = Readonly<Record<string, unknown>> | { readonly code: number; readonly details: string };
/** A stream's request that is left without an answer. */
export const silence: Scripted = { code: 0, details: 'none' };
/** Method name → answer to the request. */
export type Script = Readonly<Record<string, (request: Record<string, unknown>) => Scripted>>;

/** A request that came in, int64 as text, enums by name. */
export interface Received {
  readonly method: string;
  readonly request: Record<string, unknown>;
}

/** A started server; `stop` it. */
export class ScriptedServer {
  readonly endpoint: string;
  readonly requests: readonly Received[];
  readonly #server: Server;

  private constructor(server: Server, port: number, requests: readonly Received[]) {
    this.#server = server;
    this.requests = requests;
    this.endpoint = `127.0.0.1:${port}`;
  }

  static async start(script: Script): Promise<ScriptedServer> {
    const root = new protobuf.Root();
    const folder = new URL('../../proto/', import.meta.url).pathname;
    root.resolvePath = (_origin, target) => (target.startsWith('google/api/') ? null : `${folder}${target}`);
    root.loadSync('etcd/rpc.proto', { keepCase: true });
    const server = new Server();
    const requests: Received[] = [];
    for (const name of ['KV', 'Lease', 'Cluster', 'Maintenance', 'Watch']) mount(server, root, name, script, requests);
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    return new ScriptedServer(server, port, requests);
  }

  stop(): void {
    this.#server.forceShutdown();
  }
}

function mount(server: Server, root: protobuf.Root, name: string, script: Script, requests: Received[]): void {
  const methods = Object.values(root.lookupService(`etcdserverpb.${name}`).methods);
  const definition = Object.fromEntries(
    methods.map((method) => {
      const request = root.lookupType(`etcdserverpb.${method.requestType}`);
      const response = root.lookupType(`etcdserverpb.${method.responseType}`);
      return [
        method.name,
        {
          path: `/etcdserverpb.${name}/${method.name}`,
          requestStream: method.requestStream === true,
          responseStream: method.responseStream === true,
          requestSerialize: (value: Record<string, unknown>) =>
            Buffer.from(request.encode(request.fromObject(value)).finish()),
          requestDeserialize: (bytes: Buffer) =>
            request.toObject(request.decode(bytes), { longs: String, enums: String }),
          responseSerialize: (value: Record<string, unknown>) =>
            Buffer.from(response.encode(response.fromObject(value)).finish()),
          responseDeserialize: (bytes: Buffer) => response.toObject(response.decode(bytes)),
        },
      ];
    }),
  );
  const answer = (method: string, request: Record<string, unknown>): Scripted => {
    requests.push({ method, request });
    return script[method]?.(request) ?? { code: 12, details: 'not in the script' };
  };
  const unary =
    (method: string) => (call: ServerUnaryCall<Record<string, unknown>, object>, done: sendUnaryData<object>) => {
      const given = answer(method, call.request);
      if (typeof given['code'] === 'number') done(given as { code: number; details: string });
      else done(null, given);
    };
  const stream = (method: string) => (call: ServerDuplexStream<Record<string, unknown>, object>) => {
    call.on('data', (request: Record<string, unknown>) => {
      const given = answer(method, request);
      if (given !== silence) call.write(given);
    });
    call.on('end', () => call.end());
    call.on('error', () => {});
  };
  /** What the script answers under `messages`, one after the other. */
  const answers = (method: string) => (call: ServerWritableStream<Record<string, unknown>, object>) => {
    const given = answer(method, call.request);
    for (const message of 'messages' in given ? (given['messages'] as readonly object[]) : []) call.write(message);
    if (typeof given['code'] === 'number') call.emit('error', given);
    else call.end();
  };
  const implementation = Object.fromEntries(
    methods.map(({ name: method, requestStream, responseStream }) => {
      if (requestStream === true) return [method, stream(method)];
      return [method, responseStream === true ? answers(method) : unary(method)];
    }),
  );
  server.addService(definition, implementation);
}
