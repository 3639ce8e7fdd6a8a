/** The shortest counterexamples of the model check, scripted: on the tree as it is, none of them breaks a promise. */
import { expect, test } from 'vitest';
import { LeaseModel } from './lease-model.ts';
import { modelCases, runModelCase } from './lease-model-cases.ts';

for (const one of modelCases) test(`case ${one.number}: ${one.name}`, () => runModelCase(one));

test('the script language works: a renewal, a checkpoint, a clear, an expiry', () => {
  const model = new LeaseModel(20_000);
  const { a, b } = model;
  const renew = (): string | undefined => {
    const ask = model.ask(a);
    model.deliver(a, model.round(a, b));
    model.answer(a);
    return ask.answer;
  };
  expect(renew()).toBe('alive');
  model.pass(12_000);
  model.decide(a);
  model.replicate(a, b);
  model.apply(a);
  expect(a.machine.lessor.remainingMsAt(0)).toBeGreaterThan(7_000);
  expect(renew()).toBeUndefined();
  model.decide(a);
  model.replicate(a, b);
  model.apply(a);
  expect(a.machine.lessor.remainingMsAt(0)).toBe(0);
  model.answer(a);
  expect(renew()).toBe('alive');
  model.pass(21_000);
  model.decide(a);
  model.replicate(a, b);
  model.apply(a);
  expect(a.machine.lessor.count).toBe(0);
  expect(renew()).toBe('gone');
});
