import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import type { PeerMessage } from '../../src/node/peer-message.ts';
import { decodePeerMessage, encodePeerMessage, peerMessageBytes } from '../../src/peer/codec.ts';
import { anyBytes, anyMessage, anyMessageOf, messageTypes } from './messages.ts';

const seed = Number(process.env['SEED'] ?? 1);

/** Payloads come back as Buffers; compare what they hold. */
function plain(message: PeerMessage): unknown {
  return JSON.parse(
    JSON.stringify(message, (_, value) =>
      typeof value === 'bigint'
        ? `${value}n`
        : value instanceof Uint8Array || value?.type === 'Buffer'
          ? Buffer.from(value.data ?? value).toString('hex')
          : value,
    ),
  );
}

test('decode undoes encode for every message type', () => {
  const prng = new Prng(seed, 'codec round trip');
  for (let i = 0; i < 4_500; i++) {
    const message = anyMessageOf(prng, messageTypes[i % messageTypes.length]!, prng.uint64(), prng.uint64());
    const decoded = decodePeerMessage(encodePeerMessage(message), prng.chance(0.5));
    expect(decoded.ok, `seed ${seed} round ${i}`).toBe(true);
    if (decoded.ok) expect(plain(decoded.message), `seed ${seed} round ${i}`).toEqual(plain(message));
  }
});

test('encode undoes decode: a message has one form', () => {
  const prng = new Prng(seed, 'codec one form');
  for (let i = 0; i < 1_500; i++) {
    const bytes = encodePeerMessage(anyMessage(prng));
    const decoded = decodePeerMessage(bytes, true);
    if (!decoded.ok) throw new Error(`seed ${seed} round ${i}: ${decoded.why}`);
    expect(encodePeerMessage(decoded.message).equals(bytes), `seed ${seed} round ${i}`).toBe(true);
  }
});

test('every cut of a message is refused, and so is anything behind it', () => {
  const prng = new Prng(seed, 'codec cuts');
  for (const type of messageTypes) {
    const bytes = encodePeerMessage(anyMessageOf(prng, type, 1n, 2n));
    for (let length = 0; length < Math.min(bytes.length, 400); length++) {
      expect(decodePeerMessage(bytes.subarray(0, length), true).ok, `${type} cut at ${length}`).toBe(false);
    }
    expect(decodePeerMessage(Buffer.concat([bytes, Buffer.of(0)]), true).ok, `${type} and a byte`).toBe(false);
  }
});

test('200,000 mutated messages are decoded or refused, never thrown on; what is decoded can be encoded', () => {
  const prng = new Prng(seed, 'codec fuzz');
  const runs = Number(process.env['FUZZ'] ?? 200_000);
  const pool = Array.from({ length: 500 }, () => encodePeerMessage(anyMessage(prng)));
  let decodedCount = 0;
  for (let i = 0; i < runs; i++) {
    const bytes = mutate(prng, pool[i % pool.length]!, pool);
    try {
      const decoded = decodePeerMessage(bytes, prng.chance(0.5));
      if (!decoded.ok) continue;
      decodedCount++;
      encodePeerMessage(decoded.message);
    } catch (error) {
      throw new Error(`seed ${seed} round ${i}: ${bytes.toString('hex')}`, { cause: error });
    }
  }
  expect(decodedCount).toBeGreaterThan(0);
  expect(decodedCount).toBeLessThan(runs);
});

function mutate(prng: Prng, original: Buffer, pool: readonly Buffer[]): Buffer {
  let bytes = Buffer.from(original);
  for (let edits = prng.between(1, 4); edits > 0; edits--) {
    const at = prng.below(bytes.length + 1);
    switch (prng.below(6)) {
      case 0:
        if (at < bytes.length) bytes[at] = bytes[at]! ^ (1 << prng.below(8));
        break;
      case 1:
        if (at < bytes.length) bytes[at] = prng.pick([0, 1, 0x7f, 0x80, 0xff]);
        break;
      case 2:
        bytes = bytes.subarray(0, at);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), anyBytes(prng, 8), bytes.subarray(at)]);
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.alloc(prng.below(12), 0xff), bytes.subarray(at)]);
        break;
      default: {
        const other = prng.pick(pool);
        bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(prng.below(other.length + 1))]);
      }
    }
  }
  return bytes;
}

test('an announced length allocates nothing', () => {
  const head = encodePeerMessage({
    type: 'append',
    from: 1n,
    to: 2n,
    term: 1,
    prevIndex: 0,
    prevTerm: 0,
    entries: [],
    commit: 0,
    round: 0,
  });
  // The list's length, 0 so far, is the last byte: announce 2^48 entries.
  const forged = Buffer.concat([head.subarray(0, -1), Buffer.from('ffffffffffff3f', 'hex'), Buffer.alloc(64)]);
  const before = process.memoryUsage().rss;
  for (let i = 0; i < 1_000; i++) expect(decodePeerMessage(forged, false).ok).toBe(false);
  expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
});

test('a payload is a view of an owned body and a copy of a borrowed one', () => {
  const payload = Buffer.alloc(20_000, 7);
  const entries = [{ index: 1, term: 1, kind: 'commands' as const, payload }];
  const ends = { from: 1n, to: 2n, term: 1, prevIndex: 0, prevTerm: 0, commit: 0, round: 0 };
  const body = encodePeerMessage({ type: 'append', ...ends, entries });
  for (const owned of [true, false]) {
    const decoded = decodePeerMessage(body, owned);
    if (!decoded.ok || decoded.message.type !== 'append') throw new Error('decodes');
    const got = decoded.message.entries[0]!.payload;
    expect(Buffer.compare(got, payload)).toBe(0);
    expect(got.buffer === body.buffer).toBe(owned);
  }
});

test('the estimate of a size is near enough to count by', () => {
  const prng = new Prng(seed, 'codec sizes');
  for (let i = 0; i < 2_000; i++) {
    const message = anyMessage(prng);
    expect(peerMessageBytes(message) * 2).toBeGreaterThanOrEqual(encodePeerMessage(message).length);
  }
});
