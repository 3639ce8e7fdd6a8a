/**
 * What the accept layer reads of an HTTP/2 client before HTTP/2 does: where it stops, what it takes out, what it mends. Node's own
 * HTTP/2 writes the requests and reads what became of them, so that neither HPACK nor its Huffman code is checked by itself.
 */
import { connect, createServer } from 'node:http2';
import { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { mendAuthority } from '../../src/rpc/hpack-authority.ts';
import { greeting, Http2Opening, type OpeningVerdict } from '../../src/rpc/http2-opening.ts';
import { http2Frame, http2Opening } from '../cluster/wire.ts';

const bytesMax = 96 * 1024;
const endHeaders = 4;
const settingsAck = http2Frame(4, 1, 0);
const windowUpdate = http2Frame(8, 0, 0, Buffer.from([0, 0, 255, 255]));
const ping = http2Frame(6, 0, 0, Buffer.alloc(8));

/** Literal with indexing, name `:authority`; lengths below 127. */
const plain = (authority: string): Buffer =>
  Buffer.concat([Buffer.from([0x83, 0x86, 0x41, authority.length]), Buffer.from(authority)]);
/** What etcdctl 3.4 sends for http://127.0.0.1:19999, Huffman coded, recorded. */
const recorded = Buffer.from('418a' + '9d29aee30c044eae05c0', 'hex');
const recordedBlock = Buffer.from(
  '8386459760a924882d9dcb6571afa066a925a87510ac6e48d36a3f41909d29aee30c044eae05c0b86e05f7df7f5f8b1d75d0620d263d4c4d65647a',
  'hex',
);

function hear(pieces: readonly Uint8Array[]): { opening: Http2Opening; verdicts: OpeningVerdict[] } {
  const opening = new Http2Opening(bytesMax);
  return { opening, verdicts: pieces.map((piece) => opening.push(piece)) };
}

/** Both sides of a socket in memory: what is written is kept. */
class Wire extends Duplex {
  readonly written: Buffer[] = [];
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written.push(chunk);
    done();
  }
}

const turns = async (count: number): Promise<void> => {
  for (let left = count; left > 0; left--) await new Promise((resolve) => setImmediate(resolve));
};

/** What Node's client sends first for a request to this authority. */
async function sent(authority: string): Promise<Buffer> {
  const wire = new Wire();
  const client = connect('http://unused', { createConnection: () => wire });
  client.on('error', () => {});
  client.request({ ':authority': authority, ':method': 'POST', ':path': '/a/b', te: 'trailers' }).on('error', () => {});
  while (!Buffer.concat(wire.written).includes('trailers') && wire.written.length < 2) await turns(1);
  await turns(3);
  client.destroy();
  return Buffer.concat(wire.written);
}

/** The authority that Node's server reads from these bytes, or how it refused. */
async function read(bytes: Buffer): Promise<string> {
  const wire = new Wire();
  const server = createServer();
  const seen = new Promise<string>((resolve) => {
    server.on('stream', (_stream, headers) => resolve(String(headers[':authority'])));
    server.on('session', (session) => session.on('error', () => resolve('refused')));
    setTimeout(() => resolve('refused'), 300);
  });
  server.emit('connection', wire);
  wire.push(bytes);
  const authority = await seen;
  wire.destroy();
  return authority;
}

describe('the authority', () => {
  test('that is a URL reads as a host, in either coding, whatever it is made of', async () => {
    const random = new Prng(20_261_125, 'authorities');
    const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~[]:@!$&'()*+,;=%/";
    const urls = ['http://127.0.0.1:2379', 'https://[::1]:2379/', 'unix:///tmp/a.sock', 'http://n1.example.com:2379'];
    for (let left = 40; left > 0; left--) {
      const length = random.below(60);
      urls.push(`http://${Array.from({ length }, () => letters.charAt(random.below(letters.length))).join('')}`);
    }
    for (const url of urls) {
      const bytes = await sent(url);
      const { opening, verdicts } = hear([bytes]);
      expect(verdicts, url).toEqual(['done']);
      expect(opening.take().length).toBe(bytes.length);
      expect(await read(opening.take()), url).toBe(url.replaceAll('/', '-'));
    }
    expect(await read(await sent(urls[0] as string)), 'what all this is for').toBe('refused');
  });

  test.each(['127.0.0.1:2379', 'a/b', '', 'http:/x', 'x:'])('%s stays as it is', async (authority) => {
    const bytes = Buffer.concat([http2Opening, http2Frame(1, endHeaders, 1, plain(authority))]);
    const { opening } = hear([bytes]);
    expect(opening.take().equals(bytes)).toBe(true);
  });

  test('each literal form of it, behind each other representation', () => {
    const before = [
      Buffer.from([0x82]),
      Buffer.from([0xff, 0x80, 0x01]),
      Buffer.from([0x3f, 0xe1, 0x1f]),
      Buffer.concat([Buffer.from([0x40, 1]), Buffer.from('a'), Buffer.from([2]), Buffer.from('bb')]),
      Buffer.concat([Buffer.from([0x0f, 0x01, 3]), Buffer.from('://')]),
      Buffer.concat([Buffer.from([0x10, 0x81, 0x1f, 0x00])]),
    ];
    for (const form of [0x41, 0x01, 0x11]) {
      for (const head of [Buffer.alloc(0), ...before, Buffer.concat(before)]) {
        const block = Buffer.concat([head, Buffer.from([form, 10]), Buffer.from('http://a/b')]);
        expect(mendAuthority(block)).toBe(true);
        expect(block.equals(Buffer.concat([head, Buffer.from([form, 10]), Buffer.from('http:--a-b')]))).toBe(true);
      }
    }
  });

  test('as Python’s grpcio sends it, which spells the name out', () => {
    // Recorded from grpcio 1.51: `:path`, then `:authority` as a literal with a literal name; then the same name Huffman coded.
    const path = Buffer.from('40053a70617468022f61', 'hex');
    const value = Buffer.concat([Buffer.from([10]), Buffer.from('http://a/b')]);
    const mendedValue = Buffer.concat([Buffer.from([10]), Buffer.from('http:--a-b')]);
    const spelled = Buffer.from('400a3a617574686f72697479', 'hex');
    const coded = Buffer.from('4088b83b5339ec327d7f', 'hex');
    for (const name of [spelled, coded]) {
      const block = Buffer.concat([path, name, value]);
      expect(mendAuthority(block)).toBe(true);
      expect(block.equals(Buffer.concat([path, name, mendedValue]))).toBe(true);
    }
    const other = Buffer.concat([Buffer.from('400a3a617574686f72697478', 'hex'), value]);
    expect(mendAuthority(other)).toBe(false);
  });

  test('as etcdctl sends it, with padding, priority, and cut into CONTINUATIONs at every place', async () => {
    const mended = Buffer.from(recordedBlock);
    expect(mendAuthority(mended)).toBe(true);
    expect(mended.length).toBe(recordedBlock.length);
    expect(mendAuthority(Buffer.from(recorded))).toBe(true);
    const frames = (block: Buffer, cut: number): Buffer => {
      const padded = Buffer.concat([
        Buffer.from([3]),
        Buffer.from([0, 0, 0, 0, 7]),
        block.subarray(0, cut),
        Buffer.alloc(3),
      ]);
      const first = http2Frame(1, 0x8 | 0x20 | (cut === block.length ? endHeaders : 0), 1, padded);
      if (cut === block.length) return first;
      const half = cut + Math.floor((block.length - cut) / 2);
      const rest = [http2Frame(9, 0, 1, block.subarray(cut, half)), http2Frame(9, endHeaders, 1, block.subarray(half))];
      return Buffer.concat([first, ...rest]);
    };
    for (let cut = 0; cut <= recordedBlock.length; cut++) {
      const { opening, verdicts } = hear([http2Opening, frames(recordedBlock, cut)]);
      expect(verdicts).toEqual(['greet', 'more']);
      expect(opening.push(settingsAck)).toBe('done');
      expect(opening.take().equals(Buffer.concat([http2Opening, frames(mended, cut)]))).toBe(true);
    }
  });
});

describe('the opening', () => {
  const request = http2Frame(1, endHeaders, 1, plain('http://a:1'));
  const mended = http2Frame(1, endHeaders, 1, plain('http:--a:1'));
  const data = http2Frame(0, 1, 1, Buffer.alloc(16_000, 7));

  test('a client that waits for settings gets them once; its ACK is taken out, at every cut of what it sends', () => {
    const first = Buffer.concat([http2Opening, windowUpdate]);
    const second = Buffer.concat([settingsAck, windowUpdate, request, data]);
    const expected = Buffer.concat([first, windowUpdate, mended, data]);
    for (let cut = http2Opening.length; cut <= first.length; cut++) {
      for (let cut2 = 0; cut2 < 120; cut2++) {
        const { opening, verdicts } = hear([first.subarray(0, cut), first.subarray(cut)]);
        expect(verdicts.filter((verdict) => verdict === 'greet')).toHaveLength(1);
        const verdict = opening.push(second.subarray(0, cut2));
        const done = verdict === 'done' ? verdict : opening.push(second.subarray(cut2));
        expect(done).toBe('done');
        expect(opening.take().equals(expected.subarray(0, opening.take().length))).toBe(true);
        if (verdict !== 'done') expect(opening.take().length).toBe(expected.length);
      }
    }
  });

  test('a client that does not wait: its request first, then its ACK', () => {
    const { opening, verdicts } = hear([http2Opening, request, data, Buffer.concat([ping, settingsAck, ping])]);
    expect(verdicts).toEqual(['greet', 'more', 'more', 'done']);
    expect(opening.take().equals(Buffer.concat([http2Opening, mended, data, ping, ping]))).toBe(true);
  });

  test('a request in the first bytes: no settings of ours, and an ACK is not ours to take', () => {
    const bytes = Buffer.concat([http2Opening, settingsAck, request]);
    const { opening, verdicts } = hear([bytes]);
    expect(verdicts).toEqual(['done']);
    expect(opening.take().equals(Buffer.concat([http2Opening, settingsAck, mended]))).toBe(true);
    const begun = hear([Buffer.concat([http2Opening, request.subarray(0, 12)]), request.subarray(12)]);
    expect(begun.verdicts).toEqual(['more', 'done']);
  });

  test.each([
    ['a PING', ping],
    ['DATA before HEADERS', data],
    ['a frame too long', http2Frame(1, endHeaders, 1, Buffer.alloc(16_385))],
    ['only the head of one', Buffer.from([0xff, 0xff, 0xff, 1, 4, 0, 0, 0, 1])],
    ['padding longer than the frame', http2Frame(1, 0x8 | endHeaders, 1, Buffer.from([9, 0, 0]))],
    ['no room for its padding', http2Frame(1, 0x8 | endHeaders, 1)],
    ['no room for its priority', http2Frame(1, 0x20 | endHeaders, 1, Buffer.alloc(4))],
    ['a block of another stream', Buffer.concat([http2Frame(1, 0, 1, plain('a')), http2Frame(9, 4, 3)])],
    ['a block broken off', Buffer.concat([http2Frame(1, 0, 1, plain('a')), ping])],
    ['a block of stream 0', http2Frame(1, endHeaders, 0, plain('http://a'))],
  ])('%s goes to HTTP/2 at once, as it came', (_what, frame) => {
    const bytes = Buffer.concat([http2Opening, frame]);
    const { opening, verdicts } = hear([bytes]);
    expect(verdicts).toEqual(['done']);
    expect(opening.take().equals(bytes)).toBe(true);
  });

  test('nothing more is kept than the limit: handed on, or refused when an ACK is owed', () => {
    const flood = (first: Buffer): OpeningVerdict => {
      const opening = new Http2Opening(bytesMax);
      let verdict = opening.push(first);
      for (let sentBytes = 0; verdict === 'more' || verdict === 'greet'; sentBytes += 4_105) {
        expect(sentBytes).toBeLessThan(bytesMax + 4_105);
        verdict = opening.push(http2Frame(9, 0, 1, Buffer.alloc(4_096)));
      }
      return verdict;
    };
    expect(flood(Buffer.concat([http2Opening, http2Frame(1, 0, 1)]))).toBe('done');
    const owed = new Http2Opening(bytesMax);
    expect(owed.push(http2Opening)).toBe('greet');
    let verdict = owed.push(request);
    for (let left = 7; left > 0 && verdict === 'more'; left--) verdict = owed.push(data);
    expect(verdict).toBe('refused');
  });

  test('idle: it may be handed over between frames, and not while it owes us something', () => {
    const { opening } = hear([http2Opening]);
    expect(opening.idle).toBe(false);
    opening.push(settingsAck);
    expect(opening.idle).toBe(true);
    opening.push(request.subarray(0, 5));
    expect(opening.idle).toBe(false);
    opening.push(request.subarray(5, 12));
    expect(opening.idle).toBe(false);
    const begun = hear([http2Opening, settingsAck, http2Frame(1, 0, 1, plain('a'))]);
    expect(begun.opening.idle).toBe(false);
  });

  test('greeting is an empty SETTINGS frame', () => expect(greeting.equals(http2Frame(4, 0, 0))).toBe(true));
});

test('40,000 hostile openings and blocks: nothing is thrown, no byte moves or is lost', () => {
  const seed = 20_261_125;
  const random = new Prng(seed, 'openings');
  const noise = (max: number): Buffer =>
    Buffer.from(Array.from({ length: random.below(max) }, () => random.below(256)));
  const block = (): Buffer => {
    const bytes = random.pick([noise(40), recordedBlock, plain('http://a/b'), Buffer.from(recorded)]);
    const bent = Buffer.from(bytes.subarray(0, random.chance(0.5) ? bytes.length : random.below(bytes.length + 1)));
    if (random.chance(0.7) && bent.length > 0) bent[random.below(bent.length)] = random.below(256);
    return bent;
  };
  for (let round = 0; round < 40_000; round++) {
    const one = block();
    const same = Buffer.from(one);
    const changed = mendAuthority(one);
    expect(changed === !one.equals(same), `seed ${seed}, round ${round}`).toBe(true);
    const pieces: Buffer[] = [http2Opening];
    for (let left = random.below(5); left > 0; left--) {
      const frame = http2Frame(random.pick([0, 1, 1, 1, 2, 4, 8, 9, 9]), random.below(64), random.below(3), block());
      if (random.chance(0.1)) frame[random.below(9)] = random.below(256);
      pieces.push(frame);
      if (random.chance(0.3)) pieces.push(settingsAck);
    }
    const all = Buffer.concat(pieces);
    const opening = new Http2Opening(random.pick([64, 200, bytesMax]));
    let pushed = http2Opening.length;
    let verdict = opening.push(all.subarray(0, pushed));
    while (pushed < all.length && (verdict === 'more' || verdict === 'greet')) {
      const next = Math.min(all.length, pushed + 1 + random.below(60));
      verdict = opening.push(all.subarray(pushed, next));
      pushed = next;
    }
    expect([pushed, pushed - 9], `seed ${seed}, round ${round}`).toContain(opening.take().length);
  }
});
