/**
 * Registered here, found by etcd's own gRPC naming for Go (as Debian packages it, unmodified), and the other way round. Skipped, with the
 * reason, where Go or the packages are missing.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Client } from '../../../src/client/client.ts';
import { debian, missing } from '../../wire/targets.ts';
import { type ClientTarget, startTarget } from '../target.ts';

const { 'golang-go': go, 'golang-etcd-server-dev': sources } = debian;
const lacking = missing({ 'golang-go': go, 'golang-etcd-server-dev': sources });

let folder = '';
let target: ClientTarget | undefined;

beforeAll(async () => {
  if (lacking !== undefined) return;
  folder = mkdtempSync(join(tmpdir(), 'naming-'));
  const cache = join(tmpdir(), 'leasehold-go-cache');
  mkdirSync(cache, { recursive: true });
  const own = fileURLToPath(new URL('go', import.meta.url));
  const env = { ...process.env, GO111MODULE: 'off', GOFLAGS: '', GOPATH: `${own}:/usr/share/gocode`, GOCACHE: cache };
  const built = spawnSync('go', ['build', '-o', join(folder, 'naming'), 'naming'], { env, encoding: 'utf8' });
  if (built.status !== 0) throw new Error(`the Go program does not compile:\n${built.stderr}`);
  target = await startTarget();
}, 240_000);

afterAll(async () => {
  await target?.stop();
  if (folder !== '') rmSync(folder, { recursive: true, force: true });
});

beforeEach(({ skip }) => {
  if (lacking !== undefined) skip(lacking);
});

/** A server that answers with its name. */
async function serve(name: string): Promise<{ readonly server: grpc.Server; readonly addr: string }> {
  const server = new grpc.Server();
  const bytes = (value: Buffer): Buffer => value;
  const who = {
    path: '/test.Names/Who',
    requestStream: false,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  } as const;
  const answered = (_call: unknown, answer: grpc.sendUnaryData<Buffer>): void => answer(null, Buffer.from(name));
  server.addService({ who }, { who: answered });
  const port = await new Promise<number>((resolve, reject) => {
    const bound = (error: Error | null, at: number): void => (error === null ? resolve(at) : reject(error));
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), bound);
  });
  return { server, addr: `127.0.0.1:${port}` };
}

test('what is registered here is found, called and joined by Go', async () => {
  const { endpoints } = target as ClientTarget;
  await using client = new Client({ endpoints });
  const registry = client.registry({ ttl: '60s' });
  const { server, addr } = await serve('from here');
  const program = spawn(join(folder, 'naming'), [endpoints.join(','), 'app/users']);
  try {
    let said = '';
    program.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const lines = createInterface(program.stdout)[Symbol.asyncIterator]();
    const ask = async (line: string): Promise<string> => {
      program.stdin.write(`${line}\n`);
      const { value, done } = await lines.next();
      if (done === true) throw new Error(`the Go program ended: ${said}`);
      return value;
    };
    await using _me = await registry.register('app/users', { addr, metadata: { zone: 'a' } });
    expect(await ask('list')).toBe(`app/users/${addr} ${addr} {"zone":"a"}`);
    expect(await ask('who')).toBe('from here');
    expect(await ask('add app/users/of-go 127.0.0.1:1')).toBe('added');
    const found = await registry.instances('app/users');
    expect(found.map(({ id, addr, metadata }) => [id, addr, metadata])).toEqual([
      [addr, addr, { zone: 'a' }],
      ['of-go', '127.0.0.1:1', { by: 'go' }],
    ]);
    expect(found[1]?.lease).not.toBe(0n);
  } finally {
    program.kill('SIGKILL');
    server.forceShutdown();
  }
});
