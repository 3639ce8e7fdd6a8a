/** Scripted scenarios, each made for one kind of bug; they pass on the clean tree, and a mutant makes them fail. */
import { modelCases, runModelCase } from '../sim/lease-model-cases.ts';

/** Runs the scenario with the jitter of `seed`. Throws what breaks. */
export type Scenario = (seed: number) => void;

export const scenarios: Readonly<Record<string, Scenario>> = Object.fromEntries(
  modelCases.map((one) => [`model-${one.number}`, () => runModelCase(one)]),
);
