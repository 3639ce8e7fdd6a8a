import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { peerFrameBytesMax } from '../../src/base/limits.ts';
import type { Append, Message, SnapshotHead } from '../../src/raft/message.ts';
import { validateMessage, validateSnapshotHead } from '../../src/raft/validate.ts';
import type { Entry } from '../../src/store/entry.ts';
import { entry, LoneMember, membership, restored, voters } from './lone-member.ts';

const append = (over: Partial<Append> = {}): Append => ({
  type: 'append',
  from: 2n,
  to: 1n,
  term: 5,
  prevIndex: 3,
  prevTerm: 2,
  entries: [entry(4, 3), entry(5, 5)],
  commit: 4,
  round: 1,
  ...over,
});
const check = (message: Message) => validateMessage(message, 1n, voters(3));

describe('validate', () => {
  test('sound messages pass', () => {
    const envelope = { from: 2n, to: 1n, term: 5 };
    const sound: Message[] = [
      append(),
      append({
        prevIndex: 0,
        prevTerm: 0,
        entries: [{ ...entry(1, 1), kind: 'configuration', payload: membership(3).payload }],
      }),
      { ...envelope, type: 'preVote', lastIndex: 3, lastTerm: 4 },
      { ...envelope, type: 'vote', lastIndex: 0, lastTerm: 0, transfer: true },
      { ...envelope, type: 'voteReply', granted: false },
      { ...envelope, type: 'timeoutNow' },
      { ...envelope, type: 'heartbeat', commit: 0, round: 0 },
      { ...envelope, type: 'roundReply', boot: 1, context: 2 ** 51, index: 3 },
    ];
    for (const message of sound) expect(check(message)).toBeUndefined();
  });

  test('impossible appends are refused', () => {
    const bad: Partial<Append>[] = [
      { from: 1n },
      { from: 0n },
      { from: 9n },
      { to: 2n },
      { term: 0 },
      { term: 1.5 },
      { term: 2 ** 53 },
      { prevIndex: -1 },
      { prevIndex: Number.NaN },
      { prevIndex: 0 },
      { prevTerm: 6 },
      { commit: -1 },
      { round: Number.POSITIVE_INFINITY },
      { entries: [entry(5, 3)] },
      { entries: [entry(4, 3), entry(6, 3)] },
      { entries: [entry(4, 1)] },
      { entries: [entry(4, 3), entry(5, 2)] },
      { entries: [entry(4, 6)] },
      { entries: [{ ...entry(4, 3), kind: 'empty' }] },
      { entries: [{ ...entry(4, 3), kind: 'configuration' }] },
      { entries: [{ ...entry(4, 3), payload: Buffer.alloc(peerFrameBytesMax + 1) }] },
    ];
    bad.forEach((over, i) => {
      expect(check(append(over)), `${i}: ${Object.keys(over)}`).toBeTypeOf('string');
    });
  });

  test('impossible snapshots are refused', () => {
    const head: SnapshotHead = { from: 2n, to: 1n, term: 5, meta: { index: 4, term: 3, configuration: voters(3) } };
    const refused = (over: Partial<SnapshotHead>) => validateSnapshotHead({ ...head, ...over }, 1n, voters(3));
    expect(refused({})).toBeUndefined();
    expect(refused({ from: 7n })).toBeTypeOf('string');
    expect(refused({ meta: { ...head.meta, index: 0 } })).toBeTypeOf('string');
    expect(refused({ meta: { ...head.meta, term: 6 } })).toBeTypeOf('string');
    expect(refused({ meta: { ...head.meta, configuration: { voters: [2n, 1n], learners: [] } } })).toBeTypeOf('string');
    expect(refused({ meta: { ...head.meta, configuration: { voters: [1n], learners: [1n] } } })).toBeTypeOf('string');
  });

  test('whatever a peer sends, a member neither throws nor gives up what is committed', () => {
    const small = fc.oneof(
      fc.integer({ min: 0, max: 12 }),
      fc.constantFrom(-1, 0.5, Number.NaN, 2 ** 52, 2 ** 53, Number.POSITIVE_INFINITY),
    );
    const made: fc.Arbitrary<Entry> = fc.record({
      index: small,
      term: small,
      kind: fc.constantFrom('empty', 'commands', 'configuration'),
      payload: fc.constantFrom<Uint8Array>(
        Buffer.alloc(0),
        Buffer.from('x'),
        membership(3).payload,
        membership(5).payload,
      ),
    });
    const run = fc
      .tuple(small, fc.integer({ min: 1, max: 5 }))
      .map(([first, count]) =>
        Array.from({ length: count }, (_, i) => ({ ...entry(first + i, 2 + (i >> 1)), kind: 'commands' as const })),
      );
    const message = fc.record({
      type: fc.constantFrom(
        ...([
          'preVote',
          'preVoteReply',
          'vote',
          'voteReply',
          'append',
          'appendReply',
          'heartbeat',
          'heartbeatReply',
          'timeoutNow',
          'roundRequest',
          'roundReply',
          'nonsense',
        ] as const),
      ),
      from: fc.constantFrom(0n, 1n, 2n, 3n, 9n),
      to: fc.constantFrom(1n, 1n, 1n, 2n),
      term: small,
      lastIndex: small,
      lastTerm: small,
      granted: fc.boolean(),
      transfer: fc.boolean(),
      prevIndex: small,
      prevTerm: small,
      entries: fc.oneof(fc.array(made, { maxLength: 3 }), run),
      commit: small,
      round: small,
      accepted: fc.boolean(),
      match: small,
      hintIndex: small,
      hintTerm: small,
      needsSnapshot: fc.boolean(),
      boot: small,
      context: small,
      index: small,
    });
    const input = fc.oneof(
      { weight: 12, arbitrary: message },
      { weight: 2, arbitrary: fc.constant('tick' as const) },
      { weight: 1, arbitrary: fc.constant('timeout' as const) },
      { weight: 1, arbitrary: fc.constant('propose' as const) },
      {
        weight: 1,
        arbitrary: fc.record({
          from: fc.constantFrom(2n, 3n),
          to: fc.constant(1n),
          term: small,
          meta: fc.record({ index: small, term: small, configuration: fc.constant(voters(3)) }),
        }),
      },
    );
    fc.assert(
      fc.property(fc.array(input, { maxLength: 60 }), (inputs) => {
        const member = new LoneMember(
          restored(3, [entry(2, 1), entry(3, 2)], { hardState: { term: 2, vote: 0n, commit: 2 } }),
        );
        const committed = new Map<number, number | undefined>();
        for (const one of inputs) {
          if (one === 'tick') member.tick();
          else if (one === 'timeout') member.tick(25);
          else if (one === 'propose') member.raft.propose('commands', Buffer.from('p'));
          else if ('type' in one) member.raft.step(one as unknown as Message);
          else if (member.raft.beginInstall(one) !== undefined) member.raft.installed();
          member.turn();
          for (const [index, term] of committed) {
            if (index > member.raft.base.index) expect(member.raft.termAt(index)).toBe(term);
          }
          for (let i = member.raft.base.index + 1; i <= member.raft.commit; i++)
            committed.set(i, member.raft.termAt(i));
        }
      }),
      { numRuns: Number(process.env['FUZZ_RUNS'] ?? 500) },
    );
  });
});
