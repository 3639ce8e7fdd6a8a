import { expect, test } from 'vitest';
import { forwardBatchesRememberedMax, forwardedBytesMax, forwardedCommandsMax } from '../../src/base/limits.ts';
import { Forwards } from '../../src/node/forwards.ts';
import type { ForwardCommands } from '../../src/node/peer-message.ts';
import { encodeCommand } from '../../src/state/codec.ts';
import type { Command } from '../../src/state/command.ts';

const self = 1n;
const from = 2n;
const revoke: Command = { type: 'revoke', id: 9n };
const never = (): boolean => false;

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
  expect(forwards.take(batch(1), self, undefined, never)).toEqual([]);
  expect(forwards.take(batch(1), self, 6, never)).toEqual([]);
  expect(forwards.queued()).toHaveLength(0);
  forwards.take(batch(1), self, 5, never);
  forwards.take(batch(1), self, 5, never);
  expect(forwards.queued()).toHaveLength(1);
  forwards.take(batch(3), self, 5, never);
  forwards.take(batch(2), self, 5, never);
  forwards.take(batch(2), self, 5, never);
  expect(forwards.queued()).toHaveLength(3);
  forwards.take(batch(1, { boot: 2 }), self, 5, never);
  expect(forwards.queued()).toHaveLength(4);
  forwards.take(batch(9, { boot: 1 }), self, 5, never);
  expect(forwards.queued()).toHaveLength(4);
});

test('a copy that comes later than the memory of batches reaches is passed over', () => {
  const forwards = new Forwards();
  for (let number = 1; number <= 3 * forwardBatchesRememberedMax; number++)
    forwards.take(batch(number), self, 5, never);
  expect(forwards.queued()).toHaveLength(3 * forwardBatchesRememberedMax);
  for (let number = 1; number <= 3 * forwardBatchesRememberedMax; number++)
    forwards.take(batch(number), self, 5, never);
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
  forwards.take(batch(1, { commands: [foreign, otherBoot, duty, garbage, good] }), self, 5, never);
  expect(forwards.queued().map(({ command }) => command)).toEqual([revoke]);
});

test('over the limit the sender is told which commands were not proposed', () => {
  const forwards = new Forwards();
  const seqs = Array.from({ length: forwardedCommandsMax + 2 }, (_, i) => i + 1);
  const refused = forwards.take(batch(1, {}, seqs), self, 5, never);
  expect(forwards.queued()).toHaveLength(forwardedCommandsMax);
  expect(refused).toMatchObject([
    { type: 'forwardRefused', to: from, term: 5, why: 'overloaded', seqs: seqs.slice(-2) },
  ]);
  forwards.proposed(forwardedCommandsMax);
  expect(forwards.queued()).toHaveLength(0);
});

test('over the limit of bytes too; what is proposed makes room', () => {
  const forwards = new Forwards();
  const large = (seq: number): ForwardCommands => {
    const origin = { member: from, boot: 1, seq };
    const [key, value] = [Buffer.from('k'), Buffer.alloc(1024 * 1024)];
    const flags = { prevKv: false, ignoreValue: false, ignoreLease: false };
    const command: Command = { type: 'put', key, value, lease: 0n, ...flags };
    return batch(seq, { commands: [encodeCommand({ origin, command })] });
  };
  const room = Math.ceil(forwardedBytesMax / (1024 * 1024));
  for (let seq = 1; seq <= room; seq++) expect(forwards.take(large(seq), self, 5, never)).toEqual([]);
  expect(forwards.take(large(room + 1), self, 5, never)).toMatchObject([{ why: 'overloaded', seqs: [room + 1] }]);
  forwards.proposed(1);
  expect(forwards.take(large(room + 2), self, 5, never)).toEqual([]);
  expect(forwards.take(large(room + 3), self, 5, never)).toMatchObject([{ seqs: [room + 3] }]);
  forwards.clear();
  expect(forwards.take(large(room + 4), self, 5, never)).toEqual([]);
});

test('S5: what the leader has no space for is refused as that, and the rest of the batch is taken', () => {
  const forwards = new Forwards();
  const grant: Command = { type: 'grant', id: 3n, ttlMs: 1_000 };
  const commands = [grant, revoke].map((command, i) =>
    encodeCommand({ origin: { member: from, boot: 1, seq: i + 1 }, command }),
  );
  const refused = forwards.take(batch(1, { commands }), self, 5, (command) => command.type === 'grant');
  expect(refused).toMatchObject([{ why: 'noSpace', seqs: [1] }]);
  expect(forwards.queued().map(({ command }) => command)).toEqual([revoke]);
});
