/**
 * Bytes ⇄ messages, after the `.proto` files in `proto/`, which are read and compiled once per process. The only place of
 * this folder that trusts a cast: the interfaces in `messages.ts` are checked against the proto files by a test.
 */
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import { asBuffer } from '../base/bytes.ts';
import { messageDepthMax } from '../base/limits.ts';
import { rpcError } from './errors.ts';
import type { Int } from './int64.ts';
import { splitMethodName } from './transport.ts';

/** What may be left out when a message is made: everything, as in proto3. */
export type Sparse<T> = T extends Int | Uint8Array | string | boolean
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Sparse<Item>[]
    : T extends object
      ? { readonly [Field in keyof T]?: Sparse<T[Field]> | undefined }
      : T;

/** One message type: total decode (unset fields read as proto3's defaults), sparse encode. */
export interface WireType<T> {
  readonly name: string;
  /** Unknown fields are dropped. Throws the table's `malformed` for what is no such message, `tooManyOps` for a txn too deep. */
  decode(bytes: Uint8Array): T;
  encode(message: Sparse<T>): Uint8Array;
}

const protoFolder = new URL('../../proto/', import.meta.url);
const protoFiles = [
  'etcd/rpc.proto',
  'etcd/auth_service.proto',
  'etcd/v3lock.proto',
  'etcd/v3election.proto',
  'leasehold/v1/lease.proto',
  'grpc/health/v1/health.proto',
  'grpc/reflection/v1/reflection.proto',
  'grpc/reflection/v1alpha/reflection.proto',
];

/** What protobufjs says of messages nested deeper than the limit, which is the whole process's. */
const depthError = 'max depth exceeded';
protobuf.Reader.recursionLimit = messageDepthMax;
protobuf.util.recursionLimit = messageDepthMax;

const root = loadRoot();

function loadRoot(): protobuf.Root {
  const loaded = new protobuf.Root();
  // Options of methods are read without the file that declares them, which is Google's.
  loaded.resolvePath = (_origin, target) =>
    target.startsWith('google/api/') ? null : fileURLToPath(new URL(target, protoFolder));
  loaded.loadSync([...protoFiles]);
  loaded.resolveAll();
  return loaded;
}

/** The type of that full name, e.g. `etcdserverpb.PutRequest`, as messages of shape `T`. */
export function wireType<T>(name: string): WireType<T> {
  const type = root.lookupType(name);
  return {
    name,
    decode(bytes: Uint8Array): T {
      const reader = protobuf.Reader.create(asBuffer(bytes));
      reader.discardUnknown = true;
      try {
        return type.decode(reader) as unknown as T;
      } catch (error) {
        // Only txns nest without end.
        throw rpcError(error instanceof Error && error.message === depthError ? 'tooManyOps' : 'malformed');
      }
    },
    encode(message: Sparse<T>): Uint8Array {
      return type.encode(message as unknown as protobuf.Message).finish();
    },
  };
}

/** How a method is called, for metrics: gRPC's own words. */
export type CallKind = 'unary' | 'client_stream' | 'server_stream' | 'bidi_stream';

/** Every method of every service in `proto/`: the full name, and how it is called. */
export function declaredMethods(): ReadonlyMap<string, CallKind> {
  const found = new Map<string, CallKind>();
  visit(root);
  return found;

  function visit(space: protobuf.NamespaceBase): void {
    for (const item of space.nestedArray) {
      if (item instanceof protobuf.Service) {
        const service = item.fullName.slice(1);
        for (const method of item.methodsArray) found.set(`/${service}/${method.name}`, kindOf(method));
      } else if (item instanceof protobuf.Namespace) visit(item);
    }
  }
}

/** A message type as it is declared, for the JSON gateway, which prints and reads fields by their declared names. */
export function reflected(typeName: string): protobuf.Type {
  return root.lookupType(typeName);
}

/** All that `proto/` declares, for server reflection. */
export function reflectedRoot(): protobuf.Root {
  return root;
}

/** A file that protobufjs has read, as a path within `proto/`, which is how our files import each other. */
export function protoPath(fileName: string): string {
  return relative(fileURLToPath(protoFolder), fileName);
}

/** Paths of the `google.api.http` option of a method, main binding first; empty: HTTP does not reach it. */
export function httpPaths(fullName: string): readonly string[] {
  const [service, name] = splitMethodName(fullName);
  const options = root.lookupService(service).methods[name]?.parsedOptions as
    | readonly MethodOptions[]
    | null
    | undefined;
  const rules = (options ?? []).map((option) => option['(google.api.http)']).filter((rule) => rule !== undefined);
  return rules.flatMap((rule) => [rule, ...[rule.additional_bindings ?? []].flat()]).map((rule) => rule.post);
}

/** A method's options as protobufjs parses them. All of ours are posts with the whole body as the message. */
interface MethodOptions {
  readonly '(google.api.http)'?: HttpRule;
}
interface HttpRule {
  readonly post: string;
  /** A single one stands for itself. */
  readonly additional_bindings?: HttpRule | readonly HttpRule[];
}

/** Field names of a message type, for the test that holds `messages.ts` to the proto files. */
export function fieldNames(typeName: string): readonly string[] {
  return Object.keys(root.lookupType(typeName).fields);
}

/** Request and answer type names of a method, e.g. for a client or a fuzzer. */
export function methodTypes(fullName: string): { readonly request: string; readonly answer: string } {
  const [service, name] = splitMethodName(fullName);
  const method = root.lookupService(service).methods[name];
  if (method?.resolvedRequestType == null || method.resolvedResponseType == null) {
    throw new Error(`no such method: ${fullName}`);
  }
  return {
    request: method.resolvedRequestType.fullName.slice(1),
    answer: method.resolvedResponseType.fullName.slice(1),
  };
}

function kindOf(method: protobuf.Method): CallKind {
  if (method.requestStream) return method.responseStream ? 'bidi_stream' : 'client_stream';
  return method.responseStream ? 'server_stream' : 'unary';
}
