import { expect, test } from 'vitest';
import { waitingRequestsMax } from '../../src/base/limits.ts';
import type { BarrierAnswer } from '../../src/node/answer.ts';
import { Reads } from '../../src/node/reads.ts';

test('the limit on barriers counts all that wait: held, under a round, and for applies', () => {
  const reads = new Reads(1_000);
  const answers: BarrierAnswer[] = [];
  const submit = (count: number): void => {
    for (let i = 0; i < count; i++) reads.submit(5_000, (answer) => answers.push(answer), 0);
  };
  const third = Math.floor(waitingRequestsMax / 3);
  submit(third);
  reads.ticket(1);
  reads.roundAnswered(1, 10);
  submit(third);
  reads.ticket(2);
  submit(waitingRequestsMax - 2 * third);
  expect(reads.count).toBe(waitingRequestsMax);
  expect(answers).toEqual([]);
  submit(1);
  expect(answers).toEqual([{ type: 'unavailable', why: 'overloaded' }]);
  // Each way out makes room again.
  reads.applied(10);
  expect(reads.count).toBe(waitingRequestsMax - third);
  reads.roundsLost(0);
  reads.expire(5_000, true);
  expect(reads.count).toBe(0);
  submit(waitingRequestsMax);
  reads.stop();
  expect(reads.count).toBe(0);
});
