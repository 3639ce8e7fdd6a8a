/**
 * What the tests of real members need beyond `processes.ts`: raw bytes over gRPC, raw bytes over plain sockets, the program run
 * to its end, and a look at a member's memory and files. Owns no expectation.
 */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as grpc from '@grpc/grpc-js';
import { bigintOf, int64Of, numberOf } from '../../src/rpc/int64.ts';
import { wire } from '../../src/rpc/messages.ts';
import { bytes, WireClient } from '../rpc/wire-client.ts';
import { type MemberProcess, type ProcessCluster, pause, stateOf } from './processes.ts';

const program = fileURLToPath(new URL('../../dist/bin/leasehold.js', import.meta.url));

/** A gRPC connection of its own to one member. */
export interface Line {
  readonly client: WireClient;
  close(): void;
}

export function lineTo(endpoint: string): Line {
  const channel = new grpc.Client(endpoint, grpc.credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_receive_message_length': -1,
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 500,
  });
  return { client: new WireClient(channel), close: () => channel.close() };
}

/** The few calls that tests make again and again; each throws the status if it is not OK. */
export class Caller {
  readonly client: WireClient;

  constructor(client: WireClient) {
    this.client = client;
  }

  async put(key: string, value: Uint8Array | string = 'x', lease = 0n): Promise<void> {
    const request = { key: bytes(key), value: typeof value === 'string' ? bytes(value) : value, lease: int64Of(lease) };
    await this.client.call('/etcdserverpb.KV/Put', wire.PutRequest, wire.PutResponse, request);
  }

  /** Deletes one key, or all from it on. Returns how many there were. */
  async delete(key: string, rangeEnd = ''): Promise<number> {
    const request = { key: bytes(key), rangeEnd: bytes(rangeEnd) };
    const path = '/etcdserverpb.KV/DeleteRange';
    const answer = await this.client.call(path, wire.DeleteRangeRequest, wire.DeleteRangeResponse, request);
    return numberOf(answer.deleted);
  }

  /** How many keys there are from `key` up to `rangeEnd`. Linearizable. */
  async count(key: string, rangeEnd = ''): Promise<number> {
    const request = { key: bytes(key), rangeEnd: bytes(rangeEnd), countOnly: true };
    const answer = await this.client.call('/etcdserverpb.KV/Range', wire.RangeRequest, wire.RangeResponse, request);
    return numberOf(answer.count);
  }

  async grant(ttlSeconds: number, id = 0n): Promise<bigint> {
    const request = { TTL: ttlSeconds, ID: int64Of(id) };
    const path = '/etcdserverpb.Lease/LeaseGrant';
    const answer = await this.client.call(path, wire.LeaseGrantRequest, wire.LeaseGrantResponse, request);
    return bigintOf(answer.ID);
  }

  async revoke(id: bigint): Promise<void> {
    const request = { ID: int64Of(id) };
    const path = '/etcdserverpb.Lease/LeaseRevoke';
    await this.client.call(path, wire.LeaseRevokeRequest, wire.LeaseRevokeResponse, request);
  }

  async timeToLive(id: bigint): Promise<{ ttl: number; granted: number; keys: string[] }> {
    const request = { ID: int64Of(id), keys: true };
    const path = '/etcdserverpb.Lease/LeaseTimeToLive';
    const answer = await this.client.call(path, wire.LeaseTimeToLiveRequest, wire.LeaseTimeToLiveResponse, request);
    return {
      ttl: numberOf(answer.TTL),
      granted: numberOf(answer.grantedTTL),
      keys: answer.keys.map((key) => Buffer.from(key).toString('latin1')),
    };
  }

  /** `member/kind` of each raised alarm, as etcd numbers kinds. */
  async alarms(): Promise<string[]> {
    const answer = await this.#alarm({ action: 0 });
    return answer.alarms.map(({ memberID, alarm }) => `${bigintOf(memberID)}/${alarm}`);
  }

  /** Disarms all alarms, as `etcdctl alarm disarm`. */
  async disarm(): Promise<void> {
    for (const raised of (await this.#alarm({ action: 0 })).alarms) await this.#alarm({ action: 2, ...raised });
  }

  #alarm(
    request: Parameters<typeof wire.AlarmRequest.encode>[0],
  ): Promise<ReturnType<typeof wire.AlarmResponse.decode>> {
    return this.client.call('/etcdserverpb.Maintenance/Alarm', wire.AlarmRequest, wire.AlarmResponse, request);
  }

  async leases(): Promise<bigint[]> {
    const path = '/etcdserverpb.Lease/LeaseLeases';
    const answer = await this.client.call(path, wire.LeaseLeasesRequest, wire.LeaseLeasesResponse, {});
    return answer.leases.map(({ ID }) => bigintOf(ID));
  }
}

/** Calls `step` until it does not throw, at most `limitMs`: a cluster without a leader says so, and clients try again. */
export async function insist<T>(step: () => Promise<T>, limitMs = 30_000): Promise<T> {
  const endMs = performance.now() + limitMs;
  for (;;) {
    try {
      return await step();
    } catch (error) {
      if (performance.now() > endMs) throw error;
      await pause(50);
    }
  }
}

/** A plain TCP connection that sends what it likes: what came back, and whether it was closed. */
export class PlainSocket {
  readonly socket: Socket;
  received: Buffer = Buffer.alloc(0);
  closed = false;

  constructor(port: number) {
    this.socket = connect({ host: '127.0.0.1', port });
    this.socket.on('data', (chunk: Buffer) => {
      // What a stranger is told is short; of what a service streams, the first is enough.
      if (this.received.length < 65_536) this.received = Buffer.concat([this.received, chunk]);
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.closed = true;
    });
  }

  static async connected(port: number): Promise<PlainSocket> {
    const plain = new PlainSocket(port);
    await new Promise<void>((resolve, reject) => {
      plain.socket.once('connect', resolve);
      plain.socket.once('error', reject);
    });
    return plain;
  }

  send(raw: Uint8Array | string): void {
    this.socket.write(typeof raw === 'string' ? Buffer.from(raw, 'latin1') : raw);
  }

  /** Resolves with whether it was closed within that time. */
  async closedWithin(limitMs: number): Promise<boolean> {
    const endMs = performance.now() + limitMs;
    while (!this.closed && performance.now() < endMs) await pause(5);
    return this.closed;
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** One HTTP/2 frame. */
export function http2Frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = new Uint8Array(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** What an HTTP/2 client sends first. */
export const http2Opening = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), http2Frame(4, 0, 0)]);

/** The same, and a PING. */
export const http2Begun = Buffer.concat([http2Opening, http2Frame(6, 0, 0, Buffer.alloc(8))]);

/** How a run of the program ended. */
export interface Ended {
  /** Undefined: it was still running after the limit, and was killed. */
  readonly code: number | undefined;
  /** What it said on stderr that is no line of its log. */
  readonly lines: readonly string[];
  readonly log: readonly string[];
  readonly ms: number;
}

/** Runs `leasehold` with these flags to its end. */
export function runProgram(
  flags: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly cwd?: string; readonly limitMs?: number } = {},
): Promise<Ended> {
  const { env = {}, cwd, limitMs = 20_000 } = options;
  return new Promise((resolve) => {
    const startedMs = performance.now();
    const child = spawn(process.execPath, [program, ...flags], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env['PATH'], ...env },
      ...(cwd === undefined ? {} : { cwd }),
    });
    let said = '';
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (text: string) => {
      said += text;
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
    child.on('close', (code) => {
      clearTimeout(timer);
      const all = said.split('\n').filter((line) => line !== '');
      resolve({
        code: code ?? undefined,
        lines: all.filter((line) => !line.startsWith('{')),
        log: all.filter((line) => line.startsWith('{')),
        ms: performance.now() - startedMs,
      });
    });
  });
}

/** Resident memory of a process. Linux only. */
export function residentBytes(pid: number): number {
  const line = readFileSync(`/proc/${pid}/status`, 'latin1')
    .split('\n')
    .find((each) => each.startsWith('VmRSS:'));
  return 1024 * Number(/\d+/.exec(line ?? '')?.[0]);
}

/** The committed generation of a stopped member: where its image and its log are. */
export function disksOf(member: MemberProcess): { readonly image: string; readonly log: string } {
  const home = join(member.dataDir, 'member');
  const generation = readdirSync(home).find((name) => name.startsWith('gen-'));
  if (generation === undefined) throw new Error(`${home} holds no generation`);
  return { image: join(home, generation, 'image'), log: join(home, generation, 'log') };
}

/** Waits until all members stand at one index, and returns their digests there. */
export async function settledDigests(cluster: ProcessCluster, limitMs = 60_000): Promise<ReadonlySet<string>> {
  const endMs = performance.now() + limitMs;
  for (;;) {
    const states = await Promise.all(cluster.members.map(stateOf));
    const indexes = new Set(states.map((state) => state?.index));
    if (indexes.size === 1 && !indexes.has(undefined)) return new Set(states.map((state) => state?.digest ?? ''));
    if (performance.now() > endMs)
      throw new Error(`members stand at ${states.map((state) => state?.index).join(', ')}`);
    await pause(50);
  }
}
