import { describe, expect, it } from 'vitest';
import { hashBytes } from '../../src/base/hash.ts';
import { Prng } from '../../src/base/prng.ts';

function hash(bytes: Uint8Array, start = 0, end = bytes.length): string {
  const lanes = new Uint32Array(4);
  hashBytes(bytes, start, end, lanes);
  return [...lanes].map((lane) => lane.toString(16).padStart(8, '0')).join('');
}

describe('hashBytes', () => {
  it('gives the frozen values', () => {
    expect(hash(Buffer.alloc(0))).toBe('c5b583b46b500a59404d2e597d602d55');
    expect(hash(Buffer.from('lease'))).toBe('307602244f114c63fb01fe4006235744');
    expect(hash(Buffer.from('a lease is a promise with an end'))).toBe('af1cfbda67762d863c694a714c8ef564');
    expect(hash(Buffer.from(Array.from({ length: 255 }, (_, i) => i)))).toBe('b33eddb433c0f590ac26bc018eea2358');
  });

  it('looks only between start and end', () => {
    const bytes = Buffer.from('xxxa lease of twenty-four bytesyyy');
    expect(hash(bytes, 3, bytes.length - 3)).toBe(hash(bytes.subarray(3, bytes.length - 3)));
  });

  it('changes every lane, in about half of its bits, with every single bit', () => {
    const prng = new Prng(11, 'hash');
    for (const length of [1, 7, 16, 17, 33, 64, 100]) {
      const bytes = Buffer.from(Array.from({ length }, () => prng.below(256)));
      const before = new Uint32Array(4);
      hashBytes(bytes, 0, length, before);
      const after = new Uint32Array(4);
      let flipped = 0;
      for (let bit = 0; bit < length * 8; bit++) {
        bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
        hashBytes(bytes, 0, length, after);
        bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
        for (let lane = 0; lane < 4; lane++) {
          const difference = ((after[lane] as number) ^ (before[lane] as number)) >>> 0;
          expect(difference, `length ${length} bit ${bit} lane ${lane}`).not.toBe(0);
          flipped += difference.toString(2).replaceAll('0', '').length;
        }
      }
      const share = flipped / (length * 8 * 128);
      expect(share).toBeGreaterThan(0.4);
      expect(share).toBeLessThan(0.6);
    }
  });

  it('does not collide in any lane pair over many small records', () => {
    const seen = new Set<string>();
    const bytes = Buffer.alloc(24);
    for (let i = 0; i < 100_000; i++) {
      bytes.writeUInt32BE(i, 4);
      seen.add(hash(bytes).slice(0, 16));
    }
    expect(seen.size).toBe(100_000);
  });
});
