/** After a compaction: who proposes sweeps and how often, and who waits for their end. */
import { expect, test } from 'vitest';
import { imageFlushMsMax, sweepChangesMax, sweepEveryMs, waitingRequestsMax } from '../../src/base/limits.ts';
import type { BarrierAnswer } from '../../src/node/answer.ts';
import { Sweeps } from '../../src/node/sweeps.ts';
import { Swept } from '../../src/node/swept.ts';
import { Machine } from '../../src/state/machine.ts';
import { Feeder, put, txn } from '../state/commands.ts';
import { commandEntry, LoneNode } from './lone-node.ts';

/** `sweeps` sweeps are needed to take away what is compacted. */
function compacted(sweeps: number): { machine: Machine; feeder: Feeder; last: number } {
  const machine = new Machine();
  const feeder = new Feeder(machine);
  const puts = Array.from({ length: 100 }, (_, i) => put(`k${i}`, 'v'));
  for (let i = 0; i < (sweeps * sweepChangesMax) / 100; i++) feeder.do(txn([], puts));
  const last = machine.revision;
  feeder.do({ type: 'compact', revision: last });
  return { machine, feeder, last };
}

test('one sweep at a time, and time for other work in between', () => {
  const { machine, feeder } = compacted(3);
  const sweeps = new Sweeps(machine);
  const first = sweeps.decide(5, 0);
  expect(first?.type).toBe('sweep');
  expect(sweeps.decide(5, 10 * sweepEveryMs)).toBeUndefined();
  if (first !== undefined) feeder.do(first);
  const second = sweeps.decide(5, 10 * sweepEveryMs);
  if (second !== undefined) feeder.do(second);
  expect(sweeps.decide(5, 11 * sweepEveryMs - 1)).toBeUndefined();
  const third = sweeps.decide(5, 11 * sweepEveryMs);
  if (third !== undefined) feeder.do(third);
  expect(machine.compaction.position).toBeUndefined();
  expect(sweeps.decide(5, 99 * sweepEveryMs)).toBeUndefined();
});

test('what was not proposed, or by another term, is proposed again', () => {
  const { machine } = compacted(2);
  const sweeps = new Sweeps(machine);
  const first = sweeps.decide(5, 0);
  sweeps.undecided();
  expect(sweeps.decide(5, sweepEveryMs)).toEqual(first);
  expect(sweeps.decide(5, 2 * sweepEveryMs)).toBeUndefined();
  expect(sweeps.decide(6, 3 * sweepEveryMs)).toEqual(first);
});

test('the leader sweeps after a compaction, whoever waits is told once memory and image are swept', () => {
  const lone = new LoneNode().lead().ack();
  for (const value of ['1', '2', '3']) lone.propose(put('k', value)).ack();
  lone.propose({ type: 'compact', revision: 4 }).swept(4).ack();
  expect(lone.said()).toEqual(['outcome', 'outcome', 'outcome', 'outcome']);
  expect(lone.node.machine.compaction.position).toEqual({ revision: 2, sub: 0 });
  const before = lone.node.machine.sizeBytes;
  lone.tick().ack();
  expect(lone.node.machine.compaction.position).toBeUndefined();
  expect(lone.node.machine.sizeBytes).toBe(before / 3);
  expect(lone.said()).toEqual([]);
  lone
    .imageWritten()
    .tick(imageFlushMsMax / 20)
    .imageWritten();
  expect(lone.said()).toEqual(['reached']);
});

test('one compaction after another, the next also before the leader has looked again: each is swept', () => {
  const lone = new LoneNode().lead().ack();
  for (let round = 0; round < 3; round++) {
    lone.propose(put('k', `${round}`)).ack();
    lone.propose({ type: 'compact', revision: lone.node.machine.revision }).ack();
    expect(lone.node.machine.compaction.position).toBeDefined();
    lone.tick();
    // The sweep is in the log, and the next compaction right behind it: both are applied in one turn.
    if (round === 1)
      lone.propose(put('k', 'next')).propose({ type: 'compact', revision: lone.node.machine.revision + 1 });
    lone.ack();
    for (let turns = 0; turns < 3; turns++) lone.tick().ack();
    expect(lone.node.machine.compaction.position).toBeUndefined();
  }
});

test('a follower sweeps only when the log says so, and takes no sweep from another follower', () => {
  const lone = new LoneNode();
  const commands = [put('k', '1'), put('k', '2'), { type: 'compact', revision: 3 } as const];
  lone.follow(
    2,
    commands.map((command, i) => commandEntry(2 + i, 2, command, 2n, i + 1)),
    4,
  );
  lone.tick(3);
  expect(lone.node.machine.compaction.position).toEqual({ revision: 2, sub: 0 });
  lone.follow(2, [commandEntry(5, 2, { type: 'sweep', revision: 4, sub: 0 }, 2n, 0)], 5);
  expect(lone.node.machine.compaction.position).toBeUndefined();

  const leader = new LoneNode().lead().ack();
  const { payload } = commandEntry(1, 1, { type: 'sweep', revision: 4, sub: 0 }, 3n, 1);
  const last = leader.node.raft.lastIndex;
  const envelope = { from: 3n, to: 1n, term: leader.node.raft.term, boot: 1, batch: 1 };
  leader.hear({ type: 'forwardCommands', ...envelope, commands: [payload.subarray(5)] });
  expect(leader.node.raft.lastIndex).toBe(last);
});

test('V3: who waits for the end of a compaction is told in time, in any case', () => {
  const lone = new LoneNode().lead().ack();
  lone.propose(put('k', '1')).ack();
  lone.propose({ type: 'compact', revision: 2 }).swept(2, 60).ack();
  lone.said();
  lone.tick(2);
  expect(lone.said()).toEqual([]);
  lone.tick();
  expect(lone.said()).toEqual(['timedOut']);
  lone.swept(2);
  lone.node.enqueue({ type: 'stop' });
  lone.turn().swept(2);
  expect(lone.said()).toEqual(['stopped', 'stopped']);
});

test('so many wait at most', () => {
  const { machine } = compacted(1);
  const swept = new Swept();
  const answers: BarrierAnswer[] = [];
  for (let i = 0; i <= waitingRequestsMax; i++) swept.submit(2, 100, (answer) => answers.push(answer), 0);
  expect(answers).toEqual([{ type: 'unavailable', why: 'overloaded' }]);
  swept.look(machine, machine.appliedIndex);
  expect([answers.length, swept.count]).toEqual([1, waitingRequestsMax]);
  swept.stop();
  expect([answers.length, swept.count]).toEqual([1 + waitingRequestsMax, 0]);
});
