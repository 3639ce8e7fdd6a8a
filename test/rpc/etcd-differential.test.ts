/**
 * The same random requests, valid and invalid, to a real etcd and to a real member of ours, one by one: code, text and answer are
 * equal but for ids, terms, running clocks and what decision 0012 lists. Skipped, and said so, where `etcd` is missing.
 * By environment: REQUESTS, SEED, and MEMBERS for a cluster whose members are asked in turn.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { methodTypes, wireType } from '../../src/rpc/codec.ts';
import { numberOf } from '../../src/rpc/int64.ts';
import { wire } from '../../src/rpc/messages.ts';
import { ProcessCluster } from '../cluster/processes.ts';
import { etcdInstalled, RealEtcd } from '../support/real-etcd.ts';
import { leftOut } from './comparable.ts';
import { ComparedServer } from './compared-server.ts';
import { encodingOf } from './plain-encoding.ts';
import { RandomCalls, type Step } from './random-calls.ts';
import type { Status } from './wire-client.ts';

const seed = Number(process.env['SEED'] ?? 20_261_125);
const requests = Number(process.env['REQUESTS'] ?? 2_000);
const members = Number(process.env['MEMBERS'] ?? 1);

let cluster: ProcessCluster | undefined;
let etcd: RealEtcd | undefined;

beforeAll(async () => {
  if (!etcdInstalled) return;
  etcd = await RealEtcd.start();
  cluster = await ProcessCluster.start({ members, proxied: false });
  await cluster.ready();
  await cluster.leader();
});
afterAll(async () => {
  etcd?.stop();
  await cluster?.stop();
});

const title = `${requests} random requests: answers equal those of etcd`;
test.skipIf(!etcdInstalled)(title, { timeout: 60_000 + requests * 60 }, async () => {
  const theirs = new ComparedServer([etcd?.address ?? '']);
  const ours = new ComparedServer(cluster?.endpoints ?? []);
  const calls = new RandomCalls(new Prng(seed, 'differential'));
  const kinds = new Map<string, number>();
  const count = (kind: string) => kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  let [asked, refused] = [0, 0];
  while (asked < requests) {
    const { kind, step } = calls.next();
    const reason = reasonToLeaveOut(ours, step);
    if (reason !== undefined) {
      count(`(left out: ${reason})`);
      continue;
    }
    asked++;
    count(kind);
    if (asked % 10_000 === 0) process.stdout.write(`${asked} of ${requests} requests compared\n`);
    const [wanted, told] = await Promise.all([theirs.do(step), ours.do(step)]);
    if (isNotThereYet(told)) {
      count(`(not there yet: ${kind})`);
      continue;
    }
    expect(told, `seed ${seed}, request ${asked}: ${described(ours, step)}`).toEqual(wanted);
    if (isStatus(told)) refused++;
    else learn(calls, ours, step, told as Told);
  }
  theirs.close();
  ours.close();
  const list = [...kinds].sort(([, a], [, b]) => b - a).map(([kind, times]) => `${kind} ${times}`);
  process.stdout.write(
    `compared with etcd: ${asked} requests to ${members} member(s), ${refused} refused alike, seed ${seed}: ${list.join(', ')}\n`,
  );
  expect(refused).toBeGreaterThan(asked / 20);
});

function reasonToLeaveOut(server: ComparedServer, step: Step): string | undefined {
  if (step.type !== 'unary' && step.type !== 'bytes') return undefined;
  const request = requestOf(server, step);
  const type = methodTypes(step.path).request;
  const encoding = encodingOf(type, request);
  if (encoding === 'odd') return 'bytes that readers differ on';
  return encoding === 'plain' ? leftOut(step.path, wireType<object>(type).decode(request)) : undefined;
}

function described(server: ComparedServer, step: Step): string {
  if (step.type === 'bytes') return `${step.path} ${Buffer.from(step.request).toString('hex')}`;
  if (step.type === 'unary') {
    return `${step.path} ${JSON.stringify(step.message)} ${Buffer.from(server.encoded(step.path, step.message)).toString('hex')}`;
  }
  return JSON.stringify(step);
}

interface Told {
  readonly header?: { readonly revision?: string };
  readonly count?: string;
}

function learn({ seen }: RandomCalls, server: ComparedServer, step: Step, { header, count }: Told): void {
  seen.revision = Number(header?.revision ?? seen.revision);
  if (Number(count ?? 0) > 11) seen.crowded = true;
  if ((step.type === 'unary' || step.type === 'bytes') && step.path.endsWith('/Compact'))
    seen.compacted = numberOf(wire.CompactionRequest.decode(requestOf(server, step)).revision);
}

function requestOf(server: ComparedServer, step: Extract<Step, { type: 'unary' | 'bytes' }>): Uint8Array {
  return step.type === 'bytes' ? step.request : server.encoded(step.path, step.message);
}

function isStatus(told: unknown): told is Status {
  return typeof told === 'object' && told !== null && 'code' in told && 'text' in told;
}

/** Ours says that it does not have the call yet, in words of its own. */
function isNotThereYet(told: unknown): boolean {
  return isStatus(told) && told.code === 12 && told.text.startsWith('leasehold:');
}
