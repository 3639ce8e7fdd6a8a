/** Requests sent ahead of their answers: how much may wait for a client, how long it may take, and what a member that stops does. */
import { connect, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { Fixture, type FixtureOptions, until } from '../rpc/wire-client.ts';
import { base64 } from './http-client.ts';

let fixture: Fixture;
const start = async (options: FixtureOptions = {}): Promise<void> => {
  fixture = await Fixture.start(options);
};
const open: Socket[] = [];
afterEach(async () => {
  for (const socket of open.splice(0)) socket.destroy();
  await fixture.stop();
  expect(fixture.bugs).toEqual([]);
});

/** A connection that reads only when it is told to. */
class Client {
  readonly socket: Socket;
  received = '';
  closed = false;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1').pause();
    open.push(this.socket);
    this.socket.on('data', (chunk: Buffer) => {
      this.received += chunk.toString('latin1');
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.closed = true;
    });
  }

  post(path: string, body: object): void {
    const json = JSON.stringify(body);
    this.socket.write(`POST ${path} HTTP/1.1\r\nHost: m\r\nContent-Length: ${json.length}\r\n\r\n${json}`);
  }

  count(text: string): number {
    return this.received.split(text).length - 1;
  }
}

const calls = 60;
const valueBytes = 512 * 1024;
const askMuch = (client: Client): void => {
  fixture.member.put('big', 'x'.repeat(valueBytes));
  for (let at = 0; at < calls; at++) client.post('/v3/kv/range', { key: base64('big') });
};

test('answers that one connection does not take are refused, and all comes in order when it reads', async () => {
  await start({ accept: { unreadBytesPerConnectionMax: 2 * valueBytes } });
  const client = new Client(fixture.port);
  askMuch(client);
  await until(() => fixture.member.barriers > 10, 'they are read');
  client.socket.resume();
  await until(() => client.count('HTTP/1.1 ') === calls, 'every one is answered');
  // What the kernel takes for it does not count.
  expect(client.count('HTTP/1.1 429 ')).toBeGreaterThan(calls / 4);
  expect(client.count('HTTP/1.1 200 ')).toBeGreaterThan(1);
  client.post('/v3/kv/range', { key: base64('none') });
  await until(() => client.count('HTTP/1.1 ') === calls + 1, 'it is served again');
  expect(client.received.slice(client.received.lastIndexOf('HTTP/1.1 '))).toMatch(/^HTTP.1.1 200 /);
});

test('answers that all connections together do not take: who keeps most is cut', async () => {
  await start({ accept: { unreadBytesMax: 20 * valueBytes } });
  const client = new Client(fixture.port);
  askMuch(client);
  await until(() => fixture.member.barriers > 0, 'it is there');
  await until(() => fixture.listener.count === 0, 'it is cut');
});

test('pages that are not taken', async () => {
  await start({ accept: { unreadBytesPerConnectionMax: 1024 * 1024 } });
  const client = new Client(fixture.port);
  for (let at = 0; at < 700; at++) client.socket.write('GET /metrics HTTP/1.1\r\nHost: m\r\n\r\n');
  const other = new Client(fixture.port);
  other.socket.resume().write('GET /version HTTP/1.1\r\nHost: m\r\n\r\n');
  await until(() => other.count('HTTP/1.1 200 ') === 1, 'the other is served');
  other.socket.destroy();
  await until(() => fixture.listener.count === 0, 'it is cut');
});

test('a call that waits is not cut for what was sent behind it, nor for what was answered before it', async () => {
  await start({ accept: { firstRequestMs: 400 }, http: { requestMs: 200, idleMs: 200 } });
  const { member } = fixture;
  member.apply({ type: 'grant', id: 7n, ttlMs: 60_000 });
  member.held.set(7n, []);
  const client = new Client(fixture.port);
  client.socket.resume();
  client.post('/v3/kv/range', { key: base64('before') });
  client.post('/v3/lease/keepalive', { ID: 7 });
  client.socket.write('GET /version HTTP/1.1\r\nHost: m\r\n\r\n');
  await until(() => member.held.get(7n)?.length === 1 && client.count('HTTP/1.1 200 ') === 1, 'the first is answered');
  // Connections are swept every tenth of a second.
  await new Promise((resolve) => setTimeout(resolve, 600));
  expect(client.closed).toBe(false);
  member.held.get(7n)?.[0]?.();
  await until(() => client.received.includes('"leasehold"'), 'all are answered');
  await until(() => client.closed, 'it idles and is closed');
});

test('a member that stops ends idle connections at once, and others with their answer', async () => {
  await start();
  const { member } = fixture;
  member.apply({ type: 'grant', id: 7n, ttlMs: 60_000 });
  member.held.set(7n, []);
  const [idle, busy] = [new Client(fixture.port), new Client(fixture.port)];
  for (const { socket } of [idle, busy]) socket.resume();
  idle.socket.write('GET /version HTTP/1.1\r\nHost: m\r\n\r\n');
  busy.post('/v3/lease/keepalive', { ID: 7 });
  await until(
    () => idle.count('HTTP/1.1 200 ') === 1 && member.held.get(7n)?.length === 1,
    'both are where they should be',
  );
  const graceMs = 30_000;
  const closing = fixture.listener.close(graceMs);
  const startedMs = performance.now();
  await until(() => idle.closed, 'the idle one is closed');
  expect(busy.closed).toBe(false);
  member.held.get(7n)?.[0]?.();
  await closing;
  expect(busy.received).toContain('"TTL":"60"');
  expect(performance.now() - startedMs).toBeLessThan(graceMs / 2);
});
