import { expect, test } from 'vitest';
import { forwardBatchesRememberedMax, forwardedCommandsMax } from '../../src/base/limits.ts';
import { Forwards } from '../../src/node/forwards.ts';
import type { ForwardCommands } from '../../src/node/peer-message.ts';
import { encodeCommand } from '../../src/state/codec.ts';
import type { Command } from '../../src/state/command.ts';

const self = 1n;
const from = 2n;
const revoke: Command = { type: 'revoke', id: 9n };

function batch(
  number: number,
  changes: Partial<ForwardCommands> = {},
  seqs: readonly number[] = [number],
): ForwardCommands {
  const boot = changes.boot ?? 1;
  const commands = seqs.map((seq) => encodeCommand({ origin: { member: from, boot, seq }, command: revoke }));
  return { type: 'forwardCommands', from, to: self, term: 5, boot, batch: number, commands, ...changes };
}

test('each batch is taken once, in the term it names, by the leader of that term', () => {
  const forwards = new Forwards();
  expect(forwards.take(batch(1), self, undefined)).toBeUndefined();
  expect(forwards.take(batch(1), self, 6)).toBeUndefined();
  expect(forwards.queued()).toHaveLength(0);
  forwards.take(batch(1), self, 5);
  forwards.take(batch(1), self, 5);
  expect(forwards.queued()).toHaveLength(1);
  forwards.take(batch(3), self, 5);
  forwards.take(batch(2), self, 5);
  forwards.take(batch(2), self, 5);
  expect(forwards.queued()).toHaveLength(3);
  forwards.take(batch(1, { boot: 2 }), self, 5);
  expect(forwards.queued()).toHaveLength(4);
  forwards.take(batch(9, { boot: 1 }), self, 5);
  expect(forwards.queued()).toHaveLength(4);
});

test('a copy that comes later than the memory of batches reaches is passed over', () => {
  const forwards = new Forwards();
  for (let number = 1; number <= 3 * forwardBatchesRememberedMax; number++) forwards.take(batch(number), self, 5);
  expect(forwards.queued()).toHaveLength(3 * forwardBatchesRememberedMax);
  for (let number = 1; number <= 3 * forwardBatchesRememberedMax; number++) forwards.take(batch(number), self, 5);
  expect(forwards.queued()).toHaveLength(3 * forwardBatchesRememberedMax);
});

test('what is not its own command, or a decision of the primary, or no command at all, is not taken', () => {
  const forwards = new Forwards();
  const foreign = encodeCommand({ origin: { member: 3n, boot: 1, seq: 1 }, command: revoke });
  const otherBoot = encodeCommand({ origin: { member: from, boot: 2, seq: 1 }, command: revoke });
  const duty = encodeCommand({
    origin: { member: from, boot: 1, seq: 1 },
    command: { type: 'expire', term: 5, leases: [{ id: 1n, stamp: 1 }] },
  });
  const garbage = Uint8Array.of(1, 2, 3);
  const good = encodeCommand({ origin: { member: from, boot: 1, seq: 4 }, command: revoke });
  forwards.take(batch(1, { commands: [foreign, otherBoot, duty, garbage, good] }), self, 5);
  expect(forwards.queued().map(({ command }) => command)).toEqual([revoke]);
});

test('over the limit the sender is told which commands were not proposed', () => {
  const forwards = new Forwards();
  const seqs = Array.from({ length: forwardedCommandsMax + 2 }, (_, i) => i + 1);
  const refused = forwards.take(batch(1, {}, seqs), self, 5);
  expect(forwards.queued()).toHaveLength(forwardedCommandsMax);
  expect(refused).toMatchObject({ type: 'forwardRefused', to: from, term: 5, seqs: seqs.slice(-2) });
  forwards.proposed(forwardedCommandsMax);
  expect(forwards.queued()).toHaveLength(0);
});
