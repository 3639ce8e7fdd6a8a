/** Draws a put: of one key, on one of few leases. */
import type { Prng } from '../../src/base/prng.ts';
import type { KeyPut } from './schedule.ts';

/** Lease slots: few enough that ids are granted, revoked and granted again. */
export const slots = 48;

export function drawPut(prng: Prng, key: number): KeyPut {
  return {
    key,
    lease: prng.chance(0.75) ? prng.below(slots) : -1,
    prevKv: prng.chance(0.4),
    ignoreValue: prng.chance(0.05),
    ignoreLease: prng.chance(0.05),
  };
}
