/** Text as Go prints it. The expected strings were printed by Go programs (etcdctl 3.4.23 here). */
import { describe, expect, it } from 'vitest';
import { bytesText, durationText, hex16, jsonText, parseInt64, quoteGo } from '../../src/cli/go-text.ts';

describe('parseInt64', () => {
  it.each([
    ['7d7b', 16, 0x7d7bn],
    ['-1', 16, -1n],
    ['+f', 16, 15n],
    ['7fffffffffffffff', 16, 2n ** 63n - 1n],
    ['-8000000000000000', 16, -(2n ** 63n)],
    ['9007199254740993', 10, 9007199254740993n],
  ] as const)('%s in base %d', (text, base, value) => {
    expect(parseInt64(text, base)).toEqual({ ok: true, value });
  });

  it.each([
    ['zz', 16, 'strconv.ParseInt: parsing "zz": invalid syntax'],
    ['', 16, 'strconv.ParseInt: parsing "": invalid syntax'],
    ['0x7', 16, 'strconv.ParseInt: parsing "0x7": invalid syntax'],
    ['1_0', 10, 'strconv.ParseInt: parsing "1_0": invalid syntax'],
    ['8000000000000000', 16, 'strconv.ParseInt: parsing "8000000000000000": value out of range'],
    ['99999999999999999999', 10, 'strconv.ParseInt: parsing "99999999999999999999": value out of range'],
  ] as const)('refuses %j in base %d', (text, base, why) => {
    expect(parseInt64(text, base)).toEqual({ ok: false, why });
  });
});

it('lease ids are sixteen hex digits, a minus among them', () => {
  expect(hex16(0x5a81a2057d417805n)).toBe('5a81a2057d417805');
  expect(hex16(1n)).toBe('0000000000000001');
  expect(hex16(-1n)).toBe('-000000000000001');
  expect(hex16(-(2n ** 63n))).toBe('-8000000000000000');
});

it.each([
  [0, '0s'],
  [0.0005, '500ns'],
  [0.0015, '1.5µs'],
  [1.703788, '1.703788ms'],
  [3.40941, '3.40941ms'],
  [5000.946679, '5.000946679s'],
  [90_000, '1m30s'],
  [3_600_000, '1h0m0s'],
  [3_723_004, '1h2m3.004s'],
])('durationText(%d) is %s', (ms, text) => {
  expect(durationText(ms)).toBe(text);
});

it.each([
  [0n, '0 B'],
  [9n, '9 B'],
  [20_480n, '20 kB'],
  [24_576n, '25 kB'],
  [1_234n, '1.2 kB'],
  [999_999n, '1000 kB'],
  [5_000_000_000n, '5.0 GB'],
])('bytesText(%d) is %s', (count, text) => {
  expect(bytesText(count)).toBe(text);
});

it('quotes bytes as %q does', () => {
  const quote = (text: string | Uint8Array) => quoteGo(Buffer.from(text as string));
  expect(quote('k1')).toBe('"k1"');
  expect(quote('a"b\\\n\t\x00\x7f')).toBe('"a\\"b\\\\\\n\\t\\x00\\x7f"');
  expect(quote('héé 😀')).toBe('"héé 😀"');
  expect(quoteGo(Buffer.of(0xff, 0x61, 0xc3))).toBe('"\\xffa\\xc3"');
  expect(quote('\u00a0\u200b\ufeff')).toBe('"\\u00a0\\u200b\\ufeff"');
});

it('JSON: bigints whole, bytes as base64, HTML escaped, undefined left out', () => {
  expect(
    jsonText({
      id: 17767816877210000001n,
      k: Buffer.from('k1'),
      none: undefined,
      list: [1, null, true],
      s: '<a&b>"\u2028',
    }),
  ).toBe('{"id":17767816877210000001,"k":"azE=","list":[1,null,true],"s":"\\u003ca\\u0026b\\u003e\\"\\u2028"}');
});
