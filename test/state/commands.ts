/**
 * Random commands for the state machine's tests: few keys and few leases, so that everything meets everything, ids from both ends
 * of int64, and requests that must be refused. And the short forms that unit tests use.
 */
import { byteString } from '../../src/base/bytes.ts';
import type { Prng } from '../../src/base/prng.ts';
import { encodeCommand, packCommands } from '../../src/state/codec.ts';
import type { Command, Compare, DeleteRange, Put, Range, StampedLease, Txn, TxnOp } from '../../src/state/command.ts';
import type { LeaseObserver, Machine } from '../../src/state/machine.ts';
import type { AppliedCommand, Outcome } from '../../src/state/outcome.ts';
import type { Position } from '../../src/state/revision.ts';
import type { Entry } from '../../src/store/entry.ts';

export const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
export const text = (value: Uint8Array): string => byteString(value);
export const INT64_MIN = -(2n ** 63n);
export const INT64_MAX = 2n ** 63n - 1n;

export function put(key: string, value: string, more: Partial<Omit<Put, 'key' | 'value'>> = {}): Put {
  const base = { lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false };
  return { type: 'put', key: bytes(key), value: bytes(value), ...base, ...more };
}

export function del(key: string, rangeEnd = '', prevKv = false): DeleteRange {
  return { type: 'deleteRange', key: bytes(key), rangeEnd: bytes(rangeEnd), prevKv };
}

export function range(key: string, rangeEnd = '', more: Partial<Omit<Range, 'key' | 'rangeEnd'>> = {}): Range {
  return {
    type: 'range',
    key: bytes(key),
    rangeEnd: bytes(rangeEnd),
    limit: 0,
    revision: 0,
    sortOrder: 'none',
    sortTarget: 'key',
    keysOnly: false,
    countOnly: false,
    minModRevision: 0,
    maxModRevision: 0,
    minCreateRevision: 0,
    maxCreateRevision: 0,
    ...more,
  };
}

export function compare(
  key: string,
  target: Compare['target'],
  result: Compare['result'],
  operand: number | bigint | string,
  rangeEnd = '',
): Compare {
  const value = typeof operand === 'string' ? bytes(operand) : operand;
  return { key: bytes(key), rangeEnd: bytes(rangeEnd), target, result, operand: value };
}

export function txn(compares: Compare[], success: TxnOp[], failure: TxnOp[] = []): Txn {
  return { type: 'txn', compares, success, failure };
}

/** Feeds commands to a machine one entry each, and gives what came of them. */
export class Feeder {
  readonly machine: Machine;
  readonly observer: LeaseObserver | undefined;
  term = 1;

  constructor(machine: Machine, observer?: LeaseObserver) {
    this.machine = machine;
    this.observer = observer;
  }

  /** One entry with these commands. */
  entry(...commands: Command[]): Outcome[] {
    return this.applied(...commands).map((applied) => applied.outcome);
  }

  applied(...commands: Command[]): readonly AppliedCommand[] {
    return this.machine.apply(entryOf(this.machine.appliedIndex + 1, this.term, commands), this.observer);
  }

  /** One command in an entry of its own. */
  do(command: Command): Outcome {
    return this.entry(command)[0] as Outcome;
  }
}

export function entryOf(index: number, term: number, commands: readonly Command[]): Entry {
  const encoded = commands.map((command, i) => encodeCommand({ origin: { member: 7n, boot: 1, seq: i + 1 }, command }));
  return { index, term, kind: 'commands', payload: packCommands(encoded) };
}

const KEYS = ['a', 'b', 'ba', 'bb', 'c', '\0', '\x80', '\xff', 'key/1', 'key/2', 'key/3'];
const LEASES = [1n, 2n, 3n, -1n, INT64_MIN, INT64_MAX, 7587861231231231231n];
const MEMBERS = [1n, 2n, 0xfedcbn];
const ENDS = ['', '', '', '\0', 'c', 'key0', '\xff', 'b'];

/** A key prefix range as clients ask for it: single, prefix, all, from key. */
function interval(prng: Prng): [string, string] {
  return [prng.pick(KEYS), prng.pick(ENDS)];
}

function randomPut(prng: Prng): Put {
  return put(prng.pick(KEYS), `v${prng.below(5)}`, {
    lease: prng.chance(0.5) ? prng.pick(LEASES) : 0n,
    prevKv: prng.chance(0.3),
    ignoreValue: prng.chance(0.1),
    ignoreLease: prng.chance(0.15),
  });
}

/** Often the current one, whose reading inside a txn must not see the txn's own writes; sometimes a future one. */
function randomRevision(prng: Prng, current: number): number {
  if (prng.chance(0.05)) return prng.pick([-1, -2]);
  return prng.chance(0.4) ? current : Math.max(0, prng.between(current - 10, current + 1));
}

function randomRange(prng: Prng, revision: number): Range {
  const [key, end] = interval(prng);
  return range(key, end, {
    limit: prng.chance(0.4) ? prng.below(4) : 0,
    revision: prng.chance(0.4) ? randomRevision(prng, revision) : 0,
    sortOrder: prng.pick(['none', 'ascend', 'descend']),
    sortTarget: prng.pick(['key', 'version', 'create', 'mod', 'value']),
    keysOnly: prng.chance(0.1),
    countOnly: prng.chance(0.1),
    minModRevision: prng.chance(0.1) ? prng.between(-1, revision) : 0,
    maxModRevision: prng.chance(0.1) ? prng.between(-1, revision) : 0,
    minCreateRevision: prng.chance(0.1) ? prng.below(revision + 1) : 0,
    maxCreateRevision: prng.chance(0.1) ? prng.below(revision + 1) : 0,
  });
}

function randomCompare(prng: Prng, revision: number): Compare {
  const [key, end] = interval(prng);
  const target = prng.pick(['version', 'create', 'mod', 'value', 'lease'] as const);
  const result = prng.pick(['equal', 'greater', 'less', 'notEqual'] as const);
  if (target === 'value') return compare(key, target, result, `v${prng.below(5)}`, end);
  if (target === 'lease') return compare(key, target, result, prng.chance(0.5) ? 0n : prng.pick(LEASES), end);
  return compare(key, target, result, target === 'version' ? prng.below(4) : prng.below(revision + 2), end);
}

function randomTxn(prng: Prng, revision: number, depth: number): Txn {
  const compares = Array.from({ length: prng.below(3) }, () => randomCompare(prng, revision));
  const ops = (): TxnOp[] => Array.from({ length: prng.below(5) }, () => randomOp(prng, revision, depth));
  return txn(compares, ops(), ops());
}

function randomOp(prng: Prng, revision: number, depth: number): TxnOp {
  if (depth < 4 && prng.chance(0.2)) return randomTxn(prng, revision, depth + 1);
  const draw = prng.unit();
  if (draw < 0.5) return randomPut(prng);
  if (draw < 0.7) return del(...interval(prng), prng.chance(0.5));
  return randomRange(prng, revision);
}

/** Some leases of the machine, some under the stamp they have, some under one they had, some that are not there. */
function stamped(prng: Prng, machine: Machine): StampedLease[] {
  return Array.from({ length: prng.between(1, 4) }, () => {
    const id = prng.pick(LEASES);
    const slot = machine.lessor.slotOf(id);
    const stamp = slot < 0 ? prng.below(20) : machine.lessor.stampAt(slot);
    return { id, stamp: prng.chance(0.8) ? stamp : Math.max(0, stamp - 1) };
  });
}

/** As the leader asks for it, or anywhere at all. */
function randomSweep(prng: Prng, machine: Machine): Command {
  const { next, position } = sweepOf(prng, machine);
  if (next !== undefined && prng.chance(0.6)) return { type: 'sweep', ...next };
  const near = position?.revision ?? machine.revision;
  return { type: 'sweep', revision: prng.between(near - 1, near + 3), sub: prng.below(4) };
}

function sweepOf(prng: Prng, { compaction }: Machine): { next: Position | undefined; position: Position | undefined } {
  return { next: compaction.next(prng.between(1, 4), prng.pick([1, 100, 1_000])), position: compaction.position };
}

/** `machine` is only looked at, so that what is drawn often hits. */
export function randomCommand(prng: Prng, machine: Machine, term: number): Command {
  // Not for long: under an alarm little else happens.
  const raised = machine.alarms.list();
  if (raised.length > 0 && prng.chance(0.1)) return { type: 'alarm', action: 'deactivate', ...prng.pick(raised) };
  const decidedIn = prng.chance(0.9) ? term : Math.max(0, term - 1);
  const draw = prng.unit();
  if (draw < 0.14)
    return {
      type: 'grant',
      id: prng.chance(0.02) ? 0n : prng.pick(LEASES),
      ttlMs: prng.pick([1, 2_000, 60_000, 9e12, 9e12 + 1, 0]),
    };
  if (draw < 0.2) return { type: 'revoke', id: prng.pick(LEASES) };
  if (draw < 0.5) return randomPut(prng);
  if (draw < 0.6) return del(...interval(prng), prng.chance(0.5));
  if (draw < 0.78) return randomTxn(prng, machine.revision, 1);
  if (draw < 0.82) return { type: 'expire', term: decidedIn, leases: stamped(prng, machine) };
  if (draw < 0.87) {
    const leases = stamped(prng, machine).map((lease) => ({
      ...lease,
      remainingMs: prng.pick([0, 1, 500, 1_999, 2_000, 70_000]),
    }));
    return { type: 'checkpoint', term: decidedIn, leases };
  }
  if (draw < 0.91) return { type: 'clear', term: decidedIn, leases: stamped(prng, machine) };
  if (draw < 0.93) {
    const kind = prng.chance(0.7) ? 'noSpace' : 'corrupt';
    return { type: 'alarm', action: prng.chance(0.5) ? 'activate' : 'deactivate', member: prng.pick(MEMBERS), kind };
  }
  if (draw < 0.955) return { type: 'compact', revision: prng.between(machine.revision - 12, machine.revision + 1) };
  if (draw < 0.985) return randomSweep(prng, machine);
  return {
    type: 'publish',
    member: prng.pick(MEMBERS),
    name: `n${prng.below(3)}`,
    clientUrls: [`http://h${prng.below(3)}:2379`],
  };
}

/** A log of random entries of all kinds, applied to `machine` as it is made. */
export function* randomLog(
  prng: Prng,
  machine: Machine,
  length: number,
): Generator<{ entry: Entry; applied: readonly AppliedCommand[] }> {
  let term = machine.appliedTerm;
  for (let i = 0; i < length; i++) {
    const index = machine.appliedIndex + 1;
    let entry: Entry;
    if (i === 0 || prng.chance(0.05)) entry = { index, term: ++term, kind: 'empty', payload: new Uint8Array(0) };
    else if (prng.chance(0.02))
      entry = { index, term, kind: 'configuration', payload: bytes(`configuration ${prng.below(3)}`) };
    else
      entry = entryOf(
        index,
        term,
        Array.from({ length: prng.below(4) }, () => randomCommand(prng, machine, term)),
      );
    yield { entry, applied: machine.apply(entry) };
  }
}
