/** The hint to the leader, by members that say what a test wants; and when the cluster is looked at, on a clock that it moves. */
import { afterEach, describe, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../../src/client/clock.ts';
import { Calls } from '../../../src/client/transport/calls.ts';
import type { Channel } from '../../../src/client/transport/channel.ts';
import { grpcConnect } from '../../../src/client/transport/grpc-channel.ts';
import { preferLeader } from '../../../src/client/transport/leader-hint.ts';
import { Members } from '../../../src/client/transport/members.ts';
import { Rounds } from '../../../src/client/transport/rounds.ts';
import { encode } from '../../../src/client/wire/codec.ts';
import { until } from '../../rpc/wire-client.ts';
import { answer, StrangeMember, whenAsked } from './strange-member.ts';

interface Says {
  id: bigint;
  leader: bigint;
  term: bigint;
  isLearner?: boolean;
}

const open: { stop(): void }[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.stop();
});

async function saying(says: Says): Promise<StrangeMember> {
  const member = await StrangeMember.serving((stream, path) => {
    const { id, leader, term, isLearner = false } = says;
    const status = { header: { memberId: id }, leader, raftTerm: term, isLearner };
    const reply = path.endsWith('Status') ? encode('StatusResponse', status) : encode('PutResponse', {});
    whenAsked(stream, () => answer(stream, reply));
  });
  open.push(member);
  return member;
}

const puts = ({ calls }: StrangeMember): number => calls.filter((path) => path.endsWith('Put')).length;

/** Calls until one goes to that member, and then to see whether they stay there. */
async function allGoTo(wanted: StrangeMember, ...members: readonly StrangeMember[]): Promise<void> {
  const pool = new Members(
    members.map(({ endpoint }) => endpoint),
    grpcConnect({ pingMs: 6_000 }),
    systemClock,
  );
  open.push({ stop: () => pool.close() });
  const calls = new Calls(pool, systemClock, undefined, 10_000);
  preferLeader(systemClock, pool, calls);
  const put = () => calls.call('put', { key: Buffer.from('k') }, { kind: 'once' });
  for (let tries = 0; tries < 2_000 && puts(wanted) < 20; tries++) await put();
  const before = puts(wanted);
  for (let more = 0; more < 20; more++) await put();
  expect(puts(wanted) - before).toBe(20);
}

describe('the leader', () => {
  test('is who leads in the newest term, whatever one of an older term believes', async () => {
    const stale = await saying({ id: 1n, leader: 1n, term: 4n });
    const leader = await saying({ id: 2n, leader: 2n, term: 5n });
    const lost = await saying({ id: 3n, leader: 0n, term: 9n });
    await allGoTo(leader, stale, leader, lost);
  });

  test('a learner is avoided', async () => {
    const learner = await saying({ id: 1n, leader: 2n, term: 4n, isLearner: true });
    const leader = await saying({ id: 2n, leader: 2n, term: 4n });
    await allGoTo(leader, learner, leader);
  });

  test('one that cannot be reached leaves calls where they are', async () => {
    const follower = await saying({ id: 1n, leader: 9n, term: 4n });
    await allGoTo(follower, follower);
  });
});

describe('rounds', () => {
  /** A clock that stands, and the delays that were asked for. */
  function standing(): { clock: Clock; delays: number[]; next(): Promise<void> } {
    const delays: number[] = [];
    let waiting: (() => void) | undefined;
    const clock: Clock = {
      ...systemClock,
      random: () => 0.5,
      after: (delayMs, step) => {
        delays.push(delayMs);
        waiting = step;
        return {
          cancel: () => {
            if (waiting === step) waiting = undefined;
          },
        };
      },
    };
    const next = async (): Promise<void> => {
      const step = waiting;
      waiting = undefined;
      if (step === undefined) throw new Error('nothing is waited for');
      step();
      for (let turns = 0; turns < 5; turns++) await new Promise((resolve) => setImmediate(resolve));
    };
    return { clock, delays, next };
  }

  const connect = (endpoint: string): Channel =>
    ({ endpoint, ready: async () => {}, close: () => {} }) as Partial<Channel> as Channel;

  test('at first use and after a failure soon, in vain ever later, else rarely; none once it is closed', async () => {
    const { clock, delays, next } = standing();
    const members = new Members(['a'], connect, systemClock);
    let found = false;
    let looks = 0;
    const rounds = new Rounds(clock, members, 60_000, async () => {
      looks++;
      return found;
    });
    expect(rounds).toBeDefined();
    expect(delays).toEqual([]);
    const channel = await members.choose({ timeoutMs: 1_000 });
    for (let rounds = 0; rounds < 10; rounds++) await next();
    expect(delays).toEqual([25, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
    found = true;
    await next();
    expect(delays.at(-1)).toBe(60_000);
    members.failed(channel);
    expect(delays.at(-1)).toBe(25);
    await next();
    expect(looks).toBe(12);
    members.close();
    await expect(next()).rejects.toThrow('nothing is waited for');
  });

  test('what changes during a look makes for another one soon', async () => {
    const { clock, delays, next } = standing();
    const members = new Members(['a'], connect, systemClock);
    let finish: ((found: boolean) => void) | undefined;
    const look = () => new Promise<boolean>((resolve) => (finish = resolve));
    expect(new Rounds(clock, members, 60_000, look)).toBeDefined();
    const channel = await members.choose({ timeoutMs: 1_000 });
    await next();
    members.failed(channel);
    expect(delays).toEqual([25]);
    finish?.(true);
    await until(() => delays.length === 2, 'the next is waited for');
    expect(delays[1]).toBe(250);
    members.close();
  });
});
