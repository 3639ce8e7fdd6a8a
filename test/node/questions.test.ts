/** The asker's side of questions: what is refused is asked again, but not in a circle as fast as messages travel. */
import { expect, test } from 'vitest';
import type { RenewalAnswer } from '../../src/node/input.ts';
import { Questions } from '../../src/node/questions.ts';

function asked(): { questions: Questions; answers: RenewalAnswer[] } {
  const questions = new Questions(1_000);
  const answers: RenewalAnswer[] = [];
  questions.submit('keepAlive', 7n, 5_000, (answer) => void answers.push(answer), 0);
  return { questions, answers };
}

test('told "not here" a question waits for the next tick, however often it is told', () => {
  const { questions, answers } = asked();
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

test('a new leader is asked at once', () => {
  const { questions } = asked();
  questions.aim(4, 0);
  questions.answered({ seq: 1, type: 'unavailable' }, 1);
  questions.reaim(5, 2);
  expect(questions.aim(5, 2)).toHaveLength(1);
});

test('V3: refused ones end like all others', () => {
  const late = asked();
  late.questions.aim(4, 0);
  late.questions.answered({ seq: 1, type: 'unavailable' }, 1);
  late.questions.expire(5_000, true, true);
  expect(late.answers).toEqual([{ type: 'unavailable', why: 'timedOut' }]);
  const stopped = asked();
  stopped.questions.aim(4, 0);
  stopped.questions.answered({ seq: 1, type: 'unavailable' }, 1);
  stopped.questions.stop();
  expect(stopped.answers).toEqual([{ type: 'unavailable', why: 'stopped' }]);
  expect(stopped.questions.heldCount).toBe(0);
});
