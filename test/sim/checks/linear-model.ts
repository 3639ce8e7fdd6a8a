/**
 * A small sequential store for the search of `linearizability.ts`: keys with value, version and lease, and leases that live. It knows
 * no revisions: what depends on them (compares of create and mod revisions, reads of the past) is taken as the answer says.
 */
import type { Command, Compare, LeaseId, Put, Range, Txn, TxnOp } from '../../../src/state/command.ts';
import type { KeyValue, Outcome, RangeResult, TxnResult } from '../../../src/state/outcome.ts';
import { text } from '../../state/commands.ts';
import type { ClientCall } from '../history.ts';

interface Cell {
  readonly value: string;
  readonly version: number;
  readonly lease: LeaseId;
}

/** A state. Never changed once it is made. */
export interface LinearState {
  readonly keys: ReadonlyMap<string, Cell>;
  /** Each with the operation that granted it, which is its life. */
  readonly leases: ReadonlyMap<LeaseId, number>;
}

export const emptyState: LinearState = { keys: new Map(), leases: new Map() };

/** What an operation does and what its client saw. `answer` undefined: not known, so that anything fits. */
export type LinearAction =
  | { readonly type: 'call'; readonly call: ClientCall; readonly answer: LinearAnswer | undefined }
  /** The life granted by operation `life`, which is there, ends. */
  | { readonly type: 'expire'; readonly id: LeaseId; readonly life: number };

export type LinearAnswer =
  | { readonly type: 'outcome'; readonly outcome: Outcome }
  | { readonly type: 'range'; readonly result: RangeResult }
  | { readonly type: 'alive' | 'gone' };

/** One operation and the time within which it took effect; `toMs` infinite: it may yet. */
export interface LinearOp {
  readonly number: number;
  readonly fromMs: number;
  readonly toMs: number;
  /** Where it is tried: lower ones first. Decides how long the search takes, never what it says. */
  readonly hint: number;
  readonly action: LinearAction;
}

/** The state after the operation `number`, or undefined if its client cannot have seen what it saw. */
export function step(state: LinearState, number: number, action: LinearAction): LinearState | undefined {
  if (action.type === 'expire')
    return state.leases.get(action.id) === action.life ? ended(state, action.id) : undefined;
  const { call, answer } = action;
  if (call.type === 'command') {
    const told = answer?.type === 'outcome' ? answer.outcome : undefined;
    return applied(state, number, call.command, told);
  }
  if (answer === undefined) return state;
  if (call.type === 'range')
    return answer.type === 'range' && sees(state, call.range, answer.result) ? state : undefined;
  return state.leases.has(call.id) === (answer.type === 'alive') ? state : undefined;
}

/** One text per state, equal for equal states. */
export function hashOf({ keys, leases }: LinearState): string {
  const cells = [...keys]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, cell]) => `${key}=${cell.value}@${cell.version}~${cell.lease}`);
  const lives = [...leases].sort(([a], [b]) => (a < b ? -1 : 1)).map(([id, life]) => `${id}:${life}`);
  return `${cells.join()}|${lives.join()}`;
}

export function inRange(
  key: string,
  { key: from, rangeEnd }: { readonly key: Uint8Array; readonly rangeEnd: Uint8Array },
): boolean {
  const [low, high] = [text(from), text(rangeEnd)];
  return high === '' ? key === low : key >= low && (high === '\0' || key < high);
}

function applied(
  state: LinearState,
  number: number,
  command: Command,
  told: Outcome | undefined,
): LinearState | undefined {
  // Under an alarm: nothing of it was done, whatever the state.
  if (told !== undefined && !told.ok && told.refusal === 'noSpace') return state;
  switch (command.type) {
    case 'grant': {
      const good = !state.leases.has(command.id);
      if (told !== undefined && told.ok !== good) return undefined;
      return good ? { ...state, leases: new Map(state.leases).set(command.id, number) } : state;
    }
    case 'revoke': {
      const good = state.leases.has(command.id);
      if (told !== undefined && told.ok !== good) return undefined;
      return good ? ended(state, command.id) : state;
    }
    case 'put':
    case 'deleteRange': {
      const refused = command.type === 'put' && isRefused(state, command);
      if (told !== undefined && told.ok === refused) return undefined;
      if (refused) return state;
      return operation(state, command, told?.ok === true ? told.result : undefined);
    }
    case 'txn': {
      const said = told?.ok === true && told.result.type === 'txn' ? told.result : undefined;
      const chosen = choose(state, command, said);
      if (chosen === undefined) return undefined;
      const refused = chosen.steps.some(({ op }) => op.type === 'put' && isRefused(state, op));
      // A refusal may also be about a revision, or about what another branch would have done.
      if (told !== undefined && !told.ok)
        return refused || chosen.open || chosen.steps.some(({ op }) => op.type === 'range') ? state : undefined;
      if (refused) return told === undefined ? state : undefined;
      let after: LinearState | undefined = state;
      for (const step of chosen.steps) {
        after = operation(after, step.op, step.told);
        if (after === undefined) return undefined;
      }
      return after;
    }
    default:
      return state;
  }
}

/** What a txn does and what its client saw of it, those inside included. */
interface Chosen {
  /** A branch may have been another: that depends on revisions. */
  readonly open: boolean;
  readonly steps: readonly { readonly op: Exclude<TxnOp, Txn>; readonly told: object | undefined }[];
}

/** All compares look at the state before. Undefined if the client cannot have seen which branch it saw. */
function choose(state: LinearState, txn: Txn, said: TxnResult | undefined): Chosen | undefined {
  const holds = txn.compares.map((compare) => verdict(state, compare));
  let open = holds.includes(undefined) && !holds.includes(false);
  const succeeded = open ? (said?.succeeded ?? true) : !holds.includes(false);
  if (said !== undefined && said.succeeded !== succeeded) return undefined;
  const steps: Chosen['steps'][number][] = [];
  for (const [i, op] of (succeeded ? txn.success : txn.failure).entries()) {
    const told = said?.responses[i];
    if (op.type !== 'txn') {
      steps.push({ op, told });
      continue;
    }
    const inner = choose(state, op, told as TxnResult | undefined);
    if (inner === undefined) return undefined;
    open ||= inner.open;
    steps.push(...inner.steps);
  }
  return { open, steps };
}

function operation(state: LinearState, op: Exclude<TxnOp, Txn>, told: object | undefined): LinearState | undefined {
  if (op.type === 'range') return told === undefined || sees(state, op, told as RangeResult) ? state : undefined;
  const keys = new Map(state.keys);
  if (op.type === 'put') {
    const key = text(op.key);
    const before = state.keys.get(key);
    const { prevKv } = (told ?? {}) as { prevKv?: KeyValue };
    if (told !== undefined && op.prevKv && !isCell(prevKv, before)) return undefined;
    const value = op.ignoreValue ? (before?.value ?? '') : text(op.value);
    keys.set(key, {
      value,
      version: (before?.version ?? 0) + 1,
      lease: op.ignoreLease ? (before?.lease ?? 0n) : op.lease,
    });
    return { ...state, keys };
  }
  const gone = [...state.keys.keys()].filter((key) => inRange(key, op)).sort();
  const result = told as { deleted: number; prevKvs: readonly KeyValue[] } | undefined;
  if (result !== undefined && result.deleted !== gone.length) return undefined;
  if (result !== undefined && op.prevKv && !areCells(state, gone, result.prevKvs)) return undefined;
  if (gone.length === 0) return state;
  for (const key of gone) keys.delete(key);
  return { ...state, keys };
}

function ended(state: LinearState, id: LeaseId): LinearState {
  const leases = new Map(state.leases);
  leases.delete(id);
  return { keys: new Map([...state.keys].filter(([, cell]) => cell.lease !== id)), leases };
}

function isRefused({ keys, leases }: LinearState, put: Put): boolean {
  if (put.lease !== 0n && !leases.has(put.lease)) return true;
  return (put.ignoreValue || put.ignoreLease) && !keys.has(text(put.key));
}

function sees(state: LinearState, range: Range, { kvs, count }: RangeResult): boolean {
  const { revision, minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = range;
  if (revision > 0) return true;
  const found = [...state.keys.keys()].filter((key) => inRange(key, range)).sort();
  if (count !== found.length) return false;
  const simple = range.sortTarget === 'key' && range.sortOrder !== 'descend';
  const plain = minModRevision + maxModRevision + minCreateRevision + maxCreateRevision === 0;
  if (range.countOnly || range.keysOnly || !simple || !plain) return true;
  return areCells(state, range.limit > 0 ? found.slice(0, range.limit) : found, kvs);
}

/** Whether a compare holds; undefined if it depends on revisions. */
function verdict({ keys }: LinearState, { target, result, operand, ...range }: Compare): boolean | undefined {
  const cells = [...keys].filter(([key]) => inRange(key, range)).map(([, cell]) => cell);
  if (target === 'create' || target === 'mod') {
    // Against 0 it only asks whether the key is there.
    if (operand !== 0 || cells.length === 0) return cells.length === 0 ? holds(0, operand, result) : undefined;
    return result === 'greater' || result === 'notEqual';
  }
  if (cells.length === 0) return target !== 'value' && holds(0, operand, result);
  const wanted = operand instanceof Uint8Array ? text(operand) : operand;
  return cells.every((cell) => holds(cell[target], wanted, result));
}

function holds(actual: unknown, wanted: unknown, result: Compare['result']): boolean {
  const [a, b] = [actual as number, wanted as number];
  // Numbers and bigints meet here; only `<` and `>` compare them by value.
  if (result === 'greater') return a > b;
  if (result === 'less') return a < b;
  return (a < b || a > b) === (result === 'notEqual');
}

function areCells({ keys }: LinearState, names: readonly string[], kvs: readonly KeyValue[]): boolean {
  return (
    names.length === kvs.length &&
    names.every((key, i) => text((kvs[i] as KeyValue).key) === key && isCell(kvs[i], keys.get(key)))
  );
}

function isCell(kv: KeyValue | undefined, cell: Cell | undefined): boolean {
  if (kv === undefined || cell === undefined) return kv === undefined && cell === undefined;
  return text(kv.value) === cell.value && kv.version === cell.version && kv.lease === cell.lease;
}
