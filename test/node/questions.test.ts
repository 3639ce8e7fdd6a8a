import { expect, test } from 'vitest';
import { waitingRequestsMax } from '../../src/base/limits.ts';
import type { RenewalAnswer } from '../../src/node/answer.ts';
import { Asking, Askings } from '../../src/node/asking.ts';
import { Questions } from '../../src/node/questions.ts';

const holdMs = 1_000;

function submitted(questions: Questions, id: bigint, timeoutMs = 5_000, nowMs = 0): RenewalAnswer[] {
  const answers: RenewalAnswer[] = [];
  questions.submit('keepAlive', id, timeoutMs, (answer) => answers.push(answer), nowMs);
  return answers;
}
const aimed = (questions: Questions, term: number, nowMs = 0): bigint[] =>
  questions.aim(term, nowMs).map(({ id }) => id);

test('V3: held without a leader for the whole hold, or past its deadline, a question ends; the rest keeps its order', () => {
  const questions = new Questions(holdMs);
  const early = submitted(questions, 1n, 100);
  const late = submitted(questions, 2n, 5_000, 500);
  const later = submitted(questions, 3n, 5_000, 600);
  questions.expire(100, true, true);
  expect(early).toEqual([{ type: 'unavailable', why: 'timedOut' }]);
  questions.expire(1_499, false, true);
  expect([...late, ...later]).toEqual([]);
  questions.expire(1_500, false, true);
  expect(late).toEqual([{ type: 'unavailable', why: 'noLeader' }]);
  expect(aimed(questions, 5)).toEqual([3n]);
  expect(questions.count).toBe(1);
});

test('aimed at another member, a question that hangs for an election timeout is asked again, in its old place', () => {
  const questions = new Questions(holdMs);
  submitted(questions, 1n);
  expect(aimed(questions, 5)).toEqual([1n]);
  submitted(questions, 2n, 5_000, 900);
  questions.expire(999, true, true);
  expect(questions.heldCount).toBe(1);
  questions.expire(1_000, true, false);
  expect(questions.heldCount).toBe(1);
  questions.expire(1_000, true, true);
  expect(aimed(questions, 5)).toEqual([1n, 2n]);
});

test('an answer counts once; "unavailable" asks again, of the next leader at once', () => {
  const questions = new Questions(holdMs);
  const answers = submitted(questions, 1n);
  aimed(questions, 5);
  questions.answered({ seq: 1, type: 'unavailable' }, 10);
  questions.answered({ seq: 1, type: 'unavailable' }, 10);
  questions.reaim(6, 10);
  expect(aimed(questions, 6)).toEqual([1n]);
  questions.answered({ seq: 1, type: 'gone' }, 20);
  questions.answered({ seq: 1, type: 'alive', grantedMs: 1, remainingMs: 1 }, 20);
  expect(answers).toEqual([{ type: 'gone' }]);
});

test('the limit on open questions refuses at once', () => {
  const questions = new Questions(holdMs);
  for (let i = 0; i < waitingRequestsMax; i++) submitted(questions, 1n);
  expect(submitted(questions, 2n)).toEqual([{ type: 'unavailable', why: 'overloaded' }]);
});

test('told "not here" a question waits for the next tick, however often it is told', () => {
  const questions = new Questions(holdMs);
  const answers = submitted(questions, 7n);
  for (let tick = 0; tick < 5; tick++) {
    expect(questions.aim(4, tick * 100)).toHaveLength(1);
    for (let copy = 0; copy < 3; copy++) questions.answered({ seq: 1, type: 'unavailable' }, tick * 100 + 1);
    expect(questions.heldCount).toBe(0);
    questions.expire(tick * 100 + 100, true, true);
    expect(questions.heldCount).toBe(1);
  }
  questions.aim(4, 600);
  questions.answered({ seq: 1, type: 'alive', grantedMs: 5, remainingMs: 5 }, 601);
  expect(answers).toEqual([{ type: 'alive', grantedMs: 5, remainingMs: 5 }]);
  expect(questions.count).toBe(0);
});

test('V3: refused ones end like all others', () => {
  const late = new Questions(holdMs);
  const lateAnswers = submitted(late, 7n);
  late.aim(4, 0);
  late.answered({ seq: 1, type: 'unavailable' }, 1);
  late.expire(5_000, true, true);
  expect(lateAnswers).toEqual([{ type: 'unavailable', why: 'timedOut' }]);
  const stopped = new Questions(holdMs);
  const stoppedAnswers = submitted(stopped, 7n);
  stopped.aim(4, 0);
  stopped.answered({ seq: 1, type: 'unavailable' }, 1);
  stopped.stop();
  expect(stoppedAnswers).toEqual([{ type: 'unavailable', why: 'stopped' }]);
  expect(stopped.heldCount).toBe(0);
});

test('what one caller asks together is let in in order, each told by itself; what comes too late goes elsewhere', () => {
  const told: [bigint, RenewalAnswer][] = [];
  const asker = { answered: ({ id }: Asking, answer: RenewalAnswer) => void told.push([id, answer]) };
  const together = (ids: readonly bigint[]): Askings => {
    const askings = new Askings(5_000);
    for (const id of ids) askings.add(new Asking('keepAlive', id, asker));
    return askings;
  };
  const questions = new Questions(holdMs);
  const askings = together([5n, 6n, 7n]);
  expect(askings.taken).toBe(false);
  questions.take(askings, false, 0);
  expect(askings.taken).toBe(true);
  expect(aimed(questions, 4)).toEqual([5n, 6n, 7n]);
  questions.settle(2, { type: 'gone' });
  questions.settle(2, { type: 'gone' });
  questions.expire(5_000, true, false);
  const late: RenewalAnswer = { type: 'unavailable', why: 'timedOut' };
  expect(told.splice(0)).toEqual([
    [6n, { type: 'gone' }],
    [5n, late],
    [7n, late],
  ]);
  questions.take(together([8n]), true, 5_000);
  expect(told).toEqual([[8n, { type: 'unavailable', why: 'stopped' }]]);
  expect(questions.heldCount).toBe(0);
});
