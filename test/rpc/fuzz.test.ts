/**
 * Random and bent requests to every method: nothing leaves but answers that decode and rows of the error table, nothing is
 * held for a bug of ours, and the member serves on. SEED and COUNT by environment.
 */
import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { Metrics } from '../../src/ops/metrics.ts';
import { methodTypes, wireType } from '../../src/rpc/codec.ts';
import { errorTable, RpcError } from '../../src/rpc/errors.ts';
import { wire } from '../../src/rpc/messages.ts';
import { services } from '../../src/rpc/services.ts';
import type { CallContext, Method, Outgoing } from '../../src/rpc/transport.ts';
import { FakeMember } from './fake-member.ts';
import { randomRequest } from './random-requests.ts';
import { bytes, Fixture } from './wire-client.ts';

const seed = Number(process.env['SEED'] ?? 20_261_122);
const count = Number(process.env['COUNT'] ?? 200_000);

/** A call without a socket; `over` ends it as a cancel would. */
class Call implements CallContext {
  readonly #abort = new AbortController();
  readonly peer = 'fuzz';
  readonly metadata = { get: (): string | undefined => undefined };
  readonly timeoutMs = undefined;
  readonly signal = this.#abort.signal;

  over(): void {
    this.#abort.abort();
  }
}

const streamed = ['/etcdserverpb.Watch/Watch', '/etcdserverpb.Lease/LeaseKeepAlive', '/leasehold.v1.Lease/KeepAlive'];

/** Calls that may wait for others for ever, and whose every error is Unknown. */
const queues = /^\/v3(lock|election)pb\./;
const inTable = (name: string, error: unknown): boolean =>
  error instanceof RpcError &&
  (rows.has(`${error.code} ${error.message}`) ||
    (queues.test(name) && error.code === 'Unknown' && texts.has(error.message)));
const rows = new Set([...errorTable().values()].map(([code, text]) => `${code} ${text}`));
const texts = new Set<string>([...errorTable().values()].map(([, text]) => text));

function disarm(member: FakeMember): void {
  for (const raised of member.state.alarms.list()) member.apply({ type: 'alarm', action: 'deactivate', ...raised });
}

test(`${count} requests to all methods, in process`, { timeout: 300_000 }, async () => {
  const random = new Prng(seed, 'requests');
  const bugs: unknown[] = [];
  const where = (name: string, request: Uint8Array): string =>
    `seed ${seed}: ${name} ${Buffer.from(request).toString('hex')}`;
  let member = new FakeMember();
  let methods: [string, Method][] = [];
  const tally = new Map<string, number>();
  for (let sent = 0; sent < count; sent++) {
    // A new member now and then, so that the state stays small.
    if (sent % 5_000 === 0) {
      member = new FakeMember();
      methods = Object.entries(services(member, { metrics: new Metrics(), onBug: (error) => bugs.push(error) }));
    }
    // Under an alarm little else happens.
    if (sent % 100 === 0) disarm(member);
    const [name, method] = random.pick(methods);
    const types = methodTypes(name);
    const request = randomRequest(types.request, random);
    const call = new Call();
    let ended: unknown;
    if (method.kind === 'unary') {
      if (queues.test(name)) setImmediate(() => call.over());
      const answer = await method.call(request, call).catch((error: unknown) => error);
      if (answer instanceof Uint8Array) {
        wireType(types.answer).decode(answer);
        ended = 'OK';
      } else ended = answer;
    } else {
      const written: Uint8Array[] = [];
      const outgoing: Outgoing = {
        write: (message) => written.push(message) > 0,
        whenWritable: async () => {},
        end: () => {
          ended ??= 'OK';
        },
        fail: (error) => {
          ended ??= error;
        },
      };
      if (method.kind === 'serverStream') method.call(request, outgoing, call);
      else {
        const more = Array.from({ length: random.below(4) }, () => randomRequest(types.request, random));
        const incoming = {
          listen: (sink: { message(raw: Uint8Array): void; end(): void }) => {
            for (const raw of [request, ...more]) if (ended === undefined) sink.message(raw);
            sink.end();
          },
          pause: () => {},
          resume: () => {},
        };
        method.call(incoming, outgoing, call);
      }
      await new Promise((resolve) => queueMicrotask(() => resolve(undefined)));
      call.over();
      ended ??= 'OK';
      for (const message of written) wireType(types.answer).decode(message);
    }
    if (ended !== 'OK' && !inTable(name, ended)) expect.fail(`${where(name, request)} → ${String(ended)}`);
    if (bugs.length > 0) expect.fail(`${where(name, request)} → bug ${String(bugs[0])}`);
    const outcome = ended instanceof RpcError ? ended.code : 'OK';
    tally.set(outcome, (tally.get(outcome) ?? 0) + 1);
  }
  expect(member.hub.count).toBe(0);
  // The fuzzer reaches both the deep and the shallow ends.
  for (const outcome of ['OK', 'InvalidArgument', 'Internal', 'NotFound', 'OutOfRange', 'Unimplemented']) {
    expect(tally.get(outcome) ?? 0, outcome).toBeGreaterThan(count / 1_000);
  }
});

test('4,000 requests over the wire: each is answered, the member serves on', { timeout: 120_000 }, async () => {
  const random = new Prng(seed, 'wire');
  const fixture = await Fixture.start();
  try {
    const client = fixture.client();
    const names = Object.entries(services(new FakeMember(), { metrics: new Metrics(), onBug: () => {} }))
      .filter(([, method]) => method.kind === 'unary')
      .map(([name]) => name);
    for (let round = 0; round < 80; round++) {
      await Promise.all(
        Array.from({ length: 50 }, async () => {
          const name = random.pick(names);
          const waits = queues.test(name);
          const answer = await client.raw(
            name,
            randomRequest(methodTypes(name).request, random),
            {},
            waits ? 50 : 10_000,
          );
          if ('code' in answer && !waits) expect(answer.code, `seed ${seed}: ${name}: ${answer.text}`).not.toBe(2);
        }),
      );
    }
    for (let streams = 0; streams < 60; streams++) {
      const path = random.pick(streamed);
      const stream = client.bidi(path);
      for (let sent = 0; sent < 5; sent++) stream.write(randomRequest(methodTypes(path).request, random));
      if (random.chance(0.5)) stream.end();
      else stream.cancel();
      if (path.endsWith('Watch')) stream.cancel();
      await stream.status;
    }
    disarm(fixture.member);
    const answer = await client.call('/etcdserverpb.KV/Put', wire.PutRequest, wire.PutResponse, {
      key: bytes('after'),
    });
    expect(answer.header).not.toBeNull();
    expect(fixture.bugs, `seed ${seed}`).toEqual([]);
  } finally {
    await fixture.stop();
  }
});
