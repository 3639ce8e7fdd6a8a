/**
 * Conformance of the lease duty and the state machine, in time that the test passes in: one leader on the bench (`test/primary/bench`),
 * one node among played peers, three members of the lease model, the machine alone. Titles begin with the number of the case;
 * `cases.test.ts` counts them.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { expireCommandsInFlightMax, leasesPerCommandMax } from '../../src/base/limits.ts';
import { Prng } from '../../src/base/prng.ts';
import { Machine } from '../../src/state/machine.ts';
import { LoneNode } from '../node/lone-node.ts';
import { Bench } from '../primary/bench.ts';
import { LeaseModel } from '../sim/lease-model.ts';
import { modelCases, runModelCase } from '../sim/lease-model-cases.ts';
import { del, Feeder, put, text } from '../state/commands.ts';
import { eventsOf } from '../state/compare.ts';

const expiredIn = (bench: Bench): bigint[] =>
  bench.decided.flatMap((command) => (command.type === 'expire' ? command.leases.map(({ id }) => id) : []));

/** Runs these counterexamples of the model check: each throws if its promise breaks. */
function model(...numbers: readonly number[]): void {
  const chosen = modelCases.filter(({ number }) => numbers.includes(number));
  expect(chosen).toHaveLength(numbers.length);
  for (const one of chosen) runModelCase(one);
}

test('C4 the largest TTL lives on after an hour; one second more is refused, and nothing is stored', () => {
  const machine = new Machine();
  const feeder = new Feeder(machine);
  expect(feeder.do({ type: 'grant', id: 1n, ttlMs: 9e12 })).toMatchObject({ ok: true });
  const before = machine.digest();
  for (const ttlMs of [9e12 + 1_000, Number.MAX_SAFE_INTEGER])
    expect(feeder.do({ type: 'grant', id: 2n, ttlMs })).toMatchObject({ ok: false, refusal: 'leaseTtlTooLarge' });
  expect([machine.digest(), machine.leases()]).toEqual([before, [1n]]);
  const bench = new Bench().lead().grant(1n, 9e12).pass(3_600_000, 200);
  expect(expiredIn(bench)).toEqual([]);
  expect(bench.table.count).toBe(1);
  expect(bench.ask('a', 1n).round().said()).toEqual(['a=9000000000000']);
});

test('C22 after 10,000 random commands the leases hold exactly the live keys that name them, and the dead hold none', () => {
  const prng = new Prng(22, 'attach');
  const machine = new Machine();
  const feeder = new Feeder(machine);
  const leaseOf = new Map<string, bigint>();
  const alive = new Set<bigint>();
  for (let i = 0; i < 10_000; i++) {
    const id = BigInt(prng.between(1, 40));
    const key = `k${prng.below(200)}`;
    const dice = prng.unit();
    if (dice < 0.2) {
      if (feeder.do({ type: 'grant', id, ttlMs: 60_000 }).ok) alive.add(id);
    } else if (dice < 0.7) {
      const lease = prng.chance(0.3) ? 0n : id;
      if (feeder.do(put(key, 'v', { lease })).ok) leaseOf.set(key, lease);
    } else if (dice < 0.85) {
      feeder.do(del(key));
      leaseOf.delete(key);
    } else if (feeder.do({ type: 'revoke', id }).ok) {
      alive.delete(id);
      for (const [name, lease] of leaseOf) if (lease === id) leaseOf.delete(name);
    }
  }
  const leased = [...leaseOf].filter(([, lease]) => lease !== 0n);
  expect(machine.lessor.attachedKeyCount).toBe(leased.length);
  expect(machine.keyCount).toBe(leaseOf.size);
  expect(new Set(machine.leases())).toEqual(alive);
  for (let id = 1n; id <= 40n; id++) {
    const keys = leased.filter(([, lease]) => lease === id).map(([key]) => key);
    expect((machine.lessor.keysOf(id) ?? []).map(text).sort()).toEqual(keys.sort());
  }
  expect(leased.length).toBeGreaterThan(20);
});

test('C23 a renewal waits for its clear, and a revoke is applied first: gone, not renewed', () => {
  const bench = new Bench().lead().grant(7n, 60_000).pass(30_100).commit();
  bench.ask('a', 7n).round();
  expect(bench.said()).toEqual([]);
  expect(bench.decide().map(({ type }) => type)).toEqual(['clear']);
  bench.primary.revokeProposed(7n);
  bench.apply({ type: 'revoke', id: 7n });
  bench.commit();
  expect(bench.said()).toEqual(['a=gone']);
  model(17);
});

test('C33 20,000 leases over a change of leader: none early, all gone as fast as the log takes full batches', () => {
  const bench = new Bench();
  const ttlMs = 10_000;
  for (let id = 1n; id <= 20_000n; id++) bench.apply({ type: 'grant', id, ttlMs });
  bench.lead();
  const ledMs = bench.nowMs;
  bench.pass(1_000 + ttlMs, 50);
  expect(bench.table.count).toBe(20_000);
  const perTurn = leasesPerCommandMax * expireCommandsInFlightMax;
  const turns = Math.ceil(20_000 / perTurn);
  bench.pass(ttlMs / 500 + 50 * (turns + 2), 50);
  expect(bench.table.count).toBe(0);
  expect(bench.endedMs - ledMs).toBeGreaterThanOrEqual(1_000 + ttlMs);
  expect(Math.min(...bench.lagsMs)).toBeGreaterThanOrEqual(0);
});

test('C35 expiries that are not taken five times are decided again each time, and end the lease once', () => {
  const bench = new Bench().lead().grant(7n, 1_000);
  bench.nowMs += 1_003;
  for (let times = 0; times < 5; times++) {
    const commands = bench.primary.decide(bench.nowMs);
    expect(commands.map(({ type }) => type)).toEqual(['expire']);
    for (const command of commands) bench.primary.undecided(command);
    bench.nowMs += 50;
  }
  bench.decide();
  bench.commit();
  expect(bench.table.count).toBe(0);
  bench.pass(20_000);
  expect(expiredIn(bench)).toEqual([7n]);
});

test('C40 a leader steps down with expiries decided: none of them reaches the log in a later term', () => {
  const modelled = new LeaseModel();
  const { a, b, c } = modelled;
  modelled.passDeadline();
  a.raft.busy = true;
  modelled.decide(a);
  modelled.elect(b, c);
  modelled.replicate(b, c);
  modelled.replicate(b, a);
  a.raft.busy = false;
  modelled.decide(a);
  modelled.elect(a, c);
  modelled.replicate(a, c);
  modelled.apply(a);
  modelled.decide(a);
  const kinds = a.log.map(({ kind, term }) => `${kind} of ${term}`);
  expect(kinds.slice(-2)).toEqual(['empty of 2', 'empty of 3']);
  expect(kinds.filter((kind) => kind.startsWith('commands'))).toEqual(['commands of 1']);
  model(9, 15.5);
});

/** Bytes that are still in use after the garbage is gone. */
function liveBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

test('C46 a million leases granted and revoked: a follower’s tables and memory stay flat', () => {
  const machine = new Machine();
  const feeder = new Feeder(machine);
  const batch = 1_000;
  const cycle = (count: number): void => {
    for (let i = 0; i < count; i += batch) {
      const ids = Array.from({ length: batch }, (_, j) => BigInt(i + j + 1) * 977n);
      feeder.entry(...ids.map((id) => ({ type: 'grant', id, ttlMs: 60_000 }) as const));
      feeder.entry(...ids.map((id) => ({ type: 'revoke', id }) as const));
      machine.takeImageBatch();
    }
  };
  cycle(200_000);
  const before = liveBytes();
  cycle(800_000);
  const after = liveBytes();
  expect([machine.lessor.count, machine.lessor.attachedKeyCount, machine.keyCount]).toEqual([0, 0, 0]);
  // No more slots than were ever alive at once.
  expect(machine.lessor.slotCount).toBeLessThanOrEqual(2 * batch);
  expect(after - before).toBeLessThan(8 * 1024 * 1024);
}, 120_000);

test('C47 a million leases: a new leader takes them over in slices that hold up no heartbeat', () => {
  const bench = new Bench();
  const silent = { granted: () => {}, ended: () => {}, checkpointed: () => {}, cleared: () => {} };
  for (let i = 1; i <= 1_000_000; i++) bench.table.apply({ type: 'grant', id: BigInt(i), ttlMs: 60_000 }, 0, silent);
  bench.lead(false);
  let slices = 0;
  let longestMs = 0;
  for (let done = false; !done; slices++) {
    // Time of this process, whatever else the machine is doing.
    const before = process.cpuUsage();
    done = bench.primary.promotionSlice(bench.nowMs);
    const { user, system } = process.cpuUsage(before);
    longestMs = Math.max(longestMs, (user + system) / 1_000);
  }
  expect(slices).toBeGreaterThanOrEqual(20);
  // Half an election timeout of 1 s.
  expect(longestMs).toBeLessThan(500);
  expect(bench.primary.stats().promoting).toBe(false);
});

test('C60 a keep-alive behind the deadline, while the revoke is held up: it waits and is told "gone"; a new leader may let the lease live, and then the old revoke does not end it', () => {
  const bench = new Bench().lead().grant(7n, 1_000);
  bench.nowMs += 1_003;
  bench.decide();
  for (let waited = 0; waited < 3_000; waited += 500) {
    bench.ask(`at ${waited}`, 7n).round();
    bench.nowMs += 500;
    expect(bench.said()).toEqual([]);
  }
  bench.commit();
  expect(bench.said()).toEqual(Array.from({ length: 6 }, (_, i) => `at ${500 * i}=gone`));
  model(7, 9, 16);
});

test('C63 what was decided before a demotion does not end a lease after the next promotion of the same member', () => {
  const bench = new Bench().lead().grant(7n, 1_000);
  bench.nowMs += 1_003;
  const late = bench.decide();
  expect(late).toHaveLength(1);
  bench.primary.demote();
  bench.log = [];
  bench.lead();
  // The machine refuses them by their term; the duty does not count them as its own.
  expect(bench.apply(...late).table.count).toBe(1);
  bench.pass(1_000 + 1_000);
  expect(bench.table.count).toBe(1);
  bench.pass(300);
  expect(bench.table.count).toBe(0);
  model(10, 15, 15.5);
});

test('C66 a lease of 600 s renewed every 200 s for a day costs no entry at all', () => {
  const bench = new Bench().lead().grant(7n, 600_000);
  for (let i = 0; i < 432; i++) {
    bench.pass(200_000, 1_000);
    expect(bench.ask('a', 7n).round().said()).toEqual(['a=600000']);
  }
  expect(bench.decided).toEqual([]);
});

test('C80 a put on a lease whose deadline has passed is taken while no revoke is applied, and goes with the lease', () => {
  const lone = new LoneNode().lead().ack();
  lone.propose({ type: 'grant', id: 7n, ttlMs: 1_000 }).ack();
  expect(lone.said()).toEqual(['outcome']);
  const { machine } = lone.node;
  for (let i = 0; i < 12; i++) lone.tick(4).echo();
  expect(machine.lessor.count).toBe(1);
  // In the turn in which the lease is due, what clients want comes first.
  lone.nowMs += 80;
  const before = lone.node.raft.lastIndex;
  lone.propose(put('late', 'v', { lease: 7n }));
  expect(lone.node.raft.lastIndex).toBeGreaterThan(before);
  expect(machine.revision).toBe(1);
  lone.ack();
  expect(lone.said()).toEqual(['outcome']);
  const said = (revision: number): string[] => eventsOf(machine, revision).map(({ type, key }) => `${type} ${key}`);
  expect(said(2)).toEqual(['put late']);
  for (let i = 0; i < 100 && machine.lessor.count > 0; i++) lone.tick(1).ack();
  expect(machine.lessor.count).toBe(0);
  expect(said(3)).toEqual(['delete late']);
});

test('C82 an expiry decided for one life of an id does not end the next one', () => {
  const machine = new Machine();
  const feeder = new Feeder(machine);
  feeder.do({ type: 'grant', id: 7n, ttlMs: 1_000 });
  const slot = machine.lessor.slotOf(7n);
  const duplicate = { type: 'expire', term: 1, leases: [{ id: 7n, stamp: machine.lessor.stampAt(slot) }] } as const;
  expect(feeder.do(duplicate)).toMatchObject({ result: { touched: 1 } });
  feeder.do({ type: 'grant', id: 7n, ttlMs: 1_000 });
  feeder.do(put('k', 'v', { lease: 7n }));
  expect(feeder.do(duplicate)).toMatchObject({ result: { touched: 0 } });
  expect([machine.leases(), machine.keyCount]).toEqual([[7n], 1]);
  model(16);
});
