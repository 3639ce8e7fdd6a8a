/**
 * Whatever happens to answers, streams, members and the process: a lease that says that it is held has not ended at the members. These count
 * from the moment at which a question was written, the earliest that there is.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Client } from '../../../src/client/client.ts';
import { CallFailure, grpcCodes } from '../../../src/client/errors.ts';
import type { Lease } from '../../../src/client/lease/lease.ts';
import { FakeMembers } from './fake-members.ts';
import { FakeTime, settled } from './fake-time.ts';

const member = fc.nat({ max: 2 });
const event = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('pass'), ms: fc.integer({ min: 1, max: 3_000 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('stall'), ms: fc.integer({ min: 1, max: 8_000 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wall'), ms: fc.integer({ min: -9_000, max: 9_000 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('break'), member }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('silent', 'down', 'refuse', 'batch'), member, on: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delay'), member, ms: fc.integer({ min: 0, max: 4_000 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('revoke'), lease: fc.nat({ max: 4 }) }) },
);
type Event = typeof event extends fc.Arbitrary<infer E> ? E : never;

const ttls = ['1s', '2s', '5s', '20s', '60s'];

async function run(events: readonly Event[], chances: readonly number[]): Promise<number> {
  const time = new FakeTime();
  let draws = 0;
  time.random = () => chances[draws++ % chances.length] ?? 0.5;
  const members = new FakeMembers(time, 3);
  members.expiring = true;
  const client = new Client({ endpoints: members.endpoints, clock: time, connect: members.connect });
  const leases = await Promise.all(ttls.map((ttl, i) => client.lease({ ttl, id: BigInt(i + 1) })));
  let looks = 0;
  const look = (): void => {
    for (const lease of leases) {
      if (!lease.held()) continue;
      looks++;
      const leftMs = (members.ends.get(lease.id) ?? 0) - time.monotonicMs();
      expect(leftMs).toBeGreaterThan(lease.remaining);
    }
  };
  for (const each of events) {
    const at = 'member' in each ? members.members[each.member] : undefined;
    if (each.do === 'pass' && 'ms' in each)
      for (let gone = 0; gone < each.ms; gone += 100) {
        await time.pass(Math.min(100, each.ms - gone));
        look();
      }
    if (each.do === 'stall' && 'ms' in each) time.stall(each.ms);
    if (each.do === 'wall' && 'ms' in each) time.wallAheadMs += each.ms;
    if (each.do === 'delay' && at !== undefined && 'ms' in each) at.delayMs = each.ms;
    if (each.do === 'break' && at !== undefined) members.break(at);
    if (at !== undefined && 'on' in each) {
      if (each.do === 'silent') at.silent = each.on;
      if (each.do === 'down') at.down = each.on;
      if (each.do === 'batch') at.batch = each.on;
      if (each.do === 'refuse')
        at.refusal = each.on ? new CallFailure(grpcCodes.unavailable, 'etcdserver: no leader', true) : undefined;
    }
    look();
    if ('lease' in each) void (leases[each.lease] as Lease).revoke().catch(() => undefined);
  }
  await client.close();
  await time.pass(10_000);
  await settled();
  expect(time.timers).toBe(0);
  return looks;
}

test('held means not ended', async () => {
  let looks = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { minLength: 10, maxLength: 40 }),
      fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 1, maxLength: 20 }),
      async (events, chances) => {
        looks += await run(events, chances);
      },
    ),
    { numRuns: 150 },
  );
  expect(looks).toBeGreaterThan(2_000);
});
