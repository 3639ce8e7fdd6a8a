/** What the machine says in the shape in which the model says it: keys and values as text, short names. */
import type { KeyValue, Outcome } from '../../src/state/outcome.ts';
import { text } from './commands.ts';
import type { ModelValue } from './model.ts';

export function modelValue(kv: KeyValue): ModelValue {
  const { key, value, createRevision: create, modRevision: mod, version, lease } = kv;
  return { key: text(key), value: text(value), create, mod, version, lease };
}

export function resultOf(result: object): unknown {
  return Object.fromEntries(
    Object.entries(result).map(([name, value]) => {
      if (name === 'kvs' || name === 'prevKvs') return [name, (value as KeyValue[]).map(modelValue)];
      if (name === 'prevKv') return [name, value === undefined ? undefined : modelValue(value as KeyValue)];
      if (name === 'responses') return [name, (value as object[]).map(resultOf)];
      return [name, value];
    }),
  );
}

/** As `Model.apply` answers. */
export function answerOf(outcome: Outcome): unknown {
  const { revision } = outcome;
  return outcome.ok ? { result: resultOf(outcome.result), revision } : { refusal: outcome.refusal, revision };
}
