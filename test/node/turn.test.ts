/** What the turn wires together, told by one node whose peers the test plays: each line here is a promise no part keeps alone. */
import { expect, test } from 'vitest';
import {
  dutyEntryBytesMax,
  leaseMovesPerTurnMax,
  snapshotStepsPerTurnMax,
  waitingBytesMax,
} from '../../src/base/limits.ts';
import type { Command } from '../../src/state/command.ts';
import { Machine } from '../../src/state/machine.ts';
import type { Entry } from '../../src/store/entry.ts';
import type { ImageBatch } from '../../src/store/image.ts';
import { Watcher } from '../../src/watch/watcher.ts';
import { restored, voters } from '../raft/lone-member.ts';
import { ImageDouble } from '../state/image-double.ts';
import { commandEntry, LoneNode } from './lone-node.ts';

const grant: Command = { type: 'grant', id: 7n, ttlMs: 60_000 };
const revoke: Command = { type: 'revoke', id: 7n };
const empty = (index: number, term: number): Entry => ({ index, term, kind: 'empty', payload: new Uint8Array(0) });

/** On duty in term 2, lease 7 granted. */
function onDuty(): LoneNode {
  const lone = new LoneNode().lead().ack();
  lone.propose(grant).ack();
  expect(lone.said()).toEqual(['outcome']);
  return lone;
}

test('L3, R12: asked before the own-term entry is applied, a renewal waits for it and for a round begun after', () => {
  const lone = new LoneNode().lead().ask('keepAlive', 7n).echo();
  expect(lone.node.status().onDuty).toBe(false);
  expect(lone.said()).toEqual([]);
  lone.ack();
  expect(lone.node.status().onDuty).toBe(true);
  expect(lone.said()).toEqual([]);
  lone.echo();
  expect(lone.said()).toEqual(['gone']);
});

test('L3: entries of an older term that are committed with our own first one put nobody on duty', () => {
  const lone = new LoneNode().follow(2, [empty(2, 2), commandEntry(3, 2, grant, 3n, 1)], 2);
  lone.lead().ack(3);
  expect(lone.node.machine.lessor.count).toBe(0);
  lone.ack();
  expect(lone.node.machine.lessor.count).toBe(1);
  expect(lone.node.status().onDuty).toBe(true);
  lone.ask('timeToLive', 7n).echo();
  expect(lone.said()).toEqual(['alive']);
});

test('L2: a revoke in our log, our own client’s or a follower’s, makes a renewal wait for what comes of it', () => {
  for (const forwarded of [false, true]) {
    const lone = onDuty();
    if (forwarded) {
      const { payload } = commandEntry(1, 1, revoke, 3n, 1);
      const envelope = { from: 3n, to: 1n, term: 2, boot: 1, batch: 1 };
      lone.hear({ type: 'forwardCommands', ...envelope, commands: [payload.subarray(5)] });
    } else lone.propose(revoke);
    lone.ask('keepAlive', 7n).echo();
    expect(lone.said()).toEqual([]);
    lone.ack();
    expect(lone.said()).toEqual(forwarded ? ['gone'] : ['outcome', 'gone']);
  }
});

test('a follower’s questions are taken only by the leader of the term they name', () => {
  const lone = onDuty();
  const questions = [{ seq: 4, kind: 'keepAlive', id: 7n }] as const;
  lone.hear({ type: 'forwardQuestions', from: 3n, to: 1n, term: 1, boot: 9, questions });
  expect(lone.last('forwardAnswers')).toMatchObject({ to: 3n, boot: 9, answers: [{ seq: 4, type: 'unavailable' }] });
  lone.hear({ type: 'forwardQuestions', from: 3n, to: 1n, term: 2, boot: 9, questions }).echo();
  expect(lone.last('forwardAnswers')).toMatchObject({ to: 3n, boot: 9, answers: [{ seq: 4, type: 'alive' }] });
});

test('what waited when leadership was lost: followers are told "unavailable", our own questions go to the new leader', () => {
  const lone = onDuty().ask('keepAlive', 7n);
  lone.hear({
    type: 'forwardQuestions',
    from: 3n,
    to: 1n,
    term: 2,
    boot: 9,
    questions: [{ seq: 4, kind: 'keepAlive', id: 7n }],
  });
  lone.follow(3, [empty(4, 3)], 3);
  expect(lone.last('forwardAnswers')).toMatchObject({ to: 3n, answers: [{ seq: 4, type: 'unavailable' }] });
  expect(lone.said()).toEqual([]);
  expect(lone.last('forwardQuestions')).toMatchObject({ to: 2n, term: 3, questions: [{ kind: 'keepAlive', id: 7n }] });
  expect(lone.node.status().onDuty).toBe(false);
});

test('a forwarded question that may be lost is asked again', () => {
  const lone = new LoneNode().follow(2, [empty(2, 2)], 2).ask('timeToLive', 7n);
  const asked = (): number => lone.sent.filter((message) => message.type === 'forwardQuestions').length;
  expect(asked()).toBe(1);
  for (let i = 0; i < 11; i++) lone.tick().follow(2, [], 2);
  expect(asked()).toBe(2);
  // And at once where another leads now.
  lone.follow(3, [], 2, 3n);
  expect(asked()).toBe(3);
  expect(lone.last('forwardQuestions')).toMatchObject({ to: 3n, term: 3 });
});

test('K3: a command aimed at a leader goes out again once an entry of a newer term proves that it did not happen', () => {
  const lone = new LoneNode().follow(2, [empty(2, 2)], 2).propose(grant);
  expect(lone.last('forwardCommands')).toMatchObject({ to: 2n, term: 2, batch: 1 });
  lone.follow(3, [], 2, 3n);
  // Another leader is no proof: entry 3 of term 2 may hold it and be in the new leader's log.
  expect(lone.last('forwardCommands')).toMatchObject({ term: 2 });
  lone.follow(3, [empty(3, 3)], 3, 3n);
  expect(lone.last('forwardCommands')).toMatchObject({ to: 3n, term: 3, batch: 2 });
  lone.follow(3, [commandEntry(4, 3, grant, 1n, 1)], 4, 3n);
  expect(lone.said()).toEqual(['outcome']);
});

test('R12: a follower’s read waits until it has applied what was committed when the round began', () => {
  const lone = new LoneNode().follow(2, [empty(2, 2)], 2).barrier();
  const context = lone.last('roundRequest')?.context ?? 0;
  lone.hear({ type: 'roundReply', from: 2n, to: 1n, term: 2, boot: 1, context, index: 3 });
  expect(lone.said()).toEqual([]);
  lone.follow(2, [commandEntry(3, 2, grant, 3n, 1)], 3);
  expect(lone.said()).toEqual(['reached']);
});

test('D1: an append with an entry that could not be applied is passed over, as if lost', () => {
  const lone = new LoneNode().follow(2, [empty(2, 2)], 2);
  const bad: Entry = { index: 3, term: 2, kind: 'commands', payload: Uint8Array.of(1, 0, 0, 0, 1, 0xc1) };
  lone.follow(2, [bad], 3);
  expect(lone.node.raft.lastIndex).toBe(2);
  lone.follow(2, [commandEntry(3, 2, grant, 3n, 1)], 3);
  expect(lone.node.machine.lessor.count).toBe(1);
});

test('S1: nothing is applied before it is on our own disk, whoever else has it', () => {
  const lone = new LoneNode().follow(2, [empty(2, 2)], 2);
  lone.syncing = false;
  lone.follow(2, [commandEntry(3, 2, grant, 3n, 1)], 3);
  expect(lone.node.machine.appliedIndex).toBe(2);
  lone.sync().turn();
  expect(lone.node.machine.appliedIndex).toBe(3);
});

test('L4: a lease that falls due between two ticks wakes its primary at its deadline', () => {
  const lone = new LoneNode().lead().ack();
  lone.nowMs += 7;
  lone.propose({ ...grant, ttlMs: 500 }).ack();
  const dueMs = lone.nowMs + 501;
  while (lone.nowMs + 20 < dueMs) lone.tick().echo();
  lone.alarms.length = 0;
  lone.turn();
  expect(lone.alarms).toEqual([dueMs - lone.nowMs]);
  expect(dueMs - lone.nowMs).toBeLessThan(20);
  lone.sent.length = 0;
  lone.nowMs = dueMs - 1;
  expect(lone.turn().last('append')).toBeUndefined();
  lone.nowMs = dueMs;
  expect(lone.turn().last('append')?.entries).toHaveLength(1);
  expect(lone.ack().node.machine.lessor.count).toBe(0);
});

test('L14: of many leases due at once a turn ends some thousands, in entries of a thousand, and the rest follow at once', () => {
  const lone = new LoneNode().lead().ack();
  const count = 6_500;
  for (let id = 1n; id <= count; id++) {
    const command: Command = { type: 'grant', id, ttlMs: 500 };
    lone.node.enqueue({ type: 'propose', command, timeoutMs: 5_000, reply: () => undefined });
  }
  lone.turn().ack();
  expect(lone.node.machine.lessor.count).toBe(count);
  for (let i = 0; i < 30 && lone.node.status().duty.expiresInFlight === 0; i++) lone.tick().echo();
  const expires = lone.last('append')?.entries ?? [];
  expect(expires.map(({ payload }) => payload.length < 2 * dutyEntryBytesMax)).toEqual(Array(7).fill(true));
  const { term, lastIndex: match } = lone.node.raft;
  const reply = { type: 'appendReply', from: 2n, to: 1n, term, accepted: true, match, round: 0 } as const;
  lone.node.enqueue({ type: 'message', message: { ...reply, hintIndex: 0, hintTerm: 0, needsSnapshot: false } });
  const left = [count];
  while (left.at(-1) !== 0 && left.length < 20) {
    lone.node.turn(lone.nowMs);
    left.push(lone.node.machine.lessor.count);
  }
  const gone = left.slice(1).map((now, i) => (left[i] as number) - now);
  expect(Math.max(...gone)).toBeLessThanOrEqual(5_000);
  expect(gone.length).toBeGreaterThan(1);
  expect(left.at(-1)).toBe(0);
});

test('L4: with more slots to move in the wheel than one turn does, turns follow each other without a tick', () => {
  const lone = new LoneNode().lead().ack();
  const count = 2 * leaseMovesPerTurnMax + 1;
  for (let id = 1n; id <= count; id++) {
    const command: Command = { type: 'grant', id, ttlMs: 500 };
    lone.node.enqueue({ type: 'propose', command, timeoutMs: 5_000, reply: () => undefined });
  }
  lone.turn().ack();
  while (lone.node.machine.lessor.count < count) lone.turn().ack();
  for (let i = 0; i < 30 && lone.node.status().duty.expiresInFlight === 0; i++) lone.tick().echo();
  expect(lone.node.status().duty.backlog).toBe(count);
});

test('R11: an installed snapshot leaves what was aimed unknown, what is held alive, and lets watchers read on in it', () => {
  const lone = new LoneNode().follow(2, [empty(2, 2)], 2).propose(grant);
  let wakes = 0;
  const key = Buffer.from('k');
  const spec = { key, rangeEnd: new Uint8Array(0), startRevision: 0, noPut: false, noDelete: false, prevKv: false };
  const watcher = lone.node.hub.watch(spec, () => wakes++);
  if (!(watcher instanceof Watcher)) throw new Error('refused');

  const ahead = new Machine();
  for (const entry of restored(3).entries) ahead.apply(entry);
  const flags = { prevKv: false, ignoreValue: false, ignoreLease: false };
  const put: Command = { type: 'put', key, value: key, lease: 0n, ...flags };
  for (const entry of [empty(2, 2), commandEntry(3, 2, grant, 3n, 1), commandEntry(4, 2, put, 3n, 2)])
    ahead.apply(entry);
  const image = new ImageDouble();
  image.write(ahead.takeImageBatch() as ImageBatch);
  const meta = { index: 4, term: 2, configuration: voters(3) };
  lone.node.enqueue({ type: 'snapshotStaged', head: { from: 2n, to: 1n, term: 2, meta }, records: image.records() });
  lone.turn();

  expect(lone.node.machine.digest()).toBe(ahead.digest());
  expect(lone.said()).toEqual(['unknown']);
  expect(wakes).toBe(1);
  expect(lone.node.hub.pull(watcher, 1e6)).toMatchObject({ revision: 2, events: [{ type: 'put' }] });
  lone.propose(revoke).follow(2, [commandEntry(5, 2, revoke, 1n, 2)], 5);
  expect(lone.said()).toEqual(['outcome']);
  expect(lone.node.machine.lessor.count).toBe(0);
});

test('R11: an image that has arrived becomes a state a slice a turn, and what comes meanwhile is answered', () => {
  const lone = new LoneNode().follow(2, [empty(2, 2)], 2);
  const ahead = new Machine();
  for (const entry of restored(3).entries) ahead.apply(entry);
  ahead.apply(empty(2, 2));
  // Two steps each: one as a record, one as a version.
  const keys = 2 * snapshotStepsPerTurnMax;
  const flags = { prevKv: false, ignoreValue: false, ignoreLease: false };
  for (let i = 0; i < keys; i++) {
    const put: Command = { type: 'put', key: Buffer.from(`k${i}`), value: Buffer.alloc(1), lease: 0n, ...flags };
    ahead.apply(commandEntry(3 + i, 2, put, 3n, i));
  }
  const image = new ImageDouble();
  image.write(ahead.takeImageBatch() as ImageBatch);
  const head = { from: 2n, to: 1n, term: 2, meta: { index: 2 + keys, term: 2, configuration: voters(3) } };

  lone.node.enqueue({ type: 'snapshotStaged', head, records: image.records() });
  let turns = 0;
  for (; lone.node.machine.keyCount === 0 && turns < 100; turns++) {
    lone.sent.length = 0;
    const message = { type: 'heartbeat', from: 2n, to: 1n, term: 2, commit: 2, round: turns + 1 } as const;
    lone.node.enqueue({ type: 'message', message });
    lone.node.turn(lone.nowMs);
    expect(lone.sent).toContainEqual(expect.objectContaining({ type: 'heartbeatReply', round: turns + 1 }));
  }
  expect(turns).toBeGreaterThan(4);
  expect(lone.node.machine.digest()).toBe(ahead.digest());
});

test('R11: of two images that arrive the later one is installed, though the first was whole', () => {
  const lone = new LoneNode().follow(2, [empty(2, 2)], 2);
  const machine = new Machine();
  for (const entry of restored(3).entries) machine.apply(entry);
  machine.apply(empty(2, 2));
  const image = new ImageDouble();
  for (const index of [3, 4]) {
    machine.apply(commandEntry(index, 2, { ...grant, id: BigInt(index) }, 3n, index));
    image.write(machine.takeImageBatch() as ImageBatch);
    const head = { from: 2n, to: 1n, term: 2, meta: { index, term: 2, configuration: voters(3) } };
    lone.node.enqueue({ type: 'snapshotStaged', head, records: [...image.records()] });
  }
  lone.turn();
  expect(lone.node.machine.appliedIndex).toBe(4);
  expect(lone.node.machine.digest()).toBe(machine.digest());
});

test('S5: commands that wait count the values they write once more, which they do not bring', () => {
  const key = Buffer.from('k');
  const flags = { lease: 0n, prevKv: false, ignoreLease: false };
  const value = Buffer.alloc(1024 * 1024);
  const lone = onDuty()
    .propose({ type: 'put', key, value, ignoreValue: false, ...flags })
    .ack();
  expect(lone.said()).toEqual(['outcome']);
  const again: Command = { type: 'put', key, value: Buffer.alloc(0), ignoreValue: true, ...flags };
  const fit = waitingBytesMax / value.length;
  for (let i = 0; i < fit; i++) lone.propose(again);
  expect(lone.said()).toEqual([]);
  expect(lone.propose(again).said()).toEqual(['overloaded']);
  expect(lone.ack().said()).toEqual(Array(fit).fill('outcome'));
  expect(lone.propose(again).said()).toEqual([]);
});

test('W9: a compaction in the same turn ends the watchers it concerns, and no others', () => {
  const flags = { lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false };
  const put = (text: string): Command => ({ type: 'put', key: Buffer.from(text), value: Buffer.alloc(0), ...flags });
  const lone = new LoneNode().follow(2, [empty(2, 2)], 2);
  const woken: string[] = [];
  const watch = (text: string): Watcher => {
    const filters = { noPut: false, noDelete: false, prevKv: false };
    const spec = { key: Buffer.from(text), rangeEnd: new Uint8Array(0), startRevision: 0, ...filters };
    const made = lone.node.hub.watch(spec, () => woken.push(text));
    if (!(made instanceof Watcher)) throw new Error('refused');
    return made;
  };
  const [innocent, concerned, late] = [watch('other'), watch('a'), watch('b')];
  const commands = [put('a'), put('c'), put('b'), { type: 'compact', revision: 4 } as const];
  lone.follow(
    2,
    commands.map((command, at) => commandEntry(3 + at, 2, command, 3n, at + 1)),
    6,
  );
  expect(lone.node.machine.compactRevision).toBe(4);
  expect(woken).toEqual(['a', 'b']);
  const { hub } = lone.node;
  expect(hub.synced(innocent)).toBe(true);
  expect(hub.pull(concerned, 1e6)).toEqual({ type: 'compacted', compacted: 4 });
  expect(hub.pull(late, 1e6)).toMatchObject({ revision: 4, events: [{ type: 'put' }] });
  lone.follow(2, [commandEntry(7, 2, put('other'), 3n, 9)], 7);
  expect(hub.pull(innocent, 1e6)).toMatchObject({ revision: 5, events: [{ type: 'put' }] });
});

test.each([true, false])('V6: the log behind an image goes once its stream has ended, well or not: %s', (ok) => {
  const lone = new LoneNode({ logTrailingEntriesMax: 2 }).lead().ack();
  const acks = (): LoneNode => lone.ack().ack(lone.node.raft.lastIndex, 3n);
  // Long enough for the image to be due.
  const writesImage = (): number => {
    for (let i = 0; i < 60; i++) acks().propose(grant).tick();
    acks().imageWritten();
    return lone.node.status().imageIndex;
  };
  const first = writesImage();
  expect(lone.node.raft.base.index).toBe(first);
  lone.ack(lone.node.raft.lastIndex, 3n, true);
  expect(lone.streams).toEqual([3n]);
  const second = writesImage();
  expect(second).toBeGreaterThan(first);
  expect(lone.node.raft.base.index).toBe(first);
  lone.node.enqueue({ type: 'snapshotSent', to: 3n, index: first, ok });
  const third = writesImage();
  expect(third).toBeGreaterThan(second);
  expect(lone.node.raft.base.index).toBe(third);
  expect(lone.streams).toEqual([3n]);
});
