/**
 * What should members talk over? Measures a grpc-js bidirectional stream against our frames on a plain TCP socket, with the same
 * codec on both, between two processes on loopback: latency, throughput, and CPU of both processes. The figures are in
 * docs/decisions/0002-peer-transport.md.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { createServer, connect as dialTcp, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as grpc from '@grpc/grpc-js';
import { peerFrameBytesMax } from '../src/base/limits.ts';
import type { PeerMessage } from '../src/node/peer-message.ts';
import { decodePeerMessage, encodePeerMessage } from '../src/peer/codec.ts';
import { FrameParser } from '../src/peer/frame.ts';
import { Outbox } from '../src/peer/outbox.ts';
import { Peers } from '../src/peer/peers.ts';
import type { ImageRecord } from '../src/store/image.ts';

const usage = `usage: node --import tsx scripts/bench-peer-transport.ts [--seconds 3] [--transport frames|grpc] [--json]

Echoes appends of 200 B between two processes (one at a time, then pipelined), and streams appends of 64 KiB and 1 MiB with
replies. One line per transport and workload: rate, latency, CPU per message of both processes. At the end, our transport as a
whole: messages in one direction, 32 in a turn, and a snapshot of 512 MiB in 200 B records.`;

/** Both transports look like this to a workload. */
interface Wire {
  send(message: PeerMessage): void;
  close(): void;
}
type Transport = 'frames' | 'grpc';

interface Workload {
  readonly name: string;
  readonly payloadBytes: number;
  /** Messages on the way at once. */
  readonly window: number;
}
const workloads: readonly Workload[] = [
  { name: '200 B, one at a time', payloadBytes: 200, window: 1 },
  { name: '200 B, 1024 under way', payloadBytes: 200, window: 1024 },
  { name: '64 KiB, 64 under way', payloadBytes: 64 * 1024, window: 64 },
  { name: '1 MiB, 8 under way', payloadBytes: 1024 * 1024, window: 8 },
];

function append(from: bigint, to: bigint, payload: Uint8Array): PeerMessage {
  const entries = [{ index: 1_000_000, term: 7, kind: 'commands' as const, payload }];
  return {
    type: 'append',
    from,
    to,
    term: 7,
    prevIndex: 999_999,
    prevTerm: 7,
    entries,
    commit: 999_990,
    round: 12_345,
  };
}

function decode(body: Buffer, owned: boolean): PeerMessage {
  const decoded = decodePeerMessage(body, owned);
  if (!decoded.ok) throw new Error(decoded.why);
  return decoded.message;
}

/** Small appends come back whole, so that both directions are loaded; large ones are answered. */
function reply(message: PeerMessage): PeerMessage {
  if (message.type !== 'append') throw new Error('an append');
  const payload = message.entries[0]?.payload ?? new Uint8Array(0);
  if (payload.byteLength <= 1024) return append(message.to, message.from, payload);
  const ends = { from: message.to, to: message.from, term: message.term };
  const match = { accepted: true, match: 1, hintIndex: 0, hintTerm: 0, needsSnapshot: false, round: message.round };
  return { type: 'appendReply', ...ends, ...match };
}

/** Frames on a socket as `peer/link.ts` writes them: all messages of a step in one write. */
function framesWire(socket: Socket, onMessage: (message: PeerMessage) => void): Wire {
  socket.setNoDelay(true);
  const outbox = new Outbox();
  const parser = new FrameParser(peerFrameBytesMax);
  let flushing = false;
  socket.on('data', (chunk: Buffer) => {
    parser.push(chunk);
    for (let frame = parser.next(); frame !== undefined; frame = parser.next()) {
      if (typeof frame === 'string') throw new Error(frame);
      onMessage(decode(frame.body, frame.owned));
    }
  });
  return {
    send(message) {
      outbox.push(message, Number.POSITIVE_INFINITY);
      if (flushing) return;
      flushing = true;
      process.nextTick(() => {
        flushing = false;
        socket.cork();
        for (const frame of outbox.take(Number.POSITIVE_INFINITY)) {
          for (const piece of frame.pieces) socket.write(piece);
        }
        socket.uncork();
      });
    },
    close: () => socket.destroy(),
  };
}

const method = {
  path: '/leasehold.Peer/Stream',
  requestStream: true,
  responseStream: true,
  requestSerialize: (message: PeerMessage) => encodePeerMessage(message),
  requestDeserialize: (bytes: Buffer) => decode(bytes, true),
  responseSerialize: (message: PeerMessage) => encodePeerMessage(message),
  responseDeserialize: (bytes: Buffer) => decode(bytes, true),
} as const;
const grpcOptions = { 'grpc.max_receive_message_length': peerFrameBytesMax };

/** A member of a cluster of two that remembers no boots and throws snapshots away. */
function member(id: bigint, other: bigint, url: string, onMessage: (message: PeerMessage) => void): Peers {
  const nothing = async (): Promise<void> => {};
  return new Peers({
    clusterId: 1n,
    member: id,
    peers: [{ member: other, url }],
    knownBoots: { seen: () => 1, note: nothing },
    fresh: () => false,
    snapshots: { begin: nothing, chunk: nothing, end: nothing, abort: nothing },
    events: { onMessage, onLinkLost: () => {}, onRefused: (refused) => console.error(refused.text) },
  });
}

/** The echoing process: listens on both transports and tells its ports; answers `cpu` with its CPU time so far. */
function serve(): void {
  const tcp = createServer((socket) => {
    socket.on('error', () => {});
    const wire = framesWire(socket, (message) => wire.send(reply(message)));
  });
  const server = new grpc.Server(grpcOptions);
  server.addService(
    { stream: method },
    {
      stream: (call: grpc.ServerDuplexStream<PeerMessage, PeerMessage>) => {
        call.on('data', (message: PeerMessage) => call.write(reply(message)));
        call.on('error', () => {});
        call.on('end', () => call.end());
      },
    },
  );
  let received = 0;
  const peers = member(2n, 1n, 'http://127.0.0.1:1', () => {
    received++;
  });
  tcp.listen(0, '127.0.0.1', () => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), async (error, grpcPort) => {
      if (error !== null) throw error;
      const address = tcp.address();
      const frames = typeof address === 'object' && address !== null ? address.port : 0;
      const peersPort = await peers.listen('127.0.0.1', 0);
      peers.start(1);
      process.send?.({ frames, grpc: grpcPort, peers: peersPort });
    });
  });
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send?.({ cpuUs: user + system, received });
  });
  process.on('disconnect', () => process.exit(0));
}

function open(transport: Transport, port: number, onMessage: (message: PeerMessage) => void): Wire {
  if (transport === 'frames') return framesWire(dialTcp({ host: '127.0.0.1', port }), onMessage);
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), grpcOptions);
  const call = client.makeBidiStreamRequest(method.path, method.requestSerialize, method.responseDeserialize);
  call.on('data', onMessage);
  call.on('error', () => {});
  return {
    send: (message) => void call.write(message),
    close: () => {
      call.cancel();
      client.close();
    },
  };
}

interface Figures {
  readonly transport: Transport;
  readonly workload: string;
  readonly perSecond: number;
  readonly mibPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Both processes, per round trip. */
  readonly cpuUs: number;
}

async function measure(transport: Transport, port: number, work: Workload, seconds: number, child: ChildProcess) {
  const payload = Buffer.alloc(work.payloadBytes, 0x5a);
  const message = append(1n, 2n, payload);
  const sentAt: number[] = [];
  const latencies: number[] = [];
  let next = 0;
  let stopping = false;
  let finished = (): void => {};
  const done = new Promise<void>((resolve) => {
    finished = resolve;
  });
  let answered = 0;
  const wire = open(transport, port, () => {
    latencies.push(performance.now() - (sentAt[answered++] ?? 0));
    if (!stopping) sendOne();
    else if (answered === next) finished();
  });
  function sendOne(): void {
    sentAt[next++] = performance.now();
    wire.send(message);
  }
  for (let i = 0; i < work.window; i++) sendOne();
  await new Promise((resolve) => setTimeout(resolve, 500));
  const warm = answered;
  const cpuBefore = await cpuUs(child);
  const beganMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const count = answered - warm;
  const elapsedSeconds = (performance.now() - beganMs) / 1000;
  const cpu = (await cpuUs(child)) - cpuBefore;
  stopping = true;
  if (answered < next) await done;
  wire.close();
  const sorted = latencies.slice(warm).sort((a, b) => a - b);
  const at = (q: number): number => Math.round((sorted[Math.floor(sorted.length * q)] ?? 0) * 1000);
  const figures: Figures = {
    transport,
    workload: work.name,
    perSecond: Math.round(count / elapsedSeconds),
    mibPerSecond: Math.round((count * work.payloadBytes) / elapsedSeconds / 1024 / 1024),
    p50Us: at(0.5),
    p99Us: at(0.99),
    cpuUs: Math.round((cpu / count) * 10) / 10,
  };
  return figures;
}

interface Told {
  readonly cpuUs: number;
  readonly received: number;
}

function tell(child: ChildProcess): Promise<Told> {
  return new Promise((resolve) => {
    child.once('message', (told) => resolve(told as Told));
    child.send('tell');
  });
}

/** CPU time of both processes so far. */
async function cpuUs(child: ChildProcess): Promise<number> {
  const theirs = await tell(child);
  const { user, system } = process.cpuUsage();
  return theirs.cpuUs + user + system;
}

/** `Peers` to `Peers`: messages one way, then a snapshot. */
async function measurePeers(port: number, seconds: number, child: ChildProcess): Promise<void> {
  const peers = member(1n, 2n, `http://127.0.0.1:${port}`, () => {});
  await peers.listen('127.0.0.1', 0);
  peers.start(1);
  while (peers.counters()[0]?.outgoing.up !== true) await new Promise((resolve) => setTimeout(resolve, 5));
  const message = append(1n, 2n, Buffer.alloc(200, 0x5a));
  const before = await tell(child);
  const cpuBefore = await cpuUs(child);
  const untilMs = performance.now() + seconds * 1000;
  while (performance.now() < untilMs) {
    const queued = peers.counters()[0]?.outgoing.queuedBytes ?? 0;
    if (queued < 1024 * 1024) for (let i = 0; i < 32; i++) peers.send(2n, message);
    await new Promise((resolve) => setImmediate(resolve));
  }
  while ((peers.counters()[0]?.outgoing.queuedBytes ?? 0) > 0) await new Promise((resolve) => setImmediate(resolve));
  const received = (await tell(child)).received - before.received;
  const cpu = (await cpuUs(child)) - cpuBefore;
  console.log(
    `Peers, 200 B one way, 32 a turn: ${Math.round(received / seconds)}/s, CPU ${(cpu / received).toFixed(2)} us per message (both)`,
  );
  const chunk = Array.from({ length: 1024 }, (): ImageRecord => ({ key: Buffer.alloc(17), value: Buffer.alloc(183) }));
  const chunks = Math.floor((512 * 1024 * 1024) / (1024 * 200));
  async function* image(): AsyncGenerator<readonly ImageRecord[]> {
    for (let i = 0; i < chunks; i++) yield chunk;
  }
  const meta = { index: 1, term: 1, configuration: { voters: [1n, 2n], learners: [] } };
  const cpuStart = await cpuUs(child);
  const beganMs = performance.now();
  const sent = await peers.sendSnapshot({ from: 1n, to: 2n, term: 1, meta }, image());
  const tookSeconds = (performance.now() - beganMs) / 1000;
  if (!sent.ok) throw new Error(sent.why);
  const mib = sent.bytes / 1024 / 1024;
  const cpuPerMib = ((await cpuUs(child)) - cpuStart) / mib / 1000;
  console.log(
    `Peers, snapshot of ${Math.round(mib)} MiB in 200 B records: ${Math.round(mib / tookSeconds)} MiB/s, ` +
      `CPU ${cpuPerMib.toFixed(2)} ms per MiB (both)`,
  );
  await peers.close();
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '3' },
      transport: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(usage);
  const child = fork(fileURLToPath(import.meta.url), [], { env: { ...process.env, PEER_BENCH_ECHO: '1' } });
  const ports = await new Promise<Record<Transport | 'peers', number>>((resolve) => {
    child.once('message', (told) => resolve(told as Record<Transport | 'peers', number>));
  });
  const transports: readonly Transport[] = ['frames', 'grpc'];
  for (const work of workloads) {
    for (const transport of transports) {
      if (values.transport !== undefined && values.transport !== transport) continue;
      const figures = await measure(transport, ports[transport], work, Number(values.seconds), child);
      if (values.json) console.log(JSON.stringify(figures));
      else
        console.log(
          `${figures.workload.padEnd(24)} ${transport.padEnd(7)} ${String(figures.perSecond).padStart(8)}/s ` +
            `${String(figures.mibPerSecond).padStart(6)} MiB/s  p50 ${figures.p50Us} us  p99 ${figures.p99Us} us  ` +
            `CPU ${figures.cpuUs} us per round trip (both)`,
        );
    }
  }
  if (values.transport !== 'grpc') await measurePeers(ports.peers, Number(values.seconds), child);
  child.disconnect();
}

if (process.env['PEER_BENCH_ECHO'] === '1') serve();
else await main();
