import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { snapshotFrameBytesMax } from '../../src/base/limits.ts';
import { Prng } from '../../src/base/prng.ts';
import {
  readSnapshotEnd,
  readSnapshotHead,
  readSnapshotRecords,
  writeSnapshotEnd,
  writeSnapshotHead,
  writeSnapshotRecords,
} from '../../src/peer/snapshot-codec.ts';
import type { SnapshotHead } from '../../src/raft/message.ts';
import type { ImageRecord } from '../../src/store/image.ts';
import { pair, TestMember, until } from './member.ts';
import { anyBytes } from './messages.ts';
import { frameOf, helloOf, Stranger } from './raw.ts';

const seed = Number(process.env['SEED'] ?? 1);

function headOf(from: bigint, to: bigint, term: number): SnapshotHead {
  return { from, to, term, meta: { index: 1000, term: 3, configuration: { voters: [1n, 2n, 3n], learners: [4n] } } };
}

function recordsOf(prng: Prng, count: number, valueBytesMax: number): ImageRecord[] {
  return Array.from({ length: count }, (_, i) => {
    const key = Buffer.alloc(8);
    key.writeUInt32BE(i, 4);
    return { key, value: anyBytes(prng, valueBytesMax) };
  });
}

async function* chunksOf(records: readonly ImageRecord[], size: number): AsyncGenerator<readonly ImageRecord[]> {
  for (let at = 0; at < records.length; at += size) yield records.slice(at, at + size);
}

/** Endless, and counts what was pulled: `pulled` grows no faster than the receiver takes. */
function endless(valueBytes: number) {
  const state = { pulled: 0, ended: false };
  async function* chunks(): AsyncGenerator<readonly ImageRecord[]> {
    try {
      for (;;) {
        state.pulled++;
        yield [{ key: Buffer.from(`k${state.pulled}`), value: Buffer.alloc(valueBytes) }];
      }
    } finally {
      state.ended = true;
    }
  }
  return { state, chunks: chunks() };
}

function sameRecords(got: readonly ImageRecord[], sent: readonly ImageRecord[]): boolean {
  return (
    got.length === sent.length &&
    got.every(
      (record, i) =>
        Buffer.compare(record.key, sent[i]!.key) === 0 && Buffer.compare(record.value, sent[i]!.value) === 0,
    )
  );
}

/** What the kernel may hold of one connection, both ends: Linux tunes its buffers up to these, others to less. */
function kernelBytesMax(): number {
  if (!existsSync('/proc/sys/net/ipv4/tcp_rmem')) return 64 * 1024 * 1024;
  return ['tcp_rmem', 'tcp_wmem']
    .map((name) => Number(readFileSync(`/proc/sys/net/ipv4/${name}`, 'utf8').trim().split(/\s+/)[2]))
    .reduce((sum, bytes) => sum + bytes, 0);
}

test('an image arrives record by record, and is taken', async () => {
  const { a, b } = await pair();
  const records = recordsOf(new Prng(seed, 'image'), 20_000, 60);
  const sent = await a.peers.sendSnapshot(headOf(1n, 2n, 5), chunksOf(records, 700));
  expect(sent).toMatchObject({ ok: true, why: '' });
  expect(b.receiver.log).toEqual(['begin', 'end']);
  expect(b.receiver.head).toEqual(headOf(1n, 2n, 5));
  expect(sameRecords(b.receiver.records, records)).toBe(true);
});

test('chunks larger than a frame are cut, records larger than a frame part are sent whole, none is fine', async () => {
  const { a, b } = await pair();
  const big = Array.from({ length: 5 }, (_, i) => ({
    key: Buffer.of(i),
    value: Buffer.alloc(snapshotFrameBytesMax * (i + 1), i),
  }));
  expect((await a.peers.sendSnapshot(headOf(1n, 2n, 5), chunksOf(big, 5))).ok).toBe(true);
  expect(sameRecords(b.receiver.records, big)).toBe(true);
  expect((await a.peers.sendSnapshot(headOf(1n, 2n, 6), chunksOf([], 1))).ok).toBe(true);
  expect(b.receiver.records).toEqual([]);
  const tooLarge = [{ key: Buffer.of(1), value: Buffer.alloc(9 * 1024 * 1024) }];
  const sent = await a.peers.sendSnapshot(headOf(1n, 2n, 7), chunksOf(tooLarge, 1));
  expect(sent).toMatchObject({ ok: false, why: 'an image record is larger than a frame' });
  await until('forgotten', () => b.receiver.log.at(-1) === 'abort');
});

test('a stream cut at any byte is forgotten, and the sender knows', async () => {
  const { a, b, ab } = await pair();
  const records = recordsOf(new Prng(seed, 'cuts'), 300, 200);
  const prng = new Prng(seed, 'where');
  for (let round = 0; round < 25; round++) {
    // A proxy limit counts all connections, pings included: near enough.
    const bytes = round < 5 ? 60 + round * 20 : prng.between(200, 30_000);
    const begun = b.receiver.log.filter((line) => line === 'begin').length;
    const whole = b.receiver.log.filter((line) => line === 'end').length;
    ab.cutAfter('up', bytes);
    const sent = await a.peers.sendSnapshot(headOf(1n, 2n, 10 + round), chunksOf(records, 10));
    if (sent.ok) continue;
    const opened = b.receiver.log.filter((line) => line === 'begin').length > begun;
    if (opened) await until(`forgotten, seed ${seed} round ${round}`, () => b.receiver.log.at(-1) === 'abort');
    expect(b.receiver.log.filter((line) => line === 'end').length).toBe(whole);
    await until('the link is back', () => a.outgoing(2n).up);
  }
  expect(b.receiver.log.filter((line) => line === 'abort').length).toBeGreaterThan(5);
  ab.heal();
  expect((await a.peers.sendSnapshot(headOf(1n, 2n, 99), chunksOf(records, 10))).ok).toBe(true);
  expect(sameRecords(b.receiver.records, records)).toBe(true);
});

test('the sender pulls no faster than the receiver takes', async () => {
  const { a, b } = await pair();
  let open = (): void => {};
  const closed = new Promise<void>((resolve) => {
    open = resolve;
  });
  b.receiver.gate = () => closed;
  const { state, chunks } = endless(200_000);
  const sent = a.peers.sendSnapshot(headOf(1n, 2n, 5), chunks);
  let before = -1;
  // Pulls stop: the same count over many turns of the loop and a few keepalives.
  for (let quiet = 0; quiet < 50; quiet = state.pulled === before ? quiet + 1 : 0) {
    before = state.pulled;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  // It stopped. What is on the way: the kernel's buffers of two hops, and little of our own and the proxy's.
  expect(state.pulled * 200_000).toBeLessThan(2 * kernelBytesMax() + 2 * 1024 * 1024);
  open();
  await until('more is pulled', () => state.pulled > before + 20);
  await a.peers.close();
  expect((await sent).ok).toBe(false);
  expect(state.ended).toBe(true);
  await until('forgotten', () => b.receiver.log.at(-1) === 'abort');
});

test('messages pass while a snapshot streams: each waits for a few of its frames at most', async () => {
  const { a, b } = await pair();
  let frames = 0;
  b.receiver.gate = () => {
    frames++;
    b.receiver.records = [];
    return Promise.resolve();
  };
  const { chunks } = endless(snapshotFrameBytesMax - 100);
  const sent = a.peers.sendSnapshot(headOf(1n, 2n, 5), chunks);
  await until('it streams', () => frames > 20);
  const waits: number[] = [];
  for (let i = 0; i < 100; i++) {
    const before = frames;
    await new Promise<void>((resolve) => {
      b.onMessage = () => {
        waits.push(frames - before);
        resolve();
      };
      a.say(2n, i);
    });
  }
  // A few turns of the loop (the proxy is one of three hops), and one frame in each of them.
  expect(Math.max(...waits)).toBeLessThanOrEqual(4);
  await a.peers.close();
  await sent;
});

test('a stalled stream is given up by both', async () => {
  const { a, b, ab } = await pair();
  const { state, chunks } = endless(100_000);
  const sent = a.peers.sendSnapshot(headOf(1n, 2n, 5), chunks);
  await until('it streams', () => b.receiver.records.length > 3);
  ab.stall();
  expect((await sent).ok).toBe(false);
  await until('forgotten', () => b.receiver.log.at(-1) === 'abort');
  expect(state.ended).toBe(true);
});

test('one stream at a time: a newer term takes over, an older or equal one of another is refused', async () => {
  const { b } = await pair();
  const peers = [1n, 3n].map((member) => ({ member, url: 'http://127.0.0.1:1' }));
  b.peers.setPeers(peers);
  const [a, c] = await Promise.all([1n, 3n].map((id) => TestMember.listening(id, [b.address])));
  a!.peers.start(1);
  c!.peers.start(1);
  const first = endless(1_000);
  const running = a!.peers.sendSnapshot(headOf(1n, 2n, 5), first.chunks);
  await until('it streams', () => b.receiver.records.length > 3);
  const records = recordsOf(new Prng(seed, 'over'), 50, 20);
  for (const term of [4, 5]) {
    const refused = await c!.peers.sendSnapshot(headOf(3n, 2n, term), chunksOf(records, 10));
    expect(refused).toMatchObject({ ok: false, why: 'a snapshot of term 5 is being received' });
  }
  expect((await c!.peers.sendSnapshot(headOf(3n, 2n, 6), chunksOf(records, 10))).ok).toBe(true);
  expect((await running).ok).toBe(false);
  expect(b.receiver.log).toEqual(['begin', 'abort', 'begin', 'end']);
  expect(sameRecords(b.receiver.records, records)).toBe(true);
});

test('the same sender may start over: its broken stream makes room', async () => {
  const { a, b } = await pair();
  const first = endless(1_000);
  const running = a.peers.sendSnapshot(headOf(1n, 2n, 5), first.chunks);
  await until('it streams', () => b.receiver.records.length > 3);
  expect((await a.peers.sendSnapshot(headOf(1n, 2n, 5), chunksOf([], 1))).ok).toBe(true);
  expect((await running).ok).toBe(false);
  expect(b.receiver.log).toEqual(['begin', 'abort', 'begin', 'end']);
});

test('a receiver may refuse at the beginning, in the middle and at the end', async () => {
  const { a, b } = await pair();
  b.receiver.refuseBegin = 'installing another';
  const atBegin = await a.peers.sendSnapshot(headOf(1n, 2n, 5), endless(1_000).chunks);
  expect(atBegin).toMatchObject({ ok: false, why: 'installing another' });
  expect(b.receiver.log).toEqual([]);
  b.receiver.refuseBegin = undefined;
  b.receiver.gate = () => Promise.reject(new Error('disk full'));
  const inside = await a.peers.sendSnapshot(headOf(1n, 2n, 5), endless(1_000).chunks);
  expect(inside).toMatchObject({ ok: false, why: 'disk full' });
  expect(b.receiver.log).toEqual(['begin', 'abort']);
  b.receiver.gate = () => Promise.resolve();
  b.receiver.refuseEnd = 'digest differs';
  const atEnd = await a.peers.sendSnapshot(headOf(1n, 2n, 5), chunksOf([], 1));
  expect(atEnd).toMatchObject({ ok: false, why: 'digest differs' });
});

test('a source that fails ends the stream; the receiver forgets it', async () => {
  const { a, b } = await pair();
  async function* broken(): AsyncGenerator<readonly ImageRecord[]> {
    yield [{ key: Buffer.of(1), value: Buffer.of(2) }];
    throw new Error('unreadable image');
  }
  expect(await a.peers.sendSnapshot(headOf(1n, 2n, 5), broken())).toMatchObject({ ok: false, why: 'unreadable image' });
  await until('forgotten', () => b.receiver.log.at(-1) === 'abort');
  expect(await a.peers.sendSnapshot(headOf(1n, 9n, 5), broken())).toMatchObject({ ok: false, why: 'not a member' });
});

test('a receiver that never finishes is given up', async () => {
  const { a, b } = await pair({ a: { timings: { snapshotTakenMs: 100 } } });
  let release = (): void => {};
  b.receiver.end = () =>
    new Promise((resolve) => {
      release = resolve;
    });
  const sent = await a.peers.sendSnapshot(headOf(1n, 2n, 5), chunksOf([], 1));
  expect(sent).toMatchObject({ ok: false, why: 'the receiver did not take the snapshot in time' });
  release();
});

const forged: readonly [string, Buffer][] = [
  ['no head', frameOf('snapshotChunk', (to) => writeSnapshotRecords(to, []))],
  ['a malformed head', frameOf('snapshotHead', (to) => to.raw(Buffer.of(1, 2, 3)))],
  ['the head of another sender', frameOf('snapshotHead', (to) => writeSnapshotHead(to, headOf(3n, 2n, 1)))],
  ['a head for another', frameOf('snapshotHead', (to) => writeSnapshotHead(to, headOf(1n, 3n, 1)))],
  [
    'a message inside',
    Buffer.concat([
      frameOf('snapshotHead', (to) => writeSnapshotHead(to, headOf(1n, 2n, 1))),
      frameOf('message', (to) => to.u8(1)),
    ]),
  ],
  [
    'malformed records',
    Buffer.concat([
      frameOf('snapshotHead', (to) => writeSnapshotHead(to, headOf(1n, 2n, 1))),
      frameOf('snapshotChunk', (to) => to.raw(Buffer.of(5, 1))),
    ]),
  ],
  [
    'an end that counts more than came',
    Buffer.concat([
      frameOf('snapshotHead', (to) => writeSnapshotHead(to, headOf(1n, 2n, 1))),
      frameOf('snapshotEnd', (to) => writeSnapshotEnd(to, { records: 1 })),
    ]),
  ],
];

test.each(forged)('a stream with %s is refused and leaves nothing', async (_, bytes) => {
  const { b } = await pair();
  const stranger = new Stranger(b.port).send(Buffer.concat([helloOf({ purpose: 'snapshot' }), bytes]));
  await stranger.whenClosed();
  expect(stranger.refusal?.reason).toBe('badMessage');
  expect(b.receiver.log.filter((line) => line !== 'begin' && line !== 'abort')).toEqual([]);
  expect(b.receiver.log.length % 2).toBe(0);
  expect(b.receiver.records).toEqual([]);
});

test('100,000 mutated heads, chunks and ends are read or refused, never thrown on', () => {
  const prng = new Prng(seed, 'snapshot fuzz');
  const pool = Array.from({ length: 50 }, () =>
    prng
      .pick([
        frameOf('snapshotHead', (to) => writeSnapshotHead(to, headOf(prng.uint64(), 2n, prng.uint32()))),
        frameOf('snapshotChunk', (to) => writeSnapshotRecords(to, recordsOf(prng, 3, 30))),
        frameOf('snapshotEnd', (to) => writeSnapshotEnd(to, { records: prng.uint32() })),
      ])
      .subarray(9),
  );
  for (let i = 0; i < 100_000; i++) {
    const bytes = Buffer.from(prng.pick(pool));
    for (let edits = prng.between(1, 3); edits > 0; edits--) bytes[prng.below(bytes.length)] = prng.below(256);
    const cut = prng.chance(0.3) ? bytes.subarray(0, prng.below(bytes.length)) : bytes;
    readSnapshotHead(cut);
    readSnapshotRecords(cut, prng.chance(0.5));
    readSnapshotEnd(cut);
  }
});
