import { describe, expect, it } from 'vitest';
import { crc32 } from '../../src/base/crc.ts';

describe('crc32', () => {
  it('gives the check value of the standard polynomial', () => {
    expect(crc32(Buffer.from('123456789'))).toBe(0xcbf43926);
    expect(crc32(new Uint8Array(0))).toBe(0);
  });

  it('goes on from a seed as over one piece', () => {
    expect(crc32(Buffer.from('56789'), crc32(Buffer.from('1234')))).toBe(0xcbf43926);
  });

  it('looks only at the bytes of a view', () => {
    const all = new Uint8Array(Buffer.from('xx123456789yy'));
    expect(crc32(all.subarray(2, 11))).toBe(0xcbf43926);
  });
});
