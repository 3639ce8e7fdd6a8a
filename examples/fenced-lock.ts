/**
 * A lock around a write to a database that knows nothing of the cluster. What to look at: the token that goes along with the
 * write, and the database's one comparison. A holder that is paused until its lock is another's knows so at its first look;
 * and if it does not look, its write comes with an old token and is refused.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { Client } from 'leasehold/client';

const help = `node --import tsx examples/fenced-lock.ts database|write [flags]
  database   keeps one value in memory; refuses writes with a token older than one it has seen
  write      takes the lock, is paused if told so, and writes
  --database URL            write: where the database is
  --endpoints HOST:PORT,…   write: members of the cluster (127.0.0.1:2379)
  --name NAME               write: what it writes (its process id)
  --ttl DURATION            write: how long the lock of a dead process is waited for (2s)
  --pause MS                write: stands still so long while it holds the lock, as a long collection of garbage does (0)
  --careless                write: does not look whether it still holds the lock after that`;

const flags = {
  database: { type: 'string', default: '' },
  endpoints: { type: 'string', default: '127.0.0.1:2379' },
  name: { type: 'string', default: String(process.pid) },
  ttl: { type: 'string', default: '2s' },
  pause: { type: 'string', default: '0' },
  careless: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

type Flags = { readonly database: string; readonly name: string; readonly pause: string; readonly careless: boolean };

/** `PUT /?token=N` with the value as its body. */
async function database(stop: AbortSignal): Promise<void> {
  let value = '';
  let newest = 0n;
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    if (request.method === 'PUT') {
      const token = BigInt(new URL(request.url ?? '', 'http://localhost').searchParams.get('token') ?? 0);
      // This line is the fence. It needs no clock, and nothing but the greatest token so far.
      if (token < newest) return void response.writeHead(409).end(`token ${token} is older than ${newest}`);
      newest = token;
      value = body;
    }
    response.end(value);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  console.log(`the database is at http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  await once(stop, 'abort');
  server.close();
  server.closeAllConnections();
}

async function write(client: Client, ttl: string, { database: url, name, pause, careless }: Flags): Promise<void> {
  await using held = await client.lock('account', { ttl, timeout: '1m' });
  console.log(`${name} holds the lock, token ${held.token}`);
  if (Number(pause) > 0) standStill(Number(pause));
  // The clocks are compared here, so this is true after any pause. Not so: `let lost = false` and a listener that sets it.
  if (!held.held() && !careless) {
    console.log(`${name} has lost the lock, and writes nothing`);
    return;
  }
  const answer = await fetch(`${url}/?token=${held.token}`, { method: 'PUT', body: name });
  console.log(answer.ok ? `${name} wrote` : `${name} is refused: ${await answer.text()}`);
}

/** No timer runs, nothing that arrives is heard. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ options: flags, allowPositionals: true });
  const [role] = positionals;
  if (values.help || (role !== 'database' && role !== 'write')) {
    console.log(help);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  if (role === 'database') {
    const stop = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
    await database(stop.signal);
    return;
  }
  await using client = new Client({ endpoints: values.endpoints.split(',') });
  await write(client, values.ttl, values);
}

await main();
