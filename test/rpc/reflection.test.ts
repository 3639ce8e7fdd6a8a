/**
 * Server reflection: what a tool without .proto files is told, v1 and v1alpha. The descriptors are compared with protoc's of the same
 * files where protoc is installed (apt: protobuf-compiler), and are enough to make a call with.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import descriptor from 'protobufjs/ext/descriptor.js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { declaredMethods, type Sparse } from '../../src/rpc/codec.ts';
import { describeProtos } from '../../src/rpc/descriptors.ts';
import { type ReflectionRequest, wire } from '../../src/rpc/messages.ts';
import { bytes, Fixture, TypedStream } from './wire-client.ts';

const versions = ['v1', 'v1alpha'] as const;
const repository = fileURLToPath(new URL('../../', import.meta.url));

let fixture: Fixture;
beforeEach(async () => {
  fixture = await Fixture.start();
});
afterEach(async () => {
  await fixture.stop();
  expect(fixture.bugs).toEqual([]);
});

const open = (version: (typeof versions)[number] = 'v1') =>
  new TypedStream(
    fixture.client().bidi(`/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`),
    wire.ReflectionRequest,
    wire.ReflectionResponse,
  );
type Asked = Sparse<ReflectionRequest>;

interface Parsed {
  readonly name: string;
  readonly dependency?: readonly string[];
  readonly options?: unknown;
}
const parse = (encoded: Uint8Array): Parsed =>
  descriptor.FileDescriptorProto.toObject(descriptor.FileDescriptorProto.decode(encoded)) as Parsed;

/** Asks and gives the files of the answer. */
async function filesFor(stream: ReturnType<typeof open>, asked: Asked): Promise<Parsed[]> {
  stream.send(asked);
  const { fileDescriptorResponse } = await stream.next();
  return (fileDescriptorResponse?.fileDescriptorProto ?? []).map(parse);
}
const namesFor = async (stream: ReturnType<typeof open>, asked: Asked): Promise<string[]> =>
  (await filesFor(stream, asked)).map(({ name }) => name);

describe.each(versions)('%s', (version) => {
  test('lists the services that are served, itself among them', async () => {
    const stream = open(version);
    stream.send({ host: 'me', listServices: '' });
    const answer = await stream.next();
    expect(answer.validHost).toBe('me');
    expect(answer.originalRequest).toMatchObject({ host: 'me', messageRequest: 'listServices' });
    const listed = answer.listServicesResponse?.service.map(({ name }) => name) ?? [];
    const declared = new Set([...declaredMethods().keys()].map((name) => name.slice(1, name.lastIndexOf('/'))));
    for (const name of listed) expect(declared).toContain(name);
    for (const name of ['etcdserverpb.KV', 'etcdserverpb.Lease', 'grpc.health.v1.Health', 'leasehold.v1.Lease'])
      expect(listed).toContain(name);
    for (const each of versions) expect(listed).toContain(`grpc.reflection.${each}.ServerReflection`);
    expect(listed).toEqual([...listed].sort());
    stream.raw.end();
    expect((await stream.raw.status).code).toBe(0);
  });

  test('finds the file of a symbol, with what it needs, once per stream', async () => {
    const stream = open(version);
    const asked = { fileContainingSymbol: 'etcdserverpb.KV.Put' };
    expect(await namesFor(stream, asked)).toEqual(['etcd/rpc.proto', 'etcd/kv.proto']);
    expect(await namesFor(stream, asked)).toEqual(['etcd/rpc.proto']);
    expect(await namesFor(stream, { fileByFilename: 'etcd/kv.proto' })).toEqual(['etcd/kv.proto']);
    stream.raw.cancel();
  });
});

test('knows services, methods, messages, fields, enums and their values by full name', async () => {
  const stream = open();
  for (const [symbol, file] of [
    ['etcdserverpb.Lease', 'etcd/rpc.proto'],
    ['etcdserverpb.Lease.LeaseGrant', 'etcd/rpc.proto'],
    ['etcdserverpb.RangeRequest', 'etcd/rpc.proto'],
    ['etcdserverpb.RangeRequest.range_end', 'etcd/rpc.proto'],
    ['etcdserverpb.RangeRequest.SortOrder', 'etcd/rpc.proto'],
    ['etcdserverpb.RangeRequest.DESCEND', 'etcd/rpc.proto'],
    ['leasehold.v1.KeepAliveResponse.ttl_ms', 'leasehold/v1/lease.proto'],
    ['mvccpb.Event.EventType', 'etcd/kv.proto'],
    ['grpc.health.v1.HealthCheckResponse.SERVING', 'grpc/health/v1/health.proto'],
    ['grpc.reflection.v1alpha.ErrorResponse', 'grpc/reflection/v1alpha/reflection.proto'],
  ] as const) {
    expect((await namesFor(stream, { fileContainingSymbol: symbol }))[0], symbol).toBe(file);
  }
  stream.raw.cancel();
});

test('what is not known is an error of code 5, and the stream goes on; asking for nothing ends it', async () => {
  const stream = open();
  for (const asked of [
    { fileByFilename: 'etcd/no.proto' },
    { fileContainingSymbol: 'etcdserverpb.No' },
    { fileContainingSymbol: '' },
    { fileContainingSymbol: '.etcdserverpb.KV' },
    { fileContainingExtension: { containingType: 'google.protobuf.MethodOptions', extensionNumber: 72_295_728 } },
    { allExtensionNumbersOfType: 'etcdserverpb.No' },
    { allExtensionNumbersOfType: 'etcdserverpb.KV' },
  ] satisfies Asked[]) {
    stream.send(asked);
    const answer = await stream.next();
    expect(answer.messageResponse, JSON.stringify(asked)).toBe('errorResponse');
    expect(answer.errorResponse).toMatchObject({ errorCode: 5, errorMessage: expect.stringContaining('not found') });
  }
  stream.send({ allExtensionNumbersOfType: 'etcdserverpb.PutRequest' });
  expect((await stream.next()).allExtensionNumbersResponse).toEqual({
    baseTypeName: 'etcdserverpb.PutRequest',
    extensionNumber: [],
  });
  stream.send({});
  expect(await stream.raw.status).toMatchObject({ code: 3, text: expect.stringContaining('asks for nothing') });
});

test('a client that never reads is not answered without end', async () => {
  const stream = open();
  stream.raw.stream.pause();
  const asked = wire.ReflectionRequest.encode({ fileByFilename: 'etcd/rpc.proto' });
  const asking = 20_000;
  for (let at = 0; at < asking; at++) stream.raw.write(asked);
  const { metrics } = fixture;
  const sent = async (): Promise<number> => {
    const line = (await metrics.page()).text
      .split('\n')
      .find((each) => each.startsWith('grpc_server_msg_sent_total{grpc_service="grpc.reflection.v1.ServerReflection"'));
    return Number(line?.split(' ').at(-1));
  };
  let before = -1;
  let now = await sent();
  // It has stopped once two looks, a good many turns apart, see the same.
  while (now === 0 || now !== before) {
    before = now;
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
    now = await sent();
  }
  expect(now).toBeLessThan(asking / 4);
  stream.raw.cancel();
});

test('what it says is enough to make a call and read the answer', async () => {
  const { files } = describeProtos();
  const set = { file: [...files.values()].map(({ encoded }) => descriptor.FileDescriptorProto.decode(encoded)) };
  const root = protobuf.Root.fromDescriptor(descriptor.FileDescriptorSet.fromObject(set) as never);
  const service = root.lookupService('etcdserverpb.KV');
  const method = service.methods['Put'];
  method?.resolve();
  const request = method?.resolvedRequestType;
  const answer = method?.resolvedResponseType;
  if (request == null || answer == null) throw new Error('KV.Put has types');
  fixture.member.apply({ type: 'grant', id: 7n, ttlMs: 60_000 });
  const put = request.encode({ key: bytes('k'), value: bytes('v'), lease: 7, prevKv: true }).finish();
  const raw = await fixture.client().raw('/etcdserverpb.KV/Put', put);
  if ('code' in raw) throw new Error(raw.text);
  expect(Number((answer.decode(raw) as unknown as { header: { revision: unknown } }).header.revision)).toBe(2);
});

test('as protoc describes the same files', (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'leasehold-protoc-'));
  try {
    const out = join(directory, 'all.bin');
    // Google's file, as far as a method's options need it; that of protobufjs is too new for Debian's protoc.
    mkdirSync(join(directory, 'google/protobuf'), { recursive: true });
    writeFileSync(
      join(directory, 'google/protobuf/descriptor.proto'),
      'syntax = "proto2"; package google.protobuf; message MethodOptions { extensions 1000 to max; }',
    );
    const { files } = describeProtos();
    const run = spawnSync(
      'protoc',
      [
        `-I${directory}`,
        `-I${join(repository, 'proto')}`,
        `-I${join(repository, 'node_modules/protobufjs')}`,
        `--descriptor_set_out=${out}`,
        ...files.keys(),
      ],
      { encoding: 'utf8' },
    );
    if (run.error !== undefined) context.skip('protoc is not installed (apt: protobuf-compiler)');
    expect(run.stderr).toBe('');
    const set = descriptor.FileDescriptorSet.decode(readFileSync(out));
    const { file: theirs } = descriptor.FileDescriptorSet.toObject(set) as { file: Parsed[] };
    for (const file of theirs) {
      const ours = parse(files.get(file.name)?.encoded ?? new Uint8Array(0));
      expect(ours, file.name).toEqual(bare(file));
    }
    expect(theirs.length).toBe(files.size);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

/** Without options, and without the imports that only options need. */
function bare(described: Parsed): unknown {
  const plain = JSON.parse(
    JSON.stringify(described, (key, value: unknown) => {
      if (key === 'options') return undefined;
      return key === 'dependency' ? (value as string[]).filter((path) => !path.startsWith('google/')).sort() : value;
    }),
  ) as { dependency?: unknown[] };
  if (plain.dependency?.length === 0) delete plain.dependency;
  return plain;
}
