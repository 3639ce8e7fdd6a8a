import { createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { peerConnectingBytesMax, peerQueueBytesMax } from '../../src/base/limits.ts';
import type { PeerMessage } from '../../src/node/peer-message.ts';
import { nowhere, pair, TestMember, until } from './member.ts';

function append(from: bigint, to: bigint, payload: Uint8Array): PeerMessage {
  const entries = [{ index: 1, term: 1, kind: 'commands' as const, payload }];
  return { type: 'append', from, to, term: 1, prevIndex: 0, prevTerm: 0, entries, commit: 0, round: 0 };
}

test('100,000 messages each way arrive in order, once', async () => {
  const { a, b } = await pair();
  const count = 100_000;
  let sent = 0;
  await new Promise<void>((resolve) => {
    const turn = (): void => {
      for (let i = 0; i < 500 && sent < count; i++, sent++) {
        a.say(2n, sent);
        b.say(1n, sent);
      }
      if (sent < count) setImmediate(turn);
      else resolve();
    };
    turn();
  });
  await until('all messages', () => a.messages.length >= count && b.messages.length >= count);
  for (const member of [a, b]) {
    const heard = member.heard();
    expect(heard.length).toBe(count);
    expect(heard.every((context, i) => context === i)).toBe(true);
  }
  expect(a.outgoing(2n)).toMatchObject({ sentMessages: count, droppedMessages: 0, queuedBytes: 0, reconnects: 0 });
  expect(b.peers.counters()[0]!.incoming).toMatchObject({ up: true, receivedMessages: count });
});

test('the messages of one step leave in one write', async () => {
  const quiet = { timings: { pingMs: 60_000 } };
  const { a, b, ab } = await pair({ a: quiet, b: quiet });
  const before = ab.reads('up');
  for (let i = 0; i < 200; i++) a.say(2n, i);
  await until('all messages', () => b.messages.length === 200);
  expect(ab.reads('up') - before).toBe(1);
});

test('an append of one largest entry arrives whole', async () => {
  const { a, b } = await pair();
  const payload = Buffer.alloc(1_572_864);
  for (let i = 0; i < payload.length; i += 4096) payload[i] = i >> 12;
  a.peers.send(2n, append(1n, 2n, payload));
  await until('the append', () => b.messages.length === 1);
  const got = b.messages[0]!;
  expect(got.type === 'append' && Buffer.compare(got.entries[0]!.payload, payload)).toBe(0);
});

test('a heartbeat overtakes appends that wait', async () => {
  const { a, b, ab } = await pair();
  ab.stall('up');
  for (let i = 0; i < 24; i++) a.peers.send(2n, append(1n, 2n, Buffer.alloc(1024 * 1024)));
  await until('a queue of our own', () => a.outgoing(2n).queuedBytes > 4 * 1024 * 1024);
  a.peers.send(2n, { type: 'heartbeat', from: 1n, to: 2n, term: 1, commit: 0, round: 9 });
  ab.heal();
  await until('all messages', () => b.messages.length === 25);
  const at = b.messages.findIndex((message) => message.type === 'heartbeat');
  expect(at).toBeLessThan(24);
  expect(b.messages.filter((message) => message.type === 'append').length).toBe(24);
});

test('a full queue drops the newest and counts them; what it holds stays in order', async () => {
  const { a, b, ab } = await pair({ a: { timings: { silenceMs: 60_000 } }, b: { timings: { silenceMs: 60_000 } } });
  ab.stall('up');
  const payload = Buffer.alloc(1024 * 1024);
  for (let i = 0; i < 100; i++) a.peers.send(2n, append(1n, 2n, Buffer.from(payload.fill(i).subarray(0, 1024 * 1024))));
  await until('drops', () => a.outgoing(2n).droppedMessages > 0);
  const { queuedBytes, droppedMessages } = a.outgoing(2n);
  expect(queuedBytes).toBeLessThanOrEqual(peerQueueBytesMax);
  expect(queuedBytes).toBeGreaterThan(peerQueueBytesMax - 2 * 1024 * 1024);
  ab.heal();
  await until('the rest', () => b.messages.length === 100 - droppedMessages);
  const marks = b.messages.map((message) => (message.type === 'append' ? message.entries[0]!.payload[0] : -1));
  expect(marks).toEqual([...marks].sort((x, y) => x! - y!));
});

test('without a connection little is kept, and what is kept does not outlive the attempt', async () => {
  const a = await TestMember.listening(1n, [{ member: 2n, url: nowhere }]);
  a.peers.start(1);
  for (let i = 0; i < 100; i++) a.peers.send(2n, append(1n, 2n, Buffer.alloc(64 * 1024)));
  const { queuedBytes, droppedMessages } = a.outgoing(2n);
  expect(queuedBytes).toBeLessThanOrEqual(peerConnectingBytesMax);
  expect(droppedMessages).toBeGreaterThan(80);
  await until('all dropped', () => a.outgoing(2n).droppedMessages === 100);
  expect(a.outgoing(2n).queuedBytes).toBe(0);
});

test('a message larger than a frame is dropped and counted', async () => {
  const { a, b } = await pair();
  const commands = Array.from({ length: 9 }, () => new Uint8Array(1024 * 1024));
  a.peers.send(2n, { type: 'forwardCommands', from: 1n, to: 2n, term: 1, boot: 1, batch: 1, commands });
  a.say(2n, 5);
  await until('the next message', () => b.messages.length === 1);
  expect(a.outgoing(2n).droppedMessages).toBe(1);
  expect(b.heard()).toEqual([5]);
});

test('a reset is noticed at once at both ends, and mended', async () => {
  const { a, b, ab } = await pair();
  a.say(2n, 1);
  await until('first', () => b.messages.length === 1);
  ab.reset();
  await until('link lost', () => b.lost.length === 1);
  expect(b.lost).toEqual([1n]);
  await until('reconnected', () => a.outgoing(2n).reconnects === 1 && a.outgoing(2n).up);
  a.say(2n, 2);
  await until('second', () => b.messages.length === 2);
  expect(b.heard()).toEqual([1, 2]);
  expect(a.lost).toEqual([]);
});

test('a connection cut inside a message delivers no part of it; later ones arrive', async () => {
  const { a, b, ab } = await pair();
  for (let bytes = 1; bytes < 60; bytes += 7) {
    const lostBefore = b.lost.length;
    const heard = b.messages.length;
    ab.cutAfter('up', 20_000 + bytes);
    a.peers.send(2n, append(1n, 2n, Buffer.alloc(100_000, bytes)));
    await until('link lost', () => b.lost.length > lostBefore);
    expect(b.messages.length).toBe(heard);
    await until('reconnected', () => a.outgoing(2n).up);
    a.say(2n, bytes);
    await until('the next message', () => b.messages.length === heard + 1);
    expect(b.heard().at(-1)).toBe(bytes);
  }
});

test('a peer that is cut off comes back when the network heals', async () => {
  const { a, b, ab, ba } = await pair();
  ab.cut();
  ba.cut();
  await until('both lost', () => a.lost.length === 1 && b.lost.length === 1);
  expect(a.outgoing(2n).up).toBe(false);
  ab.heal();
  ba.heal();
  await until('both up', () => a.outgoing(2n).up && b.outgoing(1n).up);
  a.say(2n, 1);
  b.say(1n, 2);
  await until('both heard', () => a.messages.length === 1 && b.messages.length === 1);
});

test('a stalled connection is dead after the silence limit, in either direction', async () => {
  for (const direction of ['up', 'down'] as const) {
    const { a, b, ab } = await pair();
    ab.stall(direction);
    await until('the acceptor sees it end', () => b.lost.length === 1);
    await until('the dialer sees it end', () => !a.outgoing(2n).up);
    ab.heal();
    await until('mended', () => a.outgoing(2n).up);
    a.say(2n, 7);
    await until('heard', () => b.heard().at(-1) === 7);
  }
});

test('a half-open connection is found out by silence', async () => {
  const { a, ab } = await pair();
  ab.halfOpen('target');
  await until('the dialer dials anew', () => a.outgoing(2n).reconnects === 1 && a.outgoing(2n).up);
});

test('a slow line is not a dead one: appends on their way count as a sign of life', async () => {
  const { a, b, ab } = await pair();
  ab.delay('up', 150);
  ab.delay('down', 150);
  for (let i = 0; i < 20; i++) a.peers.send(2n, append(1n, 2n, Buffer.alloc(512 * 1024)));
  await until('all', () => b.messages.length === 20);
  await until('a round trip', () => (a.outgoing(2n).rttMs ?? 0) >= 300);
  expect(a.outgoing(2n).reconnects).toBe(0);
});

test('attempts back off: a peer that is away is not dialed in a loop', async () => {
  let attempts = 0;
  const server = createServer((socket: Socket) => {
    attempts++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const port = (server.address() as { port: number }).port;
  const a = await TestMember.listening(1n, [{ member: 2n, url: `http://127.0.0.1:${port}` }], {
    timings: { backoffMsMin: 20, backoffMsMax: 1_000 },
  });
  const beganMs = performance.now();
  a.peers.start(1);
  await until('five attempts', () => attempts >= 5);
  // Halves of 20 + 40 + 80 + 160 at the least.
  expect(performance.now() - beganMs).toBeGreaterThanOrEqual(150);
});

test('close sends what is queued, ends within a second and leaves nothing open', async () => {
  const { a, b, ab } = await pair();
  for (let i = 0; i < 1_000; i++) a.say(2n, i);
  const beganMs = performance.now();
  await a.peers.close();
  expect(performance.now() - beganMs).toBeLessThan(1_000);
  await until('all', () => b.messages.length === 1_000);
  await until('the link is lost', () => b.lost.length === 1);
  expect(a.peers.connections).toBe(0);
  expect(a.lost).toEqual([]);
  ab.heal();
  a.say(2n, 1);
  expect(a.peers.counters()).toEqual([]);
});

test('close ends within a second also when nobody reads', async () => {
  const { a, ab } = await pair({ a: { timings: { silenceMs: 60_000 } } });
  ab.stall();
  for (let i = 0; i < 30; i++) a.peers.send(2n, append(1n, 2n, Buffer.alloc(1024 * 1024)));
  const beganMs = performance.now();
  await a.peers.close();
  expect(performance.now() - beganMs).toBeLessThan(1_000);
});

test('a member that restarts replaces its connection: its old boot is lost, its old bytes are not read', async () => {
  const { a, b } = await pair();
  a.say(2n, 1);
  await until('first', () => b.messages.length === 1);
  const again = new TestMember(1n, [b.address]);
  await again.listen();
  again.peers.start(2);
  await until('link lost by the new boot', () => b.lost.length === 1);
  await until('the new boot is noted', () => b.boots.seen(1n) === 2);
  a.say(2n, 666);
  again.say(2n, 2);
  await until('second', () => b.heard().includes(2));
  // The old process is told that it is old, and says so to its program.
  await until('fatal', () => a.refused.some((refused) => refused.fatal));
  expect(a.refused.at(-1)).toMatchObject({ who: 'us', reason: 'emptyReturn', member: 2n });
  expect(b.heard()).toEqual([1, 2]);
});

test('a peer list that changes opens and closes links', async () => {
  const { a, b } = await pair();
  const c = await TestMember.listening(3n, [a.address]);
  c.peers.start(1);
  await until('a stranger is refused', () => c.refused.some((refused) => refused.reason === 'unknownMember'));
  a.peers.setPeers([b.address, c.address]);
  await until('now a member', () => c.outgoing(1n).up && a.outgoing(3n).up);
  a.peers.setPeers([c.address]);
  await until('removed: both connections end', () => b.lost.includes(1n) && a.lost.includes(2n));
  expect(a.peers.counters().map((counters) => counters.member)).toEqual([3n]);
  a.say(2n, 1);
  expect(() => a.peers.setPeers([{ member: 4n, url: 'https://127.0.0.1:1' }])).toThrow(/only http/);
});
