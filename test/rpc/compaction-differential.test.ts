/**
 * Compaction beside a real etcd: the same random writes, compactions and looks back to both, and every answer must be equal. After each
 * compaction watches from around it are compared too; there is one difference, on purpose (decision 0013): a deletion at exactly the
 * compacted revision, which etcd 3.4 forgets. Runs where `etcd` is installed. SEED and DIFF_COUNT by environment.
 */
import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { methodTypes, type Sparse, wireType } from '../../src/rpc/codec.ts';
import { numberOf } from '../../src/rpc/int64.ts';
import { type RequestOp, type WatchResponse, wire } from '../../src/rpc/messages.ts';
import { etcdInstalled, RealEtcd } from '../support/real-etcd.ts';
import { bytes, Fixture, text, WireClient } from './wire-client.ts';

const seed = Number(process.env['SEED'] ?? 20_261_126);
const count = Number(process.env['DIFF_COUNT'] ?? 500);

let fixture: Fixture;
let etcd: RealEtcd | undefined;
let channel: grpc.Client | undefined;
beforeAll(async () => {
  if (!etcdInstalled) return;
  fixture = await Fixture.start();
  etcd = await RealEtcd.start();
  channel = new grpc.Client(etcd.address, grpc.credentials.createInsecure());
});
afterAll(async () => {
  channel?.close();
  etcd?.stop();
  await fixture?.stop();
});

const keys = ['a', 'b', 'c', 'd'];
const all = { key: bytes('\0'), rangeEnd: bytes('\0') };

test.skipIf(!etcdInstalled)(
  `${count} random requests and compactions: etcd's answers`,
  { timeout: 120_000 },
  async () => {
    const [ours, theirs] = [fixture.client(), new WireClient(channel as grpc.Client)];
    const random = new Prng(seed, 'compaction');
    let [revision, compacted, compactions, refusals] = [1, -1, 0, 0];
    for (let at = 0; at < count; at++) {
      const [name, request] = randomCall(random, revision, compacted);
      const where = `seed ${seed}, request ${at}: ${name} ${Buffer.from(request).toString('hex')}`;
      const [mine, etcds] = [await answerOf(ours, name, request), await answerOf(theirs, name, request)];
      expect(mine, where).toEqual(etcds);
      if ('code' in mine) refusals++;
      else revision = Number(mine['revision']);
      if (name !== 'KV/Compact' || 'code' in mine) continue;
      compactions++;
      compacted = numberOf(wire.CompactionRequest.decode(request).revision);
      const deleted = deletedAt(compacted);
      // Both watchers are told of this last, whatever they are told before.
      const last = wire.PutRequest.encode({ key: bytes('~last') });
      revision = Number((await answerOf(ours, 'KV/Put', last))['revision']);
      await answerOf(theirs, 'KV/Put', last);
      for (const start of [compacted - 1, compacted, compacted + 1].filter((from) => from > 0)) {
        const seen = await Promise.all([ours, theirs].map((client) => watched(client, start, revision)));
        const [told, wanted] = seen as [string[], string[]];
        const forgotten = start === compacted ? deleted : [];
        expect(told, `${where}, watch from ${start}`).toEqual([...forgotten, ...wanted]);
      }
    }
    expect(compactions).toBeGreaterThan(count / 60);
    expect(refusals).toBeGreaterThan(count / 10);
  },
);

function randomCall(random: Prng, revision: number, compacted: number): [string, Uint8Array] {
  const key = () => bytes(random.pick(keys));
  const around = () => Math.max(-2, random.pick([compacted, revision]) + random.between(-2, 2));
  const dice = random.below(20);
  if (dice < 5) return ['KV/Put', wire.PutRequest.encode({ key: key(), value: bytes(`${revision}`), prevKv: true })];
  if (dice < 8)
    return [
      'KV/DeleteRange',
      wire.DeleteRangeRequest.encode({ key: key(), rangeEnd: bytes(random.pick(['', 'z'])), prevKv: true }),
    ];
  if (dice < 12) return ['KV/Range', wire.RangeRequest.encode({ ...all, revision: around() })];
  if (dice < 15) {
    const ops: Sparse<RequestOp>[] = random.pick([
      [{ requestRange: { ...all, revision: around() } }, { requestPut: { key: key() } }],
      [{ requestDeleteRange: { key: bytes('a') } }, { requestDeleteRange: { key: bytes('b') } }],
      [{ requestPut: { key: bytes('a') } }, { requestPut: { key: bytes('c') } }],
    ]);
    return ['KV/Txn', wire.TxnRequest.encode({ success: ops })];
  }
  if (dice < 17) return ['Maintenance/HashKV', wire.HashKVRequest.encode({ revision: around() })];
  return ['KV/Compact', wire.CompactionRequest.encode({ revision: around(), physical: random.chance(0.5) })];
}

/** Without ids and terms, and without hashes, which are each server's own. */
async function answerOf(client: WireClient, name: string, request: Uint8Array): Promise<Record<string, unknown>> {
  const path = `/etcdserverpb.${name}`;
  const raw = await client.raw(path, request);
  if ('code' in raw) return { ...raw };
  const answer = wireType<object>(methodTypes(path).answer).decode(raw);
  const { header, hash: _hash, hashRevision: _at, ...rest } = JSON.parse(JSON.stringify(answer, plain));
  return { ...rest, revision: header.revision };
}

function plain(_field: string, value: unknown): unknown {
  const isWide = typeof value === 'object' && value !== null && 'low' in value && 'high' in value;
  return isWide ? numberOf(value as Parameters<typeof numberOf>[0]) : value;
}

/** What a watcher is told until it has seen `revision`, each event as a line, or that its start is compacted. */
async function watched(client: WireClient, startRevision: number, revision: number): Promise<string[]> {
  const watch = client.watch();
  watch.send({ createRequest: { ...all, startRevision, prevKv: true } });
  const lines: string[] = [];
  for (;;) {
    const response = await watch.next();
    if (response.canceled) lines.push(`compacted at ${numberOf(response.compactRevision)}`);
    lines.push(...eventLines(response));
    if (response.canceled || lines.at(-1)?.startsWith(`${revision} `)) break;
  }
  watch.raw.cancel();
  return lines;
}

function eventLines({ events }: WatchResponse): string[] {
  return events.map(({ type, kv, prevKv }) => {
    const before = prevKv === null ? '' : ` was @${numberOf(prevKv.modRevision)}`;
    return `${numberOf(kv?.modRevision ?? 0)} ${type === 1 ? 'delete' : 'put'} ${text(kv?.key ?? bytes(''))}${before}`;
  });
}

/** Deletions of our own store at a revision, as lines of a watcher. */
function deletedAt(revision: number): string[] {
  const events = fixture.member.state.history.eventsOf(revision);
  return events.filter(({ type }) => type === 'delete').map(({ key }) => `${revision} delete ${key}`);
}
