import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { appendBytesInFlightMax, appendsInFlightMax } from '../../src/base/limits.ts';
import { Progress } from '../../src/raft/progress.ts';

function replicating(match: number): Progress {
  const progress = new Progress(match + 1);
  progress.acknowledged(match);
  progress.becomeReplicate();
  return progress;
}

describe('Progress', () => {
  test('R9: whatever arrives, match only grows and next stays above it', () => {
    const answer = fc.record({
      kind: fc.constantFrom('ack', 'reject', 'send', 'probe'),
      at: fc.integer({ min: 0, max: 30 }),
    });
    fc.assert(
      fc.property(fc.array(answer, { maxLength: 60 }), (answers) => {
        const progress = replicating(3);
        let match = 3;
        for (const { kind, at } of answers) {
          if (kind === 'ack') progress.acknowledged(at);
          else if (kind === 'reject') progress.rejected(at, at);
          else if (kind === 'probe') progress.becomeProbe(at);
          else if (progress.state === 'replicate') progress.sent(progress.next + (at % 3), 1);
          expect(progress.match).toBeGreaterThanOrEqual(match);
          expect(progress.next).toBeGreaterThan(progress.match);
          match = progress.match;
        }
      }),
    );
  });

  test('a late answer lowers nothing and is no news (M08)', () => {
    const progress = replicating(5);
    expect(progress.acknowledged(3)).toBe(false);
    expect(progress.rejected(4, 2)).toBe(false);
    expect([progress.match, progress.next, progress.state]).toEqual([5, 6, 'replicate']);
  });

  test('a rejection in the window leads back to one probe, and the rest of the window is ignored', () => {
    const progress = replicating(2);
    progress.sent(3, 1);
    progress.sent(4, 1);
    expect(progress.rejected(2, 2)).toBe(false);
    expect(progress.rejected(3, 3)).toBe(true);
    expect([progress.state, progress.next]).toEqual(['probe', 3]);
    progress.sent(4, 1);
    expect(progress.rejected(4, 3)).toBe(false);
    expect(progress.paused).toBe(true);
  });

  test('the window has a limit of messages and one of bytes, and an acknowledgement frees all below it', () => {
    const many = replicating(0);
    for (let i = 1; i <= appendsInFlightMax; i++) many.sent(i, 1);
    expect(many.full).toBe(true);
    many.acknowledged(appendsInFlightMax - 1);
    expect([many.full, many.inFlight]).toEqual([false, 1]);
    const big = replicating(0);
    big.sent(1, appendBytesInFlightMax);
    expect(big.full).toBe(true);
    big.acknowledged(1);
    expect(big.full).toBe(false);
  });

  test('a stream is wanted once, and after its end given time before it is wanted again', () => {
    const progress = new Progress(9);
    progress.becomeSnapshot();
    expect(progress.stream).toBe('wanted');
    progress.stream = 'underWay';
    progress.wantImage();
    expect(progress.stream).toBe('underWay');
    progress.streamEnded(7, 2);
    progress.tickStream();
    expect(progress.state).toBe('snapshot');
    progress.tickStream();
    expect([progress.state, progress.next, progress.stream]).toEqual(['probe', 8, 'none']);
  });
});
