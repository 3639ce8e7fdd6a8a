import { expect, test } from 'vitest';
import { AssertionFailure } from '../../src/base/assert.ts';
import { waitingBytesMax, waitingRequestsMax } from '../../src/base/limits.ts';
import type { Answer } from '../../src/node/answer.ts';
import { Proposals } from '../../src/node/proposals.ts';
import type { Command } from '../../src/state/command.ts';
import type { Outcome } from '../../src/state/outcome.ts';

const member = 7n;
const boot = 3;
const revoke: Command = { type: 'revoke', id: 1n };
const done: Outcome = { ok: true, revision: 2, result: { type: 'done', touched: 1 } };

function submitted(proposals: Proposals, timeoutMs = 5_000, nowMs = 0): Answer[] {
  const answers: Answer[] = [];
  proposals.submit(revoke, timeoutMs, (answer) => answers.push(answer), nowMs);
  return answers;
}

test('a command is answered when its origin is applied, and by no other origin', () => {
  const proposals = new Proposals(member, boot, 1_000);
  const answers = submitted(proposals);
  proposals.aim(1, 5);
  proposals.settle({ member, boot: boot - 1, seq: 1 }, done);
  proposals.settle({ member: 8n, boot, seq: 1 }, done);
  proposals.settle({ member, boot, seq: 0 }, done);
  expect(answers).toEqual([]);
  proposals.settle({ member, boot, seq: 1 }, done);
  proposals.settle({ member, boot, seq: 1 }, done);
  expect(answers).toEqual([{ type: 'outcome', outcome: done }]);
  expect(proposals.count).toBe(0);
});

test('K3: the first entry of a newer term proves that what was aimed below it did not happen; it is held again, in order', () => {
  const proposals = new Proposals(member, boot, 1_000);
  const first = submitted(proposals);
  submitted(proposals);
  submitted(proposals);
  proposals.aim(2, 5);
  proposals.aim(1, 6);
  proposals.termApplied(6, 10);
  expect(proposals.held().map((waiter) => waiter.seq)).toEqual([1, 2]);
  proposals.aim(2, 6);
  proposals.termApplied(6, 20);
  expect(proposals.held()).toEqual([]);
  proposals.settle({ member, boot, seq: 1 }, done);
  expect(first).toHaveLength(1);
});

test('K3: an outcome for a command that nobody was given is a bug', () => {
  const proposals = new Proposals(member, boot, 1_000);
  submitted(proposals);
  expect(() => proposals.settle({ member, boot, seq: 1 }, done)).toThrow(AssertionFailure);
});

test('a refusal counts only from the term it was aimed at, and says for certain that nothing was done', () => {
  const proposals = new Proposals(member, boot, 1_000);
  const answers = submitted(proposals);
  proposals.aim(1, 5);
  proposals.refused([1], 4, 'overloaded');
  expect(answers).toEqual([]);
  proposals.refused([1, 99], 5, 'noSpace');
  expect(answers).toEqual([{ type: 'unavailable', why: 'noSpace' }]);
  expect(proposals.held()).toEqual([]);
});

test('K3: a refusal that arrives twice proposes nothing twice', () => {
  const proposals = new Proposals(member, boot, 1_000);
  const answers = submitted(proposals);
  proposals.aim(1, 5);
  proposals.refused([1], 5, 'overloaded');
  // Whatever is held goes out again; then the network delivers the refusal a second time.
  proposals.aim(proposals.held().length, 5);
  proposals.refused([1], 5, 'overloaded');
  expect(proposals.held()).toEqual([]);
  proposals.settle({ member, boot, seq: 1 }, done);
  expect(answers).toHaveLength(1);
});

test('V3: held without a leader for the whole hold: no leader, and certainly not done', () => {
  const proposals = new Proposals(member, boot, 1_000);
  const answers = submitted(proposals);
  proposals.expire(999, false);
  expect(answers).toEqual([]);
  proposals.expire(1_000, false);
  expect(answers).toEqual([{ type: 'unavailable', why: 'noLeader' }]);
  expect(proposals.held()).toEqual([]);
});

test('V3: aimed and past its deadline: unknown', () => {
  const proposals = new Proposals(member, boot, 1_000);
  const answers = submitted(proposals);
  proposals.aim(1, 5);
  proposals.expire(4_999, true);
  expect(answers).toEqual([]);
  proposals.expire(5_000, true);
  expect(answers).toEqual([{ type: 'unavailable', why: 'timedOut' }]);
});

test('what an installed snapshot skipped is unknown; what was held goes on', () => {
  const proposals = new Proposals(member, boot, 1_000);
  const aimed = submitted(proposals);
  const held = submitted(proposals);
  proposals.aim(1, 5);
  proposals.skipped();
  expect(aimed).toEqual([{ type: 'unavailable', why: 'unknown' }]);
  expect(held).toEqual([]);
  proposals.stop();
  expect(held).toEqual([{ type: 'unavailable', why: 'stopped' }]);
});

test('the limit on waiting commands refuses at once', () => {
  const proposals = new Proposals(member, boot, 1_000);
  for (let i = 0; i < waitingRequestsMax; i++) proposals.submit(revoke, 5_000, () => undefined, 0);
  expect(submitted(proposals)).toEqual([{ type: 'unavailable', why: 'overloaded' }]);
  expect(proposals.count).toBe(waitingRequestsMax);
});

test('so does the limit on their bytes; each that ends makes room', () => {
  const proposals = new Proposals(member, boot, 1_000);
  const put = (): Answer[] => {
    const answers: Answer[] = [];
    const [key, value] = [Buffer.from('k'), Buffer.alloc(1024 * 1024)];
    const flags = { prevKv: false, ignoreValue: false, ignoreLease: false };
    proposals.submit({ type: 'put', key, value, lease: 0n, ...flags }, 5_000, (answer) => answers.push(answer), 0);
    return answers;
  };
  const waiting = Math.ceil(waitingBytesMax / (1024 * 1024));
  for (let i = 0; i < waiting; i++) expect(put()).toEqual([]);
  expect(put()).toEqual([{ type: 'unavailable', why: 'overloaded' }]);
  expect(proposals.count).toBe(waiting);
  proposals.aim(2, 5);
  proposals.settle({ member, boot, seq: 1 }, done);
  expect(put()).toEqual([]);
  expect(put()).toEqual([{ type: 'unavailable', why: 'overloaded' }]);
  proposals.skipped();
  expect(put()).toEqual([]);
  expect(put()).toEqual([{ type: 'unavailable', why: 'overloaded' }]);
});
