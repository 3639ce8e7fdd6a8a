import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import {
  decodeAttributes,
  decodeCommand,
  encodeAttributes,
  encodeCommand,
  packCommands,
  peekOrigin,
  unpackCommands,
} from '../../src/state/codec.ts';
import type { Command, OriginatedCommand } from '../../src/state/command.ts';
import { Machine } from '../../src/state/machine.ts';
import { bytes, compare, del, INT64_MAX, INT64_MIN, put, randomCommand, randomLog, range, txn } from './commands.ts';

const origin = { member: 0xfedcba9876543210n, boot: 3, seq: 70_000 };

/** Frozen: the log is hashed and replayed, so these may never change while the entry format is 1. */
const goldens: readonly [string, Command, string][] = [
  [
    'grant',
    { type: 'grant', id: 7587861231231231231n, ttlMs: 9e12 },
    '96cffedcba987654321003ce0001117001d3694d7f966c7ee4ffcb42a05ef39b200000',
  ],
  [
    'grant of the least id',
    { type: 'grant', id: INT64_MIN, ttlMs: 1 },
    '96cffedcba987654321003ce0001117001d3800000000000000001',
  ],
  ['revoke', { type: 'revoke', id: -1n }, '95cffedcba987654321003ce0001117002d3ffffffffffffffff'],
  [
    'put',
    put('k\xff', 'v\0', { lease: 5n, prevKv: true, ignoreLease: true }),
    '98cffedcba987654321003ce0001117003c4026bffc4027600d3000000000000000505',
  ],
  ['delete', del('k', '\0', true), '97cffedcba987654321003ce0001117004c4016bc4010001'],
  [
    'txn',
    txn(
      [
        compare('k', 'lease', 'notEqual', 5n),
        compare('k', 'value', 'equal', 'v', 'l'),
        compare('k', 'mod', 'less', 300),
      ],
      [
        put('k', 'v'),
        range('a', 'b', {
          limit: 5,
          revision: 9,
          sortOrder: 'descend',
          sortTarget: 'mod',
          countOnly: true,
          maxCreateRevision: 2 ** 40,
        }),
      ],
      [del('k')],
    ),
    '97cffedcba987654321003ce000111700593950403c4016bc400d30000000000000005950300c4016bc4016cc40176950202c4016bc400cd012c929503c4016bc40176d30000000000000000009c0ac40161c401620509020302000000cb4270000000000000919404c4016bc40000',
  ],
  [
    'txn inside a txn',
    txn([], [txn([compare('k', 'version', 'equal', 0)], [put('k', 'v')], [txn([], [])]), del('l')]),
    '97cffedcba987654321003ce00011170059092940591950000c4016bc40000919503c4016bc40176d30000000000000000009194059090909404c4016cc4000090',
  ],
  [
    'expire',
    {
      type: 'expire',
      term: 4,
      leases: [
        { id: 1n, stamp: 2 },
        { id: -2n, stamp: 2 ** 33 },
      ],
    },
    '96cffedcba987654321003ce00011170060494d3000000000000000102d3fffffffffffffffecb4200000000000000',
  ],
  [
    'checkpoint',
    { type: 'checkpoint', term: 4, leases: [{ id: 1n, stamp: 2, remainingMs: 1500 }] },
    '96cffedcba987654321003ce00011170070493d3000000000000000102cd05dc',
  ],
  [
    'clear',
    { type: 'clear', term: 4, leases: [{ id: 1n, stamp: 2 }] },
    '96cffedcba987654321003ce00011170080492d3000000000000000102',
  ],
  [
    'publish',
    { type: 'publish', member: 9n, name: 'n1', clientUrls: ['http://127.0.0.1:2379', 'http://ü'] },
    '97cffedcba987654321003ce0001117009d30000000000000009a26e3192b5687474703a2f2f3132372e302e302e313a32333739a9687474703a2f2fc3bc',
  ],
  [
    'alarm',
    { type: 'alarm', action: 'deactivate', member: 0xfedcba9876543210n, kind: 'corrupt' },
    '97cffedcba987654321003ce000111700c01cffedcba987654321001',
  ],
  ['compact', { type: 'compact', revision: 1_000 }, '95cffedcba987654321003ce000111700bcd03e8'],
  ['sweep', { type: 'sweep', revision: 70_000, sub: 3 }, '96cffedcba987654321003ce000111700dce0001117003'],
];

/** Buffers and plain byte arrays alike. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString('hex')}`;
  if (typeof value === 'bigint') return `${value}n`;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
  return value;
}

describe('encodeCommand', () => {
  it.each(goldens)('writes the frozen bytes of a %s and reads them back', (_, command, hex) => {
    const encoded = encodeCommand({ origin, command });
    expect(Buffer.from(encoded).toString('hex')).toBe(hex);
    expect(plain(decodeCommand(Buffer.from(hex, 'hex')))).toEqual(plain({ origin, command }));
    expect(peekOrigin(encoded)).toEqual(origin);
  });

  it('reads back every random command', () => {
    const prng = new Prng(1, 'codec');
    const machine = new Machine();
    for (const _ of randomLog(prng, machine, 50));
    for (let i = 0; i < 3_000; i++) {
      const command = randomCommand(prng, machine, 3);
      const at = {
        member: prng.uint64(),
        boot: prng.pick([0, 200, 70_000]),
        seq: prng.pick([0, 127, 128, 2 ** 31, 2 ** 32, 2 ** 53 - 1]),
      };
      const encoded = encodeCommand({ origin: at, command });
      expect(plain(decodeCommand(encoded))).toEqual(plain({ origin: at, command }));
      expect(peekOrigin(encoded)).toEqual(at);
    }
  });

  it('brings what a client may send into range, so that every member can read it', () => {
    const wild = txn(
      [compare('k', 'version', 'less', 2 ** 63), compare('k', 'lease', 'equal', 2n ** 63n)],
      [
        range('k', '', {
          limit: Number.POSITIVE_INFINITY,
          revision: -1,
          minModRevision: -(2 ** 63),
          maxModRevision: Number.NaN,
        }),
      ],
    );
    const decoded = decodeCommand(encodeCommand({ origin, command: wild })) as OriginatedCommand;
    expect(decoded).not.toBeInstanceOf(Error);
    expect(decoded.command).toMatchObject({
      compares: [{ operand: Number.MAX_SAFE_INTEGER }, { operand: INT64_MIN }],
      success: [
        { limit: Number.MAX_SAFE_INTEGER, revision: -1, minModRevision: Number.MIN_SAFE_INTEGER, maxModRevision: 0 },
      ],
    });
    const grant = decodeCommand(encodeCommand({ origin, command: { type: 'grant', id: INT64_MAX, ttlMs: 1e300 } }));
    expect((grant as OriginatedCommand).command).toEqual({
      type: 'grant',
      id: INT64_MAX,
      ttlMs: Number.MAX_SAFE_INTEGER,
    });
  });

  it('gives bytes of its own, whatever is encoded next', () => {
    const first = encodeCommand({ origin, command: put('k', 'v') });
    const copy = Buffer.from(first);
    for (let i = 0; i < 100; i++) encodeCommand({ origin, command: put('kk', `${i}`.repeat(100)) });
    expect(Buffer.from(first)).toEqual(copy);
  });
});

describe('decodeCommand', () => {
  it('answers garbage with an error value, never with a throw (100,000 inputs)', () => {
    const prng = new Prng(2, 'garbage');
    let refused = 0;
    for (let i = 0; i < 100_000; i++) {
      const garbage = Buffer.from(Array.from({ length: prng.below(40) }, () => prng.below(256)));
      if (decodeCommand(garbage) instanceof Error) refused += 1;
      peekOrigin(garbage);
    }
    expect(refused).toBe(100_000);
  });

  it('answers every cut, every flipped bit and every added byte with a command or an error value', () => {
    for (const [, command] of goldens) {
      const good = Buffer.from(encodeCommand({ origin, command }));
      for (let length = 0; length < good.length; length++)
        expect(decodeCommand(good.subarray(0, length))).toBeInstanceOf(Error);
      expect(decodeCommand(Buffer.concat([good, Buffer.alloc(1)]))).toBeInstanceOf(Error);
      for (let bit = 0; bit < good.length * 8; bit++) {
        const bad = Buffer.from(good);
        bad[bit >> 3] = (bad[bit >> 3] as number) ^ (1 << (bit & 7));
        const decoded = decodeCommand(bad);
        // What still is a command must survive the journey to the other members.
        if (!(decoded instanceof Error)) expect(plain(decodeCommand(encodeCommand(decoded)))).toEqual(plain(decoded));
      }
    }
  });

  const packr = new Packr({ useRecords: false });
  const tuple = (...fields: unknown[]) => packr.pack([1n, 1, 1, ...fields]);
  it.each([
    ['nothing', Buffer.alloc(0)],
    ['no tuple', packr.pack(5)],
    ['a map', packr.pack({ a: 1 })],
    ['too short', packr.pack([1n, 1])],
    ['an unknown kind', tuple(99, 1n)],
    ['a range of its own', tuple(10, bytes('k'), bytes(''), 0, 0, 0, 0, 0, 0, 0, 0, 0)],
    ['a field too many', tuple(2, 1n, 1n)],
    ['an id as a number', tuple(2, 1)],
    ['an id beyond int64', tuple(2, 2n ** 63n)],
    ['a text for bytes', tuple(4, 'k', bytes(''), 0)],
    ['unknown flags', tuple(4, bytes('k'), bytes(''), 2)],
    ['an unknown choice', tuple(5, [[9, 0, bytes('k'), bytes(''), 1]], [], [])],
    ['a fraction', tuple(1, 1n, 1.5)],
    ['a seq below zero', packr.pack([1n, 1, -1, 2, 1n])],
    ['half a stamped lease', tuple(6, 1, [1n])],
    ['an extension', Buffer.from('94d40000010201', 'hex')],
    ['a list longer than its bytes', Buffer.from('ddffffffff', 'hex')],
    ['bytes longer than their message', Buffer.from('c6ffffffff00', 'hex')],
    ['deep nesting', Buffer.alloc(100_000, 0x91)],
  ])('refuses %s', (_, bad) => {
    expect(decodeCommand(bad)).toBeInstanceOf(Error);
  });
});

describe('an entry', () => {
  it('holds the encoded commands as they are, in order', () => {
    const encoded = goldens.map(([, command], i) => encodeCommand({ origin: { ...origin, seq: i }, command }));
    const payload = packCommands(encoded);
    for (const one of encoded) expect(Buffer.from(payload).includes(Buffer.from(one))).toBe(true);
    const unpacked = unpackCommands(payload);
    expect(unpacked.map((command) => command.origin.seq)).toEqual(encoded.map((_, i) => i));
    expect(plain(unpacked.map((command) => command.command))).toEqual(plain(goldens.map(([, command]) => command)));
    expect(unpackCommands(packCommands([]))).toEqual([]);
  });

  it('stops the member if a committed one cannot be read', () => {
    const payload = Buffer.from(packCommands([encodeCommand({ origin, command: put('k', 'v') })]));
    expect(() => unpackCommands(payload.subarray(0, payload.length - 1))).toThrow('D1');
    expect(() => unpackCommands(payload.subarray(0, 3))).toThrow('D1');
    expect(() => unpackCommands(new Uint8Array(0))).toThrow('D4');
    expect(() => unpackCommands(Buffer.concat([Buffer.from([2]), payload.subarray(1)]))).toThrow('D4');
    expect(() => unpackCommands(Buffer.from([1, 0, 0, 0, 1, 0xc0]))).toThrow('D1');
  });
});

describe('attributes of a member', () => {
  it('survive the record', () => {
    const read = decodeAttributes(encodeAttributes('n1', ['http://a:1', 'http://b:2']));
    expect(read).toEqual({ name: 'n1', clientUrls: ['http://a:1', 'http://b:2'] });
    expect(decodeAttributes(Buffer.from([0x90]))).toBeUndefined();
    expect(decodeAttributes(Buffer.from([1, 2, 3]))).toBeUndefined();
  });
});

describe('the bytes', () => {
  it('are those of msgpackr, which wrote the first logs: read and written by it, they stay as they are', () => {
    const packr = new Packr({ useRecords: false, int64AsType: 'bigint' });
    const prng = new Prng(3, 'bytes');
    const machine = new Machine();
    for (const _ of randomLog(prng, machine, 50));
    const commands = Array.from({ length: 2_000 }, () => randomCommand(prng, machine, 3));
    const numbers = [0, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER];
    for (const number of [...numbers, ...numbers.map((one) => -one), -32, -33, -129, -32_769, -(2 ** 31) - 1])
      commands.push({ type: 'compact', revision: number }, put('k', 'v', { lease: BigInt(number) }));
    for (const length of [0, 31, 32, 255, 256, 65_535, 65_536, 200_000]) {
      commands.push(put('k', 'v'.repeat(length)));
      commands.push({ type: 'publish', member: 2n ** 63n, name: 'ü'.repeat(length), clientUrls: ['x'.repeat(length)] });
    }
    const stamped = Array.from({ length: 40_000 }, (_, i) => ({ id: BigInt(i), stamp: i }));
    commands.push(
      { type: 'expire', term: 1, leases: stamped },
      { type: 'expire', term: 1, leases: stamped.slice(0, 8) },
    );
    for (const command of commands) {
      const encoded = Buffer.from(encodeCommand({ origin, command }));
      expect(Buffer.compare(packr.pack(packr.unpack(encoded)), encoded)).toBe(0);
    }
  });
});
