/**
 * nghttp2's own programs against a member: `nghttp` says a call frame by frame, in shapes that no gRPC client sends (padding, tiny tables
 * and windows), `h2load` makes thousands. Skipped, with the reason, where the package is missing.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { wire } from '../../src/rpc/messages.ts';
import { ProcessCluster } from '../cluster/processes.ts';
import { Caller, insist, type Line, lineTo } from '../cluster/wire.ts';
import { bytes, framed } from '../rpc/wire-client.ts';
import { missing } from './targets.ts';

const lacking = missing({ 'nghttp2-client': ['h2load', '--version'] });

let cluster: ProcessCluster | undefined;
let line: Line | undefined;
let folder = '';
let endpoint = '';

beforeAll(async () => {
  if (lacking !== undefined) return;
  folder = mkdtempSync(join(tmpdir(), 'nghttp2-'));
  cluster = await ProcessCluster.start({ members: 1, proxied: false });
  await cluster.ready(60_000);
  [endpoint = ''] = cluster.endpoints;
  line = lineTo(endpoint);
  const { client } = line;
  await insist(() => new Caller(client).put('big', Buffer.alloc(300_000, 7)));
  writeFileSync(join(folder, 'range'), framed([wire.RangeRequest.encode({ key: bytes('big') })]));
  writeFileSync(join(folder, 'status'), framed([wire.StatusRequest.encode({})]));
  writeFileSync(join(folder, 'grant'), framed([wire.LeaseGrantRequest.encode({ TTL: 600 })]));
});

afterAll(async () => {
  line?.close();
  await cluster?.stop();
  if (folder !== '') rmSync(folder, { recursive: true, force: true });
});

beforeEach(({ skip }) => {
  if (lacking !== undefined) skip(lacking);
});

const run = (program: string, flags: readonly string[], body: string, path: string): string => {
  const head = ['--header=content-type: application/grpc', '--header=te: trailers'];
  const url = `http://${endpoint}/etcdserverpb.${path}`;
  const { stdout, stderr } = spawnSync(program, [...flags, ...head, `--data=${join(folder, body)}`, url], {
    encoding: 'latin1',
    timeout: 50_000,
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout + stderr;
};

test.each([
  ['as it is', []],
  ['with padding', ['--padding=100']],
  ['with a table of 0', ['--header-table-size=0']],
  ['with a table that shrinks', ['--header-table-size=128']],
  ['with a table that shrinks and grows', ['--header-table-size=4096', '--header-table-size=65536']],
  ['with windows of 1 KiB, which it opens as it reads', ['--window-bits=10', '--connection-window-bits=17']],
  ['with CONTINUATION', ['--continuation']],
])('a call %s', (_name, flags) => {
  const said = run('nghttp', ['--verbose', '--null-out', ...flags], 'range', 'KV/Range');
  expect(said).toContain(':status: 200');
  expect(said).toContain('grpc-status: 0');
  expect(said).not.toMatch(/GOAWAY frame <[^>]*>\s*\(last_stream_id=\d+, error_code=(?!NO_ERROR)/);
  const lengths = [...said.matchAll(/recv DATA frame <length=(\d+)/g)].map(([, length]) => Number(length));
  expect(lengths.reduce((sum, length) => sum + length, 0)).toBeGreaterThan(300_000);
});

test.each([
  ['20 connections of 50 streams', 'grant', 'Lease/LeaseGrant', ['--clients=20', '--max-concurrent-streams=50']],
  ['one connection of 1000 streams', 'status', 'Maintenance/Status', ['--clients=1', '--max-concurrent-streams=1000']],
  [
    'answers of 300 kB through small windows',
    'range',
    'KV/Range',
    ['--clients=4', '--max-concurrent-streams=20', '--window-bits=12', '--connection-window-bits=16'],
  ],
])('thousands of calls: %s', (_name, body, path, flags) => {
  const requests = body === 'range' ? 400 : 5_000;
  const said = run('h2load', [`--requests=${requests}`, ...flags], body, path);
  expect(said).toContain(`${requests} succeeded, 0 failed, 0 errored, 0 timeout`);
  expect(said).toContain(`status codes: ${requests} 2xx`);
});
