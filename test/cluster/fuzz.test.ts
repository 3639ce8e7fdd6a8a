/**
 * Requests and peer messages that nobody sane would send: a real member is asked over the wire, a real member's peer port is spoken to
 * by strangers and by one that passes for a member, and a node in this process is fed what their decoders let through. Nothing crashes,
 * the members still answer. By environment: FUZZ (messages in process; a fifth of it, at most 100,000, over the wire), SEED.
 * S2, R1, R3, D1; house §3: an assert is about our own state, whatever a peer can send is refused as a value.
 */
import { afterEach, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { readAskAnswer } from '../../src/peer/ask.ts';
import type { ByteWriter } from '../../src/peer/byte-writer.ts';
import { decodePeerMessage, encodePeerMessage } from '../../src/peer/codec.ts';
import { FrameParser, type FrameType, FrameWriter } from '../../src/peer/frame.ts';
import { type Hello, readHello, readRefusal, writeHello } from '../../src/peer/handshake.ts';
import { readSnapshotEnd, readSnapshotHead, readSnapshotRecords } from '../../src/peer/snapshot-codec.ts';
import { decodeMembership, initialMembership, memberIdOf } from '../../src/raft/membership.ts';
import { declaredMethods, methodTypes } from '../../src/rpc/codec.ts';
import { decodeCommand } from '../../src/state/codec.ts';
import { randomRequest } from '../rpc/random-requests.ts';
import { bent, FuzzedNode, plausibleMessage } from './fuzzed-node.ts';
import { anyFrame } from './http2-frames.ts';
import { metric, ProcessCluster } from './processes.ts';
import { Caller, http2Begun, http2Opening, insist, type Line, lineTo, PlainSocket, residentBytes } from './wire.ts';

const inProcess = Number(process.env['FUZZ'] ?? 100_000);
const overWire = Math.min(100_000, Math.floor(inProcess / 10));
const seed = Number(process.env['SEED'] ?? 20_261_122);
const residentBytesMax = 600 * 1024 * 1024;
const limitMs = 120_000 + inProcess;
const queues = /^\/v3(lock|election)pb\./;

const open: ProcessCluster[] = [];
const lines: Line[] = [];
afterEach(async () => {
  for (const line of lines.splice(0)) line.close();
  for (const cluster of open.splice(0)) await cluster.stop();
});

test(`${overWire} requests to a live member`, { timeout: limitMs }, async () => {
  const random = new Prng(seed, 'requests');
  const cluster = await ProcessCluster.start({ members: 1, proxied: false, flags: ['--log-level=error'] });
  open.push(cluster);
  await cluster.ready(60_000);
  const [member] = cluster.members;
  if (member === undefined) throw new Error('a cluster of one has one member');
  lines.push(...Array.from({ length: 4 }, () => lineTo(member.endpoint)));
  const methods = [...declaredMethods()];
  // An alarm that a request raises refuses the others; alarms are fuzzed in process (test/rpc/fuzz.test.ts), which disarms them.
  const unary = methods
    .filter(([name, kind]) => kind === 'unary' && name !== '/etcdserverpb.Maintenance/Alarm')
    .map(([name]) => name);
  const streams = methods.filter(([, kind]) => kind === 'bidi_stream').map(([name]) => name);
  const tally = new Map<number, number>();
  let sent = 0;
  await Promise.all(
    Array.from({ length: 64 }, async (_, lane) => {
      const { client } = lines[lane % lines.length] as Line;
      while (sent++ < overWire) {
        if (random.chance(0.02)) {
          const name = random.pick(streams);
          const stream = client.bidi(name);
          for (let left = random.below(5); left > 0; left--)
            stream.write(randomRequest(methodTypes(name).request, random));
          // An open watch ends only when its client says so.
          stream.cancel();
          await stream.status;
          continue;
        }
        const name = random.pick(unary);
        // Locks and elections may wait for others for ever, and all their errors are Unknown, as in etcd.
        const waits = queues.test(name);
        const timeoutMs = waits ? 50 : 30_000;
        const answer = await client.raw(name, randomRequest(methodTypes(name).request, random), {}, timeoutMs);
        const code = 'code' in answer ? answer.code : 0;
        tally.set(code, (tally.get(code) ?? 0) + 1);
        // Unknown, Unavailable, DeadlineExceeded and DataLoss are no answer to a bad request.
        if ([14, 15].includes(code) || (!waits && [2, 4].includes(code)))
          expect.fail(`seed ${seed}: ${name} → ${code} ${'text' in answer ? answer.text : ''}\n${member.logTail()}`);
      }
    }),
  );
  for (const code of [0, 3, 5, 11, 12, 13])
    expect(tally.get(code) ?? 0, `answers with code ${code}`).toBeGreaterThan(0);
  await insist(() => new Caller((lines[0] as Line).client).put('after'));
  expect(member.exits).toEqual([]);
  expect(residentBytes(member.pid)).toBeLessThan(residentBytesMax);
});

test(`${overWire} HTTP/2 frames in no order on the client port of a live member`, { timeout: limitMs }, async () => {
  const random = new Prng(seed, 'frames');
  const cluster = await ProcessCluster.start({ members: 1, proxied: false, flags: ['--log-level=error'] });
  open.push(cluster);
  await cluster.ready(60_000);
  const [member] = cluster.members;
  if (member === undefined) throw new Error('a cluster of one has one member');
  const paths = [...declaredMethods().keys(), '/', '/no.Such/Method'];
  for (let sent = 0, connections = 0; sent < overWire; connections++) {
    const plain = await PlainSocket.connected(member.clientPort).catch((error: unknown) => {
      throw new Error(`seed ${seed}, connection ${connections}: ${String(error)}\n${member.logTail()}`);
    });
    plain.send(random.chance(0.7) ? http2Begun : http2Opening);
    const streams: number[] = [];
    for (let left = random.between(1, 200); left > 0 && !plain.closed; left--, sent++) {
      const burst = Array.from({ length: random.between(1, 6) }, () => anyFrame(random, streams, paths));
      const bytes = Buffer.concat(burst);
      plain.send(random.chance(0.05) ? bent(random, bytes) : bytes);
      if (random.chance(0.1)) await new Promise((resolve) => setImmediate(resolve));
    }
    if (random.chance(0.5)) plain.socket.end();
    else plain.destroy();
    expect(member.exits, `seed ${seed}, connection ${connections}: ${member.logTail()}`).toEqual([]);
  }
  lines.push(lineTo(member.endpoint));
  await insist(() => new Caller((lines[0] as Line).client).put('after'));
  expect(member.exits, member.logTail()).toEqual([]);
  expect(residentBytes(member.pid)).toBeLessThan(residentBytesMax);
});

test('strangers, and one that passes for a member, on the peer ports of a live cluster', {
  timeout: limitMs,
}, async () => {
  const random = new Prng(seed, 'peers');
  const cluster = await ProcessCluster.start({ proxied: false, flags: ['--log-level=error'] });
  open.push(cluster);
  await cluster.ready(60_000);
  const [first, second, third] = cluster.members;
  if (first === undefined || second === undefined || third === undefined) throw new Error('three members');
  const members = cluster.members.map(({ name, peerPort }) => {
    const peerUrls = [`http://127.0.0.1:${peerPort}`];
    return { id: memberIdOf(cluster.directory, name, peerUrls), name, peerUrls };
  });
  const { clusterId } = initialMembership(cluster.directory, members);
  const idOf = (name: string): bigint => members.find((member) => member.name === name)?.id ?? 0n;
  await third.stop('SIGKILL');
  const leaderChanges = async (): Promise<number> =>
    (await metric(first, 'etcd_server_leader_changes_seen_total')) ?? Number.NaN;
  await cluster.leader();
  lines.push(lineTo(first.endpoint));
  const caller = new Caller((lines[0] as Line).client);
  await insist(() => caller.put('before'));

  // 1. Strangers: bent hellos, bent frames, another cluster's member. None gets a word in, nothing changes.
  const before = await leaderChanges();
  const hello = (over: Partial<Hello>): Buffer => {
    const good: Hello = {
      clusterId,
      member: idOf('n3'),
      target: idOf('n1'),
      boot: 1_000,
      token: 7n,
      purpose: 'messages',
    };
    return frame('hello', (writer) => writeHello(writer, { ...good, ...over }));
  };
  const message = (to: bigint): Buffer => {
    const plain = encodePeerMessage(plausibleMessage(random, idOf('n3'), to, 4, 40));
    return frame('message', (writer) => writer.raw(random.chance(0.7) ? bent(random, plain) : plain));
  };
  for (let strangers = 0; strangers < 300; strangers++) {
    const stranger = await PlainSocket.connected(first.peerPort);
    const opening = random.pick([
      hello({ clusterId: random.uint64() }),
      hello({ member: random.uint64() }),
      hello({ target: random.uint64() }),
      hello({ boot: 0 }),
      hello({ boot: 1 }),
      bent(random, hello({ boot: 0 })),
      message(idOf('n1')),
    ]);
    stranger.send(Buffer.concat([opening, message(idOf('n1')), message(idOf('n1'))]));
    if (random.chance(0.2)) stranger.socket.end();
    expect(await stranger.closedWithin(15_000), `seed ${seed}: stranger ${strangers}`).toBe(true);
  }
  expect(await leaderChanges()).toBe(before);
  await insist(() => caller.put('between'));

  // 2. One that holds a member's name sends messages of every kind, soon bent beyond reading; it is thrown out, and comes back.
  let accepted = 0;
  for (let sent = 0, boot = 1_000; sent < overWire / 10; boot++) {
    const target = random.pick(['n1', 'n2']);
    const impostor = await PlainSocket.connected(target === 'n1' ? first.peerPort : second.peerPort);
    impostor.send(hello({ target: idOf(target), boot }));
    for (let left = random.between(1, 40); left > 0 && !impostor.closed; left--, sent++) {
      impostor.send(message(idOf(target)));
      if (random.chance(0.05)) await new Promise((resolve) => setImmediate(resolve));
    }
    impostor.socket.end();
    await impostor.closedWithin(15_000);
    if (impostor.received[8] === 1) accepted++;
  }
  expect(accepted).toBeGreaterThan(0);
  for (const member of [first, second]) {
    expect(member.exits, member.logTail()).toEqual([]);
    expect(residentBytes(member.pid)).toBeLessThan(residentBytesMax);
  }
  // Terms may have been driven up; a leader is found all the same.
  await insist(() => caller.put('after'), 60_000);
});

test(`${inProcess} messages and frames, in process`, { timeout: limitMs }, () => {
  const random = new Prng(seed, 'messages');
  const readers: readonly ((bytes: Buffer) => unknown)[] = [
    (bytes) => readHello(bytes),
    (bytes) => readRefusal(bytes),
    (bytes) => readAskAnswer(bytes),
    (bytes) => readSnapshotHead(bytes),
    (bytes) => readSnapshotRecords(bytes, false),
    (bytes) => readSnapshotEnd(bytes),
    (bytes) => decodeMembership(bytes),
    (bytes) => decodeCommand(bytes),
    (bytes) => decodePeerMessage(bytes, true),
  ];
  let node = new FuzzedNode(random);
  let taken = 0;
  const tally = new Map<string, number>();
  for (let sent = 0; sent < inProcess; sent++) {
    const from = random.pick([2n, 3n]);
    // What a faulty member could send: right in form, from its own name, wild in content; or close to the truth.
    const whole = random.chance(0.5)
      ? node.nearMessage(random, from)
      : plausibleMessage(random, from, 1n, node.term + 2, node.lastIndex + 3);
    let raw = encodePeerMessage(whole);
    if (random.chance(0.4)) raw = bent(random, raw);
    const what = `seed ${seed}, message ${sent}: ${raw.toString('hex')}`;
    try {
      const decoded = decodePeerMessage(raw, true);
      if (decoded.ok && decoded.message.from === from && decoded.message.to === 1n) {
        taken++;
        tally.set(decoded.message.type, (tally.get(decoded.message.type) ?? 0) + 1);
        node.receive(decoded.message);
      }
      random.pick(readers)(raw);
      if (sent % 16 === 0) throughFrames(random, raw);
    } catch (error) {
      expect.fail(`${what}\n${JSON.stringify(whole, printable)}\n${error instanceof Error ? error.stack : error}`);
    }
    // A term near the end of numbers, or a long log, leads nowhere new.
    if (sent % 1_000 === 999) node = new FuzzedNode(random);
  }
  expect(taken).toBeGreaterThan(inProcess / 3);
  expect(tally.size).toBe(15);
});

/** A stream of frames, bent and cut at random places, into the parser. */
function throughFrames(random: Prng, body: Buffer): void {
  const parser = new FrameParser(1024 * 1024);
  let bytes: Buffer = Buffer.concat([
    frame('message', (writer) => writer.raw(body)),
    frame('ping', (writer) => writer.f64(1)),
  ]);
  if (random.chance(0.8)) bytes = bent(random, bytes);
  for (let at = 0; at < bytes.length; ) {
    const end = at + random.between(1, 64);
    parser.push(bytes.subarray(at, end));
    at = end;
    for (let next = parser.next(); next !== undefined && typeof next !== 'string'; next = parser.next()) {
      expect(next.body.length).toBeLessThanOrEqual(bytes.length);
    }
  }
}

function frame(type: FrameType, fill: (writer: ByteWriter) => void): Buffer {
  const made = new FrameWriter().frame(type, fill);
  if (made === undefined) throw new Error('a frame of the fuzzer is too large');
  return Buffer.concat([...made.pieces]);
}

const printable = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}` : value);
