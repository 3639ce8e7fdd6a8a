/**
 * Servers that register themselves, and a gRPC client that follows them by name as they come and go. What to look at: the
 * server's one `register`, which lasts until it is closed, and the client's `leasehold:///greeter`, which is all it knows.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import * as grpc from '@grpc/grpc-js';
import { Client, registerGrpcResolver } from 'leasehold/client';

const help = `node --import tsx examples/service-discovery.ts serve|call [flags]
  serve   a server on a free port, registered until SIGTERM
  call    calls whoever is registered, again and again, until SIGTERM
  --endpoints HOST:PORT,…   members of the cluster (127.0.0.1:2379)
  --ttl DURATION            serve: how long it stays registered once it is dead (5s)
  --every MS                call: between two calls (500)`;

const flags = {
  endpoints: { type: 'string', default: '127.0.0.1:2379' },
  ttl: { type: 'string', default: '5s' },
  every: { type: 'string', default: '500' },
  help: { type: 'boolean', default: false },
} as const;

/** With a .proto you would have a generated definition here. This one speaks JSON. */
const greeter = {
  greet: {
    path: '/examples.Greeter/Greet',
    requestStream: false,
    responseStream: false,
    requestSerialize: jsonBytes<{ readonly name: string }>,
    requestDeserialize: (bytes: Buffer) => JSON.parse(String(bytes)) as { readonly name: string },
    responseSerialize: jsonBytes<{ readonly text: string }>,
    responseDeserialize: (bytes: Buffer) => JSON.parse(String(bytes)) as { readonly text: string },
  },
};

function jsonBytes<T>(value: T): Buffer {
  return Buffer.from(JSON.stringify(value));
}

async function serve(client: Client, ttl: string, stop: AbortSignal): Promise<void> {
  const server = new grpc.Server();
  let addr = '';
  server.addService(greeter, {
    greet: ({ request }: { request: { name: string } }, answer: grpc.sendUnaryData<{ readonly text: string }>) =>
      answer(null, { text: `hello ${request.name}, this is ${addr}` }),
  });
  const port = await new Promise<number>((resolve, reject) => {
    const bound = (error: Error | null, port: number): void => (error === null ? resolve(port) : reject(error));
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), bound);
  });
  addr = `127.0.0.1:${port}`;

  const registration = await client.registry({ ttl }).register('greeter', { addr });
  registration.addEventListener('lost', ({ reason }) => console.log(`${addr} lost its registration: ${reason}`));
  registration.addEventListener('registered', () => console.log(`${addr} is registered again`));
  console.log(`${addr} is registered`);

  await aborted(stop);
  // First nobody finds it any more, then it finishes what it is at.
  await registration.close();
  await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
}

async function call(client: Client, everyMs: number, stop: AbortSignal): Promise<void> {
  registerGrpcResolver(client);
  const Greeter = grpc.makeGenericClientConstructor(greeter, 'Greeter');
  const stub = new Greeter('leasehold:///greeter', grpc.credentials.createInsecure(), {
    'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
  });
  const { path, requestSerialize, responseDeserialize } = greeter.greet;
  while (!stop.aborted) {
    const line = await new Promise<string>((resolve) =>
      stub.makeUnaryRequest(path, requestSerialize, responseDeserialize, { name: 'you' }, (error, answer) =>
        resolve(error === null ? (answer?.text ?? '') : `${grpc.status[error.code]}: ${error.details}`),
      ),
    );
    console.log(line);
    await sleep(everyMs, undefined, { signal: stop }).catch(() => {});
  }
  stub.close();
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ options: flags, allowPositionals: true });
  const [role] = positionals;
  if (values.help || (role !== 'serve' && role !== 'call')) {
    console.log(help);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  await using client = new Client({ endpoints: values.endpoints.split(',') });
  await (role === 'serve' ? serve(client, values.ttl, stop.signal) : call(client, Number(values.every), stop.signal));
}

await main();
