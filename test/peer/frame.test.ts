import { expect, test } from 'vitest';
import { peerFrameBytesMax, requestBytesMax } from '../../src/base/limits.ts';
import { Prng } from '../../src/base/prng.ts';
import { type Frame, FrameParser, type FrameType, FrameWriter, frameHeaderBytes } from '../../src/peer/frame.ts';
import { anyBytes } from './messages.ts';

const seed = Number(process.env['SEED'] ?? 1);

function make(writer: FrameWriter, type: FrameType, body: Uint8Array): Buffer {
  return Buffer.concat(writer.frame(type, (to) => to.raw(body))!.pieces as Buffer[]);
}

function drain(parser: FrameParser): (Frame | string)[] {
  const found: (Frame | string)[] = [];
  for (let next = parser.next(); next !== undefined; next = parser.next()) {
    found.push(next);
    if (typeof next === 'string') break;
  }
  return found;
}

test('frames come out as they went in, however the stream is cut', () => {
  const prng = new Prng(seed, 'frame cuts');
  for (let round = 0; round < 120; round++) {
    const writer = new FrameWriter();
    const bodies = Array.from({ length: prng.between(1, 8) }, () => anyBytes(prng, prng.chance(0.1) ? 90_000 : 300));
    const stream = Buffer.concat(bodies.map((body) => make(writer, 'message', body)));
    const parser = new FrameParser(peerFrameBytesMax);
    const found: (Frame | string)[] = [];
    const step = prng.pick([1, 3, 9, 64, 1_000, 70_000]);
    for (let at = 0; at < stream.length; ) {
      const size = stream.length > 50_000 ? 1_000 + step : prng.between(1, step);
      parser.push(stream.subarray(at, at + size));
      at += size;
      if (prng.chance(0.7)) found.push(...drain(parser));
    }
    found.push(...drain(parser));
    expect(found.length, `seed ${seed} round ${round}`).toBe(bodies.length);
    found.forEach((frame, i) => {
      if (typeof frame === 'string') throw new Error(`seed ${seed} round ${round}: ${frame}`);
      expect(Buffer.compare(frame.body, bodies[i]!)).toBe(0);
    });
    expect(parser.heldBytes).toBe(0);
  }
});

test('every flipped bit is found', () => {
  const bytes = make(new FrameWriter(), 'message', Buffer.from('a lease is a promise'));
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3] = flipped[bit >> 3]! ^ (1 << (bit & 7));
    const parser = new FrameParser(peerFrameBytesMax);
    // What follows makes a raised length complete.
    parser.push(Buffer.concat([flipped, Buffer.alloc(1024)]));
    const first = parser.next();
    expect(first === undefined || typeof first === 'string', `bit ${bit}`).toBe(true);
  }
});

test('a fault is final and holds nothing', () => {
  const writer = new FrameWriter();
  const good = make(writer, 'message', Buffer.of(1));
  const parser = new FrameParser(peerFrameBytesMax);
  const bad = Buffer.from(good);
  bad[0] = bad[0]! ^ 1;
  parser.push(Buffer.concat([good, bad, good]));
  expect(drain(parser).map((frame) => (typeof frame === 'string' ? frame : frame.type))).toEqual([
    'message',
    'frame checksum differs',
  ]);
  expect(parser.heldBytes).toBe(0);
  expect(parser.next()).toBe('frame checksum differs');
});

test('a frame longer than allowed is refused by its header alone', () => {
  const parser = new FrameParser(1024);
  const header = Buffer.alloc(frameHeaderBytes);
  header.writeUInt32LE(1024 - frameHeaderBytes + 1, 4);
  parser.push(header);
  expect(parser.next()).toBe('frame too large');
  const wider = new FrameParser(1024);
  wider.allow(2048);
  wider.push(header);
  expect(wider.next()).toBeUndefined();
});

test('one entry of the largest request fits a frame; what no peer would take is not made', () => {
  const writer = new FrameWriter();
  const largest = writer.frame('message', (to) => to.bytes(Buffer.alloc(requestBytesMax)));
  expect(largest?.bytes).toBeGreaterThan(requestBytesMax);
  expect(writer.frame('message', (to) => to.bytes(Buffer.alloc(peerFrameBytesMax)))).toBeUndefined();
  // The writer is none the worse for it.
  const parser = new FrameParser(peerFrameBytesMax);
  parser.push(make(writer, 'ping', Buffer.of(1, 2, 3)));
  expect(parser.next()).toMatchObject({ type: 'ping' });
});

test('large byte arrays are passed by reference, small ones copied', () => {
  const writer = new FrameWriter();
  const large = Buffer.alloc(100_000, 1);
  const pieces = writer.frame('message', (to) => {
    to.bytes(Buffer.of(1, 2, 3));
    to.bytes(large);
    to.u8(9);
  })!.pieces;
  expect(pieces.some((piece) => piece.buffer === large.buffer && piece.byteLength === large.byteLength)).toBe(true);
  expect(pieces.length).toBe(3);
});

test('whether a body owns its memory is told', () => {
  const writer = new FrameWriter();
  const one = make(writer, 'message', Buffer.from('whole'));
  const parser = new FrameParser(peerFrameBytesMax);
  parser.push(Buffer.concat([one, one]).subarray(0, one.length + 12));
  expect(parser.next()).toMatchObject({ owned: false });
  expect(parser.next()).toBeUndefined();
  parser.push(one.subarray(12));
  expect(parser.next()).toMatchObject({ owned: true });
});

test('200,000 random streams never throw', () => {
  const prng = new Prng(seed, 'frame fuzz');
  const writer = new FrameWriter();
  const pool = Array.from({ length: 64 }, () => make(writer, 'message', anyBytes(prng, 40)));
  for (let i = 0; i < 200_000; i++) {
    const parser = new FrameParser(prng.pick([64, 1024, peerFrameBytesMax]));
    const bytes = Buffer.from(prng.pick(pool));
    bytes[prng.below(bytes.length)] = prng.below(256);
    const at = prng.below(bytes.length);
    parser.push(bytes.subarray(0, at));
    const early = parser.next();
    parser.push(bytes.subarray(at));
    const next = early ?? parser.next();
    if (next !== undefined && typeof next !== 'string' && next.body.length + frameHeaderBytes > bytes.length) {
      throw new Error(`seed ${seed} round ${i}: a frame longer than its stream`);
    }
  }
});
