import { expect, test } from 'vitest';
import { type AskOutcome, decideStart } from '../../src/peer/ask.ts';
import { MemoryBoots, nowhere, TestMember, until } from './member.ts';

const unknown: AskOutcome = { type: 'answer', knownBoot: 0, fresh: false };
const fresh: AskOutcome = { type: 'answer', knownBoot: 0, fresh: true };
const known: AskOutcome = { type: 'answer', knownBoot: 3, fresh: false };
const silent: AskOutcome = { type: 'silent', why: 'ECONNREFUSED' };
const foreign: AskOutcome = { type: 'refused', refusal: { reason: 'clusterMismatch', text: 'cluster id mismatch' } };
const busy: AskOutcome = { type: 'refused', refusal: { reason: 'busy', text: 'busy' } };

const decisions: readonly [readonly (AskOutcome | undefined)[], 'proceed' | 'wait' | 'refuse'][] = [
  [[], 'proceed'],
  [[unknown, unknown], 'proceed'],
  [[fresh, fresh], 'proceed'],
  [[fresh, silent], 'proceed'],
  [[undefined, fresh], 'proceed'],
  [[unknown, silent], 'wait'],
  [[silent, silent], 'wait'],
  [[undefined, undefined], 'wait'],
  [[busy, unknown], 'wait'],
  [[known, unknown], 'refuse'],
  [[fresh, known], 'refuse'],
  [[known, silent], 'refuse'],
  [[foreign, fresh], 'refuse'],
  [[fresh, silent, silent, silent], 'wait'],
  [[fresh, fresh, silent, silent], 'proceed'],
  [[fresh, unknown, unknown, silent], 'wait'],
  [[fresh, silent, silent], 'wait'],
  [[silent], 'wait'],
  [[fresh], 'proceed'],
];

test.each(decisions)('answers %j: %s', (answers, expected) => {
  const peers = answers.map((_, i) => BigInt(i + 2));
  const outcomes = new Map(answers.flatMap((answer, i) => (answer === undefined ? [] : [[BigInt(i + 2), answer]])));
  expect(decideStart(1n, peers, outcomes as Map<bigint, AskOutcome>).type).toBe(expected);
});

test('a refusal names the member, the start and the remedy, in one line', () => {
  const { text } = decideStart(0xabn, [2n], new Map([[2n, known]]));
  expect(text).toBe(
    'member ab is known to member 2 with data (start 3), but its data directory is empty: ' +
      'restore its data directory, or remove it and come back under a new id',
  );
  expect(decideStart(1n, [2n], new Map([[2n, silent]])).text).toContain('2 (ECONNREFUSED)');
});

test('three new members form a cluster, also when they ask each other at once', async () => {
  const members = await Promise.all([1n, 2n, 3n].map((id) => TestMember.listening(id, [], { fresh: true })));
  for (const member of members) {
    member.peers.setPeers(members.filter((other) => other !== member).map((other) => other.address));
  }
  const decided = await Promise.all(members.map((member) => member.peers.ask(() => {})));
  expect(decided.map((decision) => decision?.type)).toEqual(['proceed', 'proceed', 'proceed']);
});

test('two of three form a cluster one after the other; the third may join later', async () => {
  const [a, b] = await Promise.all([1n, 2n].map((id) => TestMember.listening(id, [], { fresh: true })));
  const address = (member: bigint) => ({ member, url: nowhere });
  a!.peers.setPeers([b!.address, address(3n)]);
  b!.peers.setPeers([a!.address, address(3n)]);
  expect((await a!.peers.ask(() => {}))?.type).toBe('proceed');
  // The first has started, but nothing can be acknowledged without the second: it still counts as fresh.
  a!.peers.start(1);
  expect((await b!.peers.ask(() => {}))?.type).toBe('proceed');
  b!.peers.start(1);
  await until('they talk', () => a!.outgoing(2n).up && b!.outgoing(1n).up);
  a!.fresh = false;
  b!.fresh = false;
  const c = await TestMember.listening(3n, [a!.address, b!.address], { fresh: true });
  a!.peers.setPeers([b!.address, c.address]);
  b!.peers.setPeers([a!.address, c.address]);
  expect((await c.peers.ask(() => {}))?.type).toBe('proceed');
});

test('a member that lost its directory is refused by whoever knows it, at the first answer', async () => {
  const boots = new MemoryBoots();
  boots.boots.set(1n, 3);
  const b = await TestMember.listening(2n, [], { boots });
  b.peers.setPeers([
    { member: 1n, url: nowhere },
    { member: 3n, url: nowhere },
  ]);
  b.peers.start(7);
  const a = await TestMember.listening(1n, [b.address, { member: 3n, url: nowhere }], { fresh: true });
  const decision = await a.peers.ask(() => {});
  expect(decision?.type).toBe('refuse');
  expect(decision?.text).toContain('known to member 2 with data (start 3)');
  // Asking is no start: nothing was remembered of it.
  expect(boots.noted).toEqual([]);
});

test('a member that has not read its data yet does not pass for one that has none', async () => {
  const boots = new MemoryBoots();
  const b = await TestMember.listening(2n, [{ member: 1n, url: nowhere }], { boots, fresh: false });
  const waits: string[] = [];
  const a = await TestMember.listening(1n, [b.address], { fresh: true });
  const asked = a.peers.ask((text) => void waits.push(text));
  await until('it waits', () => waits.length > 0);
  expect(waits).toEqual(['empty data directory: waiting for an answer of 2 (member 2 has not read its data yet)']);
  // Now it has, and knows the asker.
  boots.boots.set(1n, 4);
  b.peers.start(5);
  expect((await asked)?.type).toBe('refuse');
});

test('who gets no answer waits, says for whom, and proceeds when they come', async () => {
  const waits: string[] = [];
  const b = new TestMember(2n, [{ member: 1n, url: nowhere }], { fresh: true });
  const probe = await TestMember.listening(9n, []);
  const port = probe.port;
  await probe.peers.close();
  const a = await TestMember.listening(1n, [{ member: 2n, url: `http://127.0.0.1:${port}` }], { fresh: true });
  const decided = a.peers.ask((text) => void waits.push(text));
  await until('a reason to wait', () => waits.length === 1);
  expect(waits[0]).toContain('waiting for an answer of 2 (');
  await b.listen(port);
  expect((await decided)?.type).toBe('proceed');
});

test('close ends the waiting', async () => {
  const a = await TestMember.listening(1n, [{ member: 2n, url: nowhere }], { fresh: true });
  const decided = a.peers.ask(() => {});
  await a.peers.close();
  expect(await decided).toBeUndefined();
});
