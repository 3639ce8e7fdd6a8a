/** Txns inside txns: what compares and checks look at, what is done and in which order, and how deep they may be (K6, L9). */
import { beforeEach, describe, expect, it } from 'vitest';
import { txnDepthMax } from '../../src/base/limits.ts';
import { decodeCommand, encodeCommand } from '../../src/state/codec.ts';
import type { Txn, TxnOp } from '../../src/state/command.ts';
import { Machine } from '../../src/state/machine.ts';
import type { Outcome, TxnResult } from '../../src/state/outcome.ts';
import { bytes, compare, del, Feeder, put, range, text, txn } from './commands.ts';
import { eventsOf } from './compare.ts';

let machine: Machine;
let feeder: Feeder;
beforeEach(() => {
  machine = new Machine();
  feeder = new Feeder(machine);
});

function done(outcome: Outcome): TxnResult {
  if (!outcome.ok || outcome.result.type !== 'txn') throw new Error('no txn was done');
  return outcome.result;
}
const refusal = (outcome: Outcome) => (outcome.ok ? undefined : outcome.refusal);
const values = () => {
  const all = machine.range(range('\0', '\0'));
  return all.type === 'range' ? all.kvs.map((kv) => `${text(kv.key)}=${text(kv.value)}`) : [];
};
/** A txn inside a txn inside a txn …, `depth` of them, the innermost with these operations. */
function nested(depth: number, ops: TxnOp[]): Txn {
  let inner = txn([], ops);
  for (let at = 1; at < depth; at++) inner = txn([], [inner]);
  return inner;
}
const origin = { member: 1n, boot: 1, seq: 1 };

describe('a txn inside a txn', () => {
  it('compares the state before the whole, whatever was done by then', () => {
    const there = (key: string) => compare(key, 'version', 'greater', 0);
    const answer = done(
      feeder.do(txn([], [put('a', '1'), txn([there('a')], [put('b', 'yes')], [put('b', 'no')]), range('b')])),
    );
    expect(values()).toEqual(['a=1', 'b=no']);
    expect(answer.responses.map((one) => (one.type === 'txn' ? one.succeeded : one.type))).toEqual([
      'put',
      false,
      'range',
    ]);
    feeder.do(txn([there('a')], [del('a'), txn([there('a')], [put('c', 'yes')])]));
    expect(values()).toEqual(['b=no', 'c=yes']);
  });

  it('is done in its place, under the one revision of the whole', () => {
    const all = range('\0', '\0');
    const inner = txn([], [put('b', '2'), all, del('a')]);
    const answer = done(feeder.do(txn([], [put('a', '1'), inner, txn([], []), put('c', '3'), all])));
    expect(machine.revision).toBe(2);
    expect(eventsOf(machine, 2).map((event) => `${event.type} ${event.key}`)).toEqual([
      'put a',
      'put b',
      'delete a',
      'put c',
    ]);
    expect(answer.responses).toMatchObject([
      { type: 'put' },
      { type: 'txn', succeeded: true, responses: [{ type: 'put' }, { count: 2 }, { deleted: 1 }] },
      { type: 'txn', succeeded: true, responses: [] },
      { type: 'put' },
      { count: 2 },
    ]);
  });

  it('is checked with the whole before anything is done; what is not chosen is not (C26)', () => {
    feeder.do(put('k', 'v'));
    const before = machine.digest();
    const unknown = put('z', 'v', { lease: 9n });
    const never = compare('k', 'version', 'equal', 7);
    const refused = (op: TxnOp) => refusal(feeder.do(txn([], [put('a', '1'), del('k'), txn([], [op])])));
    expect(refused(unknown)).toBe('leaseNotFound');
    expect(refused(put('no', '', { ignoreLease: true }))).toBe('keyNotFound');
    expect(refused(range('k', '', { revision: 9 }))).toBe('futureRevision');
    expect(refused(range('k', '', { revision: -2 }))).toBe('compacted');
    expect(refused(nested(3, [unknown]))).toBe('leaseNotFound');
    expect(machine.digest()).toBe(before);
    expect(refused(txn([never], [unknown]))).toBeUndefined();
    expect(refusal(feeder.do(txn([], [put('b', '1')], [nested(3, [unknown])])))).toBeUndefined();
    expect(values()).toEqual(['a=1', 'b=1']);
  });

  it('is refused if it keeps the value of a key that an earlier operation deletes', () => {
    feeder.do(put('k', 'v'));
    const keeps = put('k', '', { ignoreValue: true });
    expect(refusal(feeder.do(txn([], [txn([], [del('a', '\0')]), txn([], [keeps])])))).toBe('keyNotFound');
    expect(refusal(feeder.do(txn([], [txn([], [keeps]), txn([], [del('a', '\0')])])))).toBeUndefined();
    expect(values()).toEqual([]);
  });

  it('attaches its keys to their leases, which must live', () => {
    feeder.do({ type: 'grant', id: 5n, ttlMs: 1_000 });
    feeder.do(txn([], [txn([], [put('a', '1', { lease: 5n })])]));
    expect(machine.leaseKeys(5n).map(text)).toEqual(['a']);
    feeder.do({ type: 'revoke', id: 5n });
    expect(values()).toEqual([]);
  });
});

describe('the depth of txns', () => {
  it('has a limit, up to which the codec and apply go', () => {
    const deep = nested(txnDepthMax, [put('k', 'v'), range('k')]);
    expect(feeder.do(deep)).toMatchObject({ ok: true, revision: 2 });
    expect(values()).toEqual(['k=v']);
  });

  it('beyond the limit is no command, and a value, not an accident', () => {
    for (const depth of [txnDepthMax + 1, txnDepthMax + 2, 500]) {
      const encoded = encodeCommand({ origin, command: nested(depth, []) });
      expect(decodeCommand(encoded)).toBeInstanceOf(Error);
    }
  });
});

describe('a txn that only reads', () => {
  it('can be answered without the log, with what the log would have come to', () => {
    feeder.do(put('a', '1'));
    const reads = txn([compare('a', 'value', 'equal', '1')], [range('a'), range('\0', '\0', { revision: 1 })]);
    const answer = machine.readTxn(reads);
    expect(answer).toEqual(done(feeder.do(reads)));
    expect(machine.readTxn(txn([], [range('a', '', { revision: 3 })]))).toEqual({
      type: 'refused',
      refusal: 'futureRevision',
    });
    expect(() => machine.readTxn(txn([], [], [put('a', '2')]))).toThrow('K4');
  });
});

describe('what commands in the log answer', () => {
  it('is copied when it is read, not for every member that applies it', () => {
    const mebibyte = 'v'.repeat(1024 * 1024);
    feeder.do(put('big', mebibyte));
    const before = process.memoryUsage().arrayBuffers;
    const outcomes = feeder.entry(
      ...Array.from({ length: 64 }, () => txn([], [put('small', ''), range('big')])),
      put('big', 'x', { prevKv: true }),
      put('big', mebibyte),
      ...Array.from({ length: 64 }, () => txn([], [range('big'), put('small', '')])),
      del('big', '', true),
    );
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * 1024 * 1024);
    const told = (at: number) => {
      const outcome = outcomes[at] as Outcome;
      if (!outcome.ok) throw new Error(outcome.refusal);
      const { result } = outcome;
      if (result.type === 'put') return result.prevKv;
      if (result.type === 'deleteRange') return result.prevKvs[0];
      const read = done(outcome).responses.find((one) => one.type === 'range');
      // Nothing is kept for who never asks, not even a key.
      expect(read?.kvs).not.toBe(read?.kvs);
      return read?.kvs[0];
    };
    for (const [at, version] of [0, 64, 66, 130].map((at, i) => [at, [1, 1, 3, 3][i]] as const)) {
      const kv = told(at);
      expect(kv?.version).toBe(version);
      expect(Buffer.compare(bytes(mebibyte), kv?.value ?? bytes(''))).toBe(0);
    }
  });
});
