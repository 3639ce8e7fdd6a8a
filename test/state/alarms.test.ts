/** What a raised alarm refuses, and what goes on (S5, C50); the random logs are in machine-model.test.ts. */
import { describe, expect, it } from 'vitest';
import { alarmsMax } from '../../src/base/limits.ts';
import { encodeCommand, packCommands } from '../../src/state/codec.ts';
import type { Alarm, AlarmKind, Command } from '../../src/state/command.ts';
import { growthBytes } from '../../src/state/growth.ts';
import { Machine } from '../../src/state/machine.ts';
import { loadMachine } from '../../src/state/machine-loader.ts';
import type { Outcome } from '../../src/state/outcome.ts';
import { bytes, compare, del, Feeder, put, range, txn } from './commands.ts';

function alarm(action: Alarm['action'], member: bigint, kind: AlarmKind = 'noSpace'): Alarm {
  return { type: 'alarm', action, member, kind };
}

function said(outcome: Outcome): string {
  return outcome.ok ? outcome.result.type : outcome.refusal;
}

/** A machine with a lease that has two keys, a key of its own, and something recorded about the lease. */
function fed(): Feeder {
  const feeder = new Feeder(new Machine());
  feeder.entry(
    { type: 'grant', id: 5n, ttlMs: 60_000 },
    { type: 'grant', id: 6n, ttlMs: 60_000 },
    put('a', 'one', { lease: 5n }),
    put('b', 'two', { lease: 5n }),
    put('c', 'three'),
  );
  return feeder;
}

const writes: readonly [Command, string, string][] = [
  [put('d', 'x'), 'noSpace', 'corrupt'],
  [put('d', 'x', { lease: 404n }), 'noSpace', 'corrupt'],
  [{ type: 'grant', id: 7n, ttlMs: 1_000 }, 'noSpace', 'corrupt'],
  [{ type: 'grant', id: 5n, ttlMs: 1_000 }, 'noSpace', 'corrupt'],
  [txn([], [range('a')], [put('d', 'x')]), 'noSpace', 'corrupt'],
  [txn([compare('a', 'version', 'equal', 1)], [range('a')], [range('b')]), 'txn', 'txn'],
  [txn([], [del('c'), range('a')]), 'txn', 'corrupt'],
  [txn([], [txn([], [range('a')])]), 'txn', 'corrupt'],
  [del('b'), 'deleteRange', 'corrupt'],
  [{ type: 'revoke', id: 404n }, 'leaseNotFound', 'corrupt'],
  [{ type: 'checkpoint', term: 1, leases: [{ id: 6n, stamp: 2, remainingMs: 500 }] }, 'done', 'done'],
  [{ type: 'clear', term: 1, leases: [{ id: 6n, stamp: 2 }] }, 'done', 'done'],
  [{ type: 'expire', term: 1, leases: [{ id: 6n, stamp: 3 }] }, 'done', 'corrupt'],
  [{ type: 'revoke', id: 5n }, 'done', 'corrupt'],
  [{ type: 'publish', member: 1n, name: 'n', clientUrls: [] }, 'done', 'done'],
];

describe('a raised alarm', () => {
  it('D1: one that was taken over from an image counts once, whatever becomes of it', () => {
    const feeder = fed();
    feeder.do(alarm('activate', 9n));
    const batch = feeder.machine.takeImageBatch();
    const records = [...(batch?.ops ?? [])].map(({ key, value }) => ({ key, value: value as Uint8Array }));
    const restored = loadMachine(records.sort((a, b) => Buffer.compare(a.key, b.key)));
    if (!(restored instanceof Machine)) throw new Error(restored.what);
    const payload = packCommands([
      encodeCommand({ origin: { member: 1n, boot: 1, seq: 1 }, command: alarm('deactivate', 9n) }),
    ]);
    for (const machine of [feeder.machine, restored])
      machine.apply({ index: machine.appliedIndex + 1, term: machine.appliedTerm, kind: 'commands', payload });
    expect(restored.digest()).toBe(feeder.machine.digest());
  });

  it('NOSPACE of any member refuses what grows, before anything else is looked at, and lets the rest pass', () => {
    const feeder = fed();
    feeder.do(alarm('activate', 9n));
    for (const [command, noSpace] of writes)
      expect(said(feeder.do(command)), JSON.stringify(command.type)).toBe(noSpace);
    expect(feeder.machine.leases()).toEqual([]);
    feeder.do(alarm('deactivate', 9n));
    expect(said(feeder.do(put('d', 'x')))).toBe('put');
  });

  it('CORRUPT refuses every change of keys and leases, and weighs more than NOSPACE', () => {
    const feeder = fed();
    feeder.entry(alarm('activate', 9n), alarm('activate', 9n, 'corrupt'));
    const { revision } = feeder.machine;
    for (const [command, , corrupt] of writes) expect(said(feeder.do(command)), command.type).toBe(corrupt);
    expect(feeder.machine.revision).toBe(revision);
    feeder.do(alarm('deactivate', 9n, 'corrupt'));
    expect(said(feeder.do(put('d', 'x')))).toBe('noSpace');
    expect(said(feeder.do({ type: 'revoke', id: 5n }))).toBe('done');
  });

  it('stays until the last member that raised it is disarmed', () => {
    const feeder = fed();
    const touched = (command: Alarm) => feeder.do(command);
    expect(touched(alarm('activate', 1n))).toMatchObject({ result: { touched: 1 } });
    expect(touched(alarm('activate', 1n))).toMatchObject({ result: { touched: 0 } });
    expect(touched(alarm('activate', 2n))).toMatchObject({ result: { touched: 1 } });
    expect(touched(alarm('deactivate', 1n))).toMatchObject({ result: { touched: 1 } });
    expect(touched(alarm('deactivate', 1n))).toMatchObject({ result: { touched: 0 } });
    expect(touched(alarm('deactivate', 2n, 'corrupt'))).toMatchObject({ result: { touched: 0 } });
    expect(said(feeder.do(put('d', 'x')))).toBe('noSpace');
    feeder.do(alarm('deactivate', 2n));
    expect(feeder.machine.alarms.list()).toEqual([]);
    expect(said(feeder.do(put('d', 'x')))).toBe('put');
  });

  it('is one of so many at most', () => {
    const feeder = new Feeder(new Machine());
    for (let member = 1n; member <= BigInt(alarmsMax); member++)
      expect(said(feeder.do(alarm('activate', member, 'corrupt')))).toBe('done');
    expect(said(feeder.do(alarm('activate', 1_000n)))).toBe('tooManyAlarms');
    expect(said(feeder.do(alarm('activate', 1n, 'corrupt')))).toBe('done');
    feeder.do(alarm('deactivate', 1n, 'corrupt'));
    expect(said(feeder.do(alarm('activate', 1_000n)))).toBe('done');
  });
});

it('the growth of a command is what etcd charges for it', () => {
  expect(growthBytes({ type: 'grant', id: 1n, ttlMs: 1 })).toBe(64);
  expect(growthBytes(put('key', 'value'))).toBe(256 + 8);
  expect(growthBytes(txn([], [put('k', 'v'), del('x')], [put('k', 'vv'), put('l', '')]))).toBe(2 * 256 + 4);
  expect(growthBytes(txn([], [del('x'), range('y')]))).toBe(0);
  // But for puts of txns inside, which etcd overlooks.
  expect(growthBytes(txn([], [put('k', 'v'), txn([], [put('l', 'v')]), txn([], [])]))).toBe(2 * 256 + 4);
  expect(growthBytes({ type: 'deleteRange', key: bytes('a'), rangeEnd: bytes(''), prevKv: false })).toBe(0);
});
