/** HPACK: the examples of RFC 7541's appendix C, what is wrong, and what is limited. Node's encoder is the stranger (grpc-server.test.ts). */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { headerListBytesMax } from '../../src/base/limits.ts';
import { AnswerHeads } from '../../src/h2/answer-heads.ts';
import { FrameWriter } from '../../src/h2/frame-writer.ts';
import { HpackDecoder } from '../../src/h2/hpack-decoder.ts';
import { huffmanText } from '../../src/h2/huffman.ts';
import { HeadReader, type RequestHead } from '../../src/h2/request-head.ts';
import { literals, requestBlock, requestFields, text } from './peer.ts';

const hex = (letters: string): Buffer => Buffer.from(letters.replaceAll(' ', ''), 'hex');
const read = (decoder: HpackDecoder, block: Buffer): string[] => {
  const fields: string[] = [];
  decoder.read(block, 0, block.length, { field: ({ name, value }) => void fields.push(`${name}: ${value}`) });
  return fields;
};
const first = [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'];
const second = [...first, 'cache-control: no-cache'];
const third = [
  ':method: GET',
  ':scheme: https',
  ':path: /index.html',
  ':authority: www.example.com',
  'custom-key: custom-value',
];

describe('appendix C', () => {
  test.each([
    ['C.2.1', '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572', ['custom-key: custom-header']],
    ['C.2.2', '040c 2f73 616d 706c 652f 7061 7468', [':path: /sample/path']],
    ['C.2.3', '1008 7061 7373 776f 7264 0673 6563 7265 74', ['password: secret']],
    ['C.2.4', '82', [':method: GET']],
  ])('%s', (_name, block, fields) => {
    expect(read(new HpackDecoder(), hex(block))).toEqual(fields);
  });

  test.each([
    [
      'C.3, plain',
      '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '8286 84be 5808 6e6f 2d63 6163 6865',
      '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
    ],
    [
      'C.4, coded',
      '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
      '8286 84be 5886 a8eb 1064 9cbf',
      '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
    ],
  ])('%s: three requests on one connection', (_name, ...blocks) => {
    const decoder = new HpackDecoder();
    expect(blocks.map((block) => read(decoder, hex(block)))).toEqual([first, second, third]);
  });

  test('C.6: a table of 256 bytes drops its oldest fields', () => {
    const decoder = new HpackDecoder();
    const kept = { date: 'Mon, 21 Oct 2013 20:13:21 GMT', location: 'https://www.example.com' };
    const blocks = [
      '3fe1 01 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
      '4883 640e ffc1 c0bf',
    ];
    expect(blocks.map((block) => read(decoder, hex(block)))).toEqual([
      [':status: 302', 'cache-control: private', `date: ${kept.date}`, `location: ${kept.location}`],
      [':status: 307', 'cache-control: private', `date: ${kept.date}`, `location: ${kept.location}`],
    ]);
    // Four fields of 222 bytes fill it; a fifth pushed the first out, so that 66 is no number now.
    expect(() => read(decoder, hex('c2'))).toThrow('a header block cannot be read');
  });
});

describe('Huffman', () => {
  /** Words of appendix B, right-aligned, with their lengths. */
  const words: readonly (readonly [number, number, number])[] = [
    [0x30, 0x0, 5],
    [0x20, 0x14, 6],
    [0x3a, 0x5c, 7],
    [0x26, 0xf8, 8],
    [0x21, 0x3f8, 10],
    [0x2b, 0x7fb, 11],
    [0x23, 0xffa, 12],
    [0x00, 0x1ff8, 13],
    [0x5e, 0x3ffc, 14],
    [0x3c, 0x7ffc, 15],
    [0x5c, 0x7fff0, 19],
    [0x80, 0xfffe6, 20],
    [0x99, 0x1fffdc, 21],
    [0x81, 0x3fffd2, 22],
    [0x01, 0x7fffd8, 23],
    [0x09, 0xffffea, 24],
    [0xc7, 0x1ffffec, 25],
    [0xc0, 0x3ffffe0, 26],
    [0xff, 0x3ffffee, 26],
    [0xcb, 0x7ffffde, 27],
    [0x02, 0xfffffe2, 28],
    [0xf9, 0xffffffe, 28],
    [0x0a, 0x3ffffffc, 30],
    [0x16, 0x3ffffffe, 30],
  ];
  const bits = (parts: readonly (readonly [number, number])[]): Buffer => {
    const all = parts.map(([word, length]) => word.toString(2).padStart(length, '0')).join('');
    const whole = all.padEnd(Math.ceil(all.length / 8) * 8, '1');
    return Buffer.from(whole.match(/.{8}/g)?.map((octet) => Number.parseInt(octet, 2)) ?? []);
  };

  test('a word of each length, alone and behind each other', () => {
    for (const [symbol, word, length] of words) {
      const coded = bits([[word, length]]);
      expect(huffmanText(coded, 0, coded.length), `symbol ${symbol}`).toBe(String.fromCharCode(symbol));
    }
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...words), { maxLength: 60 }), (some) => {
        const coded = bits(some.map(([, word, length]) => [word, length] as const));
        expect(huffmanText(coded, 0, coded.length)).toBe(String.fromCharCode(...some.map(([symbol]) => symbol)));
      }),
    );
  });

  test('padding of zeros, of a whole octet, the end-of-string mark: refused', () => {
    for (const bad of ['07ff', 'ff', 'fe', '18', 'ffffffff', 'fffffffc']) {
      const coded = hex(bad);
      expect(huffmanText(coded, 0, coded.length), bad).toBeUndefined();
    }
    expect(huffmanText(Buffer.alloc(0), 0, 0)).toBe('');
  });

  test('any bytes: text, or nothing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const letters = huffmanText(bytes, 0, bytes.length);
        if (letters !== undefined) expect(letters.length).toBeLessThanOrEqual((bytes.length * 8) / 5);
      }),
    );
  });
});

describe('the table', () => {
  const unreadable = 'a header block cannot be read';
  test.each([
    ['number 0', '80'],
    ['a number beyond the static table', 'be'],
    ['a name beyond it', '7f 00 01 61'],
    ['an integer without end', 'ff ff ff ff ff ff ff 7f'],
    ['an integer cut off', 'ff'],
    ['a string cut off', '40 01'],
    ['a string longer than the block', '00 7f 80 80 80 01'],
    ['a name that is not coded as it says', '00 81 ff 01 61'],
    ['a size behind a field', '82 20'],
    ['a size that we do not allow', '3f e2 1f'],
  ])('%s: the connection cannot go on', (_name, block) => {
    expect(() => read(new HpackDecoder(), hex(block))).toThrow(unreadable);
  });

  test('a size of 0 empties it; then it may grow again, up to ours', () => {
    const decoder = new HpackDecoder();
    expect(read(decoder, hex('40 01 61 01 62'))).toEqual(['a: b']);
    expect(read(decoder, hex('be'))).toEqual(['a: b']);
    expect(read(decoder, hex('20 3f e1 1f 82'))).toEqual([':method: GET']);
    expect(() => read(decoder, hex('be'))).toThrow(unreadable);
  });

  test('against a plain list: whatever is put in, numbers mean the same', () => {
    const step = fc.oneof(
      fc.record({
        add: fc.tuple(fc.constantFrom('a', 'bb', 'ccc'), fc.string({ maxLength: 400, unit: 'grapheme-ascii' })),
      }),
      fc.record({ size: fc.integer({ min: 0, max: 4_096 }) }),
      fc.record({ ask: fc.integer({ min: 0, max: 140 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const decoder = new HpackDecoder();
        let model: { field: string; bytes: number }[] = [];
        let size = 4_096;
        const trim = (): void => {
          while (model.reduce((sum, { bytes }) => sum + bytes, 0) > size) model = model.slice(0, -1);
        };
        for (const each of steps) {
          if ('add' in each) {
            const [name, value] = each.add;
            read(decoder, Buffer.concat([Buffer.of(0x40), text(name), text(value)]));
            model.unshift({ field: `${name}: ${value}`, bytes: name.length + value.length + 32 });
            trim();
          } else if ('size' in each) {
            ({ size } = each);
            read(decoder, size < 31 ? Buffer.of(0x20 | size) : integer(0x3f, size - 31));
            trim();
          } else if (each.ask < model.length)
            expect(read(decoder, integer(0xff, 62 + each.ask - 127))).toEqual([model[each.ask]?.field]);
        }
      }),
    );
  });
  const integer = (firstOctet: number, rest: number): Buffer => {
    if (rest < 0) return Buffer.of(0x80 | (127 + rest));
    const octets = [firstOctet];
    let left = rest;
    for (; left >= 128; left >>>= 7) octets.push(0x80 | (left & 0x7f));
    return Buffer.from([...octets, left]);
  };
});

describe('request heads', () => {
  const head = (fields: readonly (readonly [string, string])[]): RequestHead => {
    const block = literals(fields);
    return new HeadReader().read(block, 0, block.length);
  };
  const without = (name: string) => requestFields.filter(([each]) => each !== name);

  test('what gRPC wants of it, and every other field by name', () => {
    const it = head([...requestFields, ['grpc-timeout', '5S'], ['token', 'x'], ['token', 'y']]);
    expect([it.method, it.path, it.contentType, it.grpcTimeout, it.grpcEncoding, it.wellFormed]).toEqual([
      'POST',
      '/a/b',
      'application/grpc',
      '5S',
      undefined,
      true,
    ]);
    expect([it.get('token'), it.get('te'), it.get('none'), it.get(':path')]).toEqual([
      'x',
      'trailers',
      undefined,
      undefined,
    ]);
  });

  test.each<[string, readonly (readonly [string, string])[]]>([
    ['no method', without(':method')],
    ['no scheme', without(':scheme')],
    ['no path', without(':path')],
    ['an empty path', [...without(':path'), [':path', '']]],
    ['a path twice', [[':path', '/'], ...requestFields]],
    ['an authority twice', [[':authority', 'a'], ...requestFields]],
    ['a pseudo-field behind others', [...without(':path'), [':path', '/']]],
    ['a pseudo-field that is none', [[':status', '200'], ...requestFields]],
    ['capitals', [...requestFields, ['X', 'y']]],
    ['an empty name', [...requestFields, ['', 'y']]],
    ['a name with a space', [...requestFields, ['a b', 'y']]],
    ['a field of the connection', [...requestFields, ['connection', 'close']]],
    ['an upgrade', [...requestFields, ['upgrade', 'h2c']]],
    ['te that is not trailers', [...without('te'), ['te', 'gzip']]],
    ['a line break in a value', [...requestFields, ['a', 'b\r\nc: d']]],
    ['NUL in a value', [...requestFields, ['a', 'b\0']]],
    ['space around a value', [...requestFields, ['a', ' b']]],
    ['a length that is no number', [...requestFields, ['content-length', '1x']]],
    ['two lengths', [...requestFields, ['content-length', '1'], ['content-length', '1']]],
  ])('%s: malformed', (_name, fields) => {
    expect(head(fields).wellFormed).toBe(false);
  });

  test('the same bytes are the same head, until the table changes', () => {
    const reader = new HeadReader();
    const once = reader.read(requestBlock, 0, requestBlock.length);
    expect(reader.read(Buffer.from(requestBlock), 0, requestBlock.length)).toBe(once);
    const kept = Buffer.concat([requestBlock, Buffer.of(0x40), text('a'), text('b')]);
    const number = Buffer.concat([requestBlock, Buffer.of(0xbe)]);
    expect(reader.read(kept, 0, kept.length).get('a')).toBe('b');
    expect(reader.read(number, 0, number.length).get('a')).toBe('b');
    const other = Buffer.concat([requestBlock, Buffer.of(0x40), text('a'), text('c')]);
    expect(reader.read(other, 0, other.length).get('a')).toBe('c');
    expect(reader.read(number, 0, number.length).get('a')).toBe('c');
  });

  test('fields beyond the limit are not kept, and the table stays in step', () => {
    const reader = new HeadReader();
    const value = 'v'.repeat(3_000);
    const bomb = Buffer.concat([Buffer.of(0x40), text('a'), text(value), Buffer.alloc(4_000, 0xbe)]);
    const it = reader.read(bomb, 0, bomb.length);
    expect(it.tooLarge).toBe(true);
    const after = Buffer.concat([requestBlock, Buffer.of(0xbe)]);
    const next = reader.read(after, 0, after.length);
    expect([next.tooLarge, next.get('a')]).toEqual([false, value]);
    expect(3_000 * 22).toBeGreaterThan(headerListBytesMax);
  });
});

describe('answers', () => {
  const written = (step: (heads: AnswerHeads, out: FrameWriter) => void, heads = new AnswerHeads()): Buffer => {
    const out = new FrameWriter(64 * 1024);
    step(heads, out);
    return out.take().subarray(9);
  };

  test('every order of heads and trailers of calls, plain and failed, reads as what was meant', () => {
    const kinds = fc.array(fc.constantFrom('head', 'ok', 'failed', 'refused', 'small', 'http'), { maxLength: 30 });
    fc.assert(
      fc.property(kinds, (steps) => {
        const heads = new AnswerHeads();
        const decoder = new HpackDecoder();
        let headed = false;
        for (const step of steps) {
          if (step === 'small') {
            heads.tableSize(100);
            continue;
          }
          // Trailers of a call come behind some head.
          if (step === 'ok' && !headed) continue;
          const long = 'x'.repeat(200);
          const block = written((it, out) => {
            if (step === 'head') it.head(out, 1);
            else if (step === 'ok') it.trailers(out, 1, { code: 0, text: '' });
            else if (step === 'failed') it.trailers(out, 1, { code: 13, text: long });
            else if (step === 'refused') it.headAndTrailers(out, 1, { code: 12, text: 'no' });
            else it.httpStatus(out, 1, 415);
          }, heads);
          headed ||= step === 'head';
          expect(read(decoder, block)).toEqual(
            {
              head: [':status: 200', 'content-type: application/grpc'],
              ok: ['grpc-status: 0', 'grpc-message: '],
              failed: ['grpc-status: 13', `grpc-message: ${long}`],
              refused: [':status: 200', 'content-type: application/grpc', 'grpc-status: 12', 'grpc-message: no'],
              http: [':status: 415'],
            }[step],
          );
        }
      }),
    );
  });

  test('from the second call on, a head is two octets and trailers are two', () => {
    const heads = new AnswerHeads();
    const lengths = [1, 2, 3].map(() => [
      written((it, out) => it.head(out, 1), heads).length,
      written((it, out) => it.trailers(out, 1, { code: 0, text: '' }), heads).length,
    ]);
    expect(lengths).toEqual([
      [19, 30],
      [2, 2],
      [2, 2],
    ]);
  });

  test('a client whose table is small is told that we use none', () => {
    const heads = new AnswerHeads();
    heads.tableSize(4_096);
    heads.tableSize(10);
    heads.tableSize(4_096);
    expect(written((it, out) => it.head(out, 1), heads)[0]).toBe(0x20);
    expect(written((it, out) => it.head(out, 1), heads)[0]).toBe(0x88);
  });
});
