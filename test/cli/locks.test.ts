/**
 * `leasectl lock` and `leasectl elect`, against a member of ours and, where there is one, a real etcd: the outputs, texts and exit
 * codes are those of etcdctl 3.4.23.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { leasectl } from '../../src/cli/leasectl.ts';
import { int64Of } from '../../src/rpc/int64.ts';
import { plainCall } from '../rpc/plain-call.ts';
import { Fixture, until, WireClient } from '../rpc/wire-client.ts';
import { etcdInstalled, RealEtcd } from '../support/real-etcd.ts';
import { tool } from './run-tool.ts';

let fixture: Fixture;
let etcd: RealEtcd | undefined;
let folder: string;
const channels: grpc.Client[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'leasectl-lock-'));
  fixture = await Fixture.start();
  if (etcdInstalled) etcd = await RealEtcd.start();
});
afterAll(async () => {
  for (const channel of channels) channel.close();
  await fixture.stop();
  etcd?.stop();
  rmSync(folder, { recursive: true, force: true });
  expect(fixture.bugs).toEqual([]);
});

/** A command that goes on until it is interrupted. */
class Running {
  readonly #interrupt = new AbortController();
  readonly ended: Promise<number>;
  out = '';
  err = '';

  constructor(endpoint: string, argv: readonly string[]) {
    this.ended = leasectl([`--endpoints=${endpoint}`, ...argv], {
      env: { PATH: process.env['PATH'] },
      sink: {
        out: (text) => {
          this.out += Buffer.from(text as string).toString('latin1');
        },
        err: (text) => {
          this.err += text;
        },
      },
      interrupted: this.#interrupt.signal,
      input: async () => new Uint8Array(0),
    });
  }

  interrupt(): Promise<number> {
    this.#interrupt.abort();
    return this.ended;
  }

  printed(pattern: RegExp): Promise<void> {
    return until(() => pattern.test(this.out), `it prints ${pattern}; it printed ${this.out}${this.err}`);
  }
}

describe('what is said before any member is asked', () => {
  test.each([
    ['lock', 128, 'lock takes a lock name argument and an optional command to execute'],
    ['elect', 128, 'elect takes one election name argument and an optional proposal argument'],
    ['elect a b c', 128, 'elect takes one election name argument and an optional proposal argument'],
    ['elect a', 128, 'no proposal argument but -l not set'],
    ['elect a b -l', 128, 'proposal given but -l is set'],
    ['lock a -w table', 4, 'table not supported as output format'],
    ['lock --ttl=abc a', 1, 'invalid argument "abc" for "--ttl" flag: strconv.ParseInt: parsing "abc": invalid syntax'],
  ])('leasectl %s', async (line, code, text) => {
    const run = await tool([...line.split(' '), '--endpoints=127.0.0.1:1'], {});
    expect(run).toEqual({ code, out: '', err: `Error: ${text}\n` });
  });
});

const sides: readonly (readonly [string, () => string])[] = [
  ['a member of ours', () => `127.0.0.1:${fixture.port}`],
  ...(etcdInstalled ? [['a real etcd', () => etcd?.address ?? ''] as const] : []),
];

describe.each(sides)('against %s', (_name, endpointOf) => {
  let endpoint: string;
  let client: WireClient;
  const keys = async (name: string): Promise<number> => {
    const answer = await plainCall(client, 'KV/Range', { key: `${name}/`, rangeEnd: `${name}0` });
    return 'code' in answer ? -1 : Number(answer['count'] ?? 0);
  };
  const leases = async (): Promise<number> => {
    const answer = await plainCall(client, 'Lease/LeaseLeases', {});
    return 'code' in answer ? -1 : ((answer['leases'] as readonly unknown[] | undefined)?.length ?? 0);
  };
  beforeAll(() => {
    endpoint = endpointOf();
    const channel = new grpc.Client(endpoint, grpc.credentials.createInsecure());
    channels.push(channel);
    client = new WireClient(channel);
  });

  test('a lock is held until the user has had enough, and leaves nothing', async () => {
    const holder = new Running(endpoint, ['lock', 'door']);
    await holder.printed(/^door\/[0-9a-f]+\n\n$/);
    const next = new Running(endpoint, ['lock', 'door', '-w', 'json']);
    await expect.poll(() => keys('door'), { timeout: 10_000 }).toBe(2);
    expect(await holder.interrupt()).toBe(0);
    await next.printed(/^\{"header":\{.*\},"kvs":\[\{"key":".*"create_revision":\d+.*\],"count":1\}\n$/);
    expect(await next.interrupt()).toBe(0);
    expect(await keys('door')).toBe(0);
    expect(await leases()).toBe(0);
    expect(holder.err + next.err).toBe('');
  });

  test('one that waits and is interrupted leaves no key', async () => {
    const holder = new Running(endpoint, ['lock', 'door']);
    await holder.printed(/^door/);
    const waiting = new Running(endpoint, ['lock', 'door']);
    await expect.poll(() => keys('door'), { timeout: 10_000 }).toBe(2);
    expect(await waiting.interrupt()).toBe(1);
    expect(waiting.err).toBe('Error: context canceled\n');
    expect(await keys('door')).toBe(1);
    await holder.interrupt();
  });

  test('a program runs under the lock and knows the token; its end is the end of the lock', async () => {
    const file = join(folder, 'env');
    const script = `echo "$ETCD_LOCK_KEY $ETCD_LOCK_REV $LEASEHOLD_LOCK_TOKEN" > ${file}`;
    const run = await tool([`--endpoints=${endpoint}`, 'lock', 'job', '--', 'sh', '-c', script], {
      PATH: process.env['PATH'] ?? '',
    });
    expect(run).toEqual({ code: 0, out: '', err: '' });
    expect(readFileSync(file, 'utf8')).toMatch(/^job\/[0-9a-f]+ (\d+) \1\n$/);
    expect(await keys('job')).toBe(0);
  });

  test.each([
    [['sh', '-c', 'exit 7'], 'exit status 7'],
    [['no-such-program'], 'exec: "no-such-program": executable file not found in $PATH'],
  ])('a program that fails: %j', async (program, text) => {
    const run = await tool([`--endpoints=${endpoint}`, 'lock', 'job', '--', ...program], {
      PATH: process.env['PATH'] ?? '',
    });
    expect(run).toEqual({ code: 1, out: '', err: `Error: ${text}\n` });
    expect(await keys('job')).toBe(0);
  });

  test('the session dies: the lock is said to be lost', async () => {
    const holder = new Running(endpoint, ['lock', 'door']);
    await holder.printed(/^door/);
    const id = int64Of(idOf(holder.out));
    await plainCall(client, 'Lease/LeaseRevoke', { ID: id });
    expect(await holder.ended).toBe(1);
    expect(holder.err).toBe('Error: session expired\n');
  });

  test('an election: a leader, a candidate, an observer', async () => {
    const observer = new Running(endpoint, ['elect', '-l', 'chair']);
    const one = new Running(endpoint, ['elect', 'chair', 'one']);
    await one.printed(/^chair\/[0-9a-f]+\none\n$/);
    const two = new Running(endpoint, ['elect', 'chair', 'two']);
    await expect.poll(() => keys('chair'), { timeout: 10_000 }).toBe(2);
    await observer.printed(/^chair\/[0-9a-f]+\none\n$/);
    expect(await one.interrupt()).toBe(0);
    await two.printed(/^chair\/[0-9a-f]+\ntwo\n$/);
    await observer.printed(/^chair\/[0-9a-f]+\none\nchair\/[0-9a-f]+\ntwo\n$/);
    expect(await two.interrupt()).toBe(0);
    expect(await observer.interrupt()).toBe(0);
    expect(await keys('chair')).toBe(0);
  });
});

/** The lease whose key was printed. */
function idOf(printed: string): bigint {
  return BigInt(`0x${/\/([0-9a-f]+)/.exec(printed)?.[1] ?? '0'}`);
}
