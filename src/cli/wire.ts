/**
 * etcd's messages as the tool needs them: encoded and decoded from the repository's own proto files, int64 as bigint, bytes as bytes.
 * Fields keep the names of `proto/`, which the tool prints; the client library has names and methods of its own (client/wire).
 */
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';

/** On every answer. */
export interface Header {
  readonly cluster_id: bigint;
  readonly member_id: bigint;
  readonly revision: bigint;
  readonly raft_term: bigint;
}
export interface KeyValue {
  readonly key: Uint8Array;
  readonly create_revision: bigint;
  readonly mod_revision: bigint;
  readonly version: bigint;
  readonly value: Uint8Array;
  readonly lease: bigint;
}
export interface RangeResponse {
  readonly header: Header;
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
  readonly count: bigint;
}
export interface PutResponse {
  readonly header: Header;
  readonly prev_kv: KeyValue | null;
}
export interface DeleteRangeResponse {
  readonly header: Header;
  readonly deleted: bigint;
  readonly prev_kvs: readonly KeyValue[];
}
export interface GrantResponse {
  readonly header: Header;
  readonly ID: bigint;
  readonly TTL: bigint;
  readonly error: string;
}
export interface RevokeResponse {
  readonly header: Header;
}
export interface KeepAliveResponse {
  readonly header: Header;
  readonly ID: bigint;
  readonly TTL: bigint;
}
export interface TimeToLiveResponse {
  readonly header: Header;
  readonly ID: bigint;
  readonly TTL: bigint;
  readonly grantedTTL: bigint;
  readonly keys: readonly Uint8Array[];
}
export interface LeasesResponse {
  readonly header: Header;
  readonly leases: readonly { readonly ID: bigint }[];
}
export interface Member {
  readonly ID: bigint;
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
  readonly isLearner: boolean;
}
export interface MemberListResponse {
  readonly header: Header;
  readonly members: readonly Member[];
}
export interface StatusResponse {
  readonly header: Header;
  readonly version: string;
  readonly dbSize: bigint;
  readonly leader: bigint;
  readonly raftIndex: bigint;
  readonly raftTerm: bigint;
  readonly raftAppliedIndex: bigint;
  readonly errors: readonly string[];
  readonly dbSizeInUse: bigint;
  readonly isLearner: boolean;
}
export interface AlarmMember {
  readonly memberID: bigint;
  /** NONE, NOSPACE or CORRUPT, or a number without a name. */
  readonly alarm: number;
}
export interface AlarmResponse {
  readonly header: Header;
  readonly alarms: readonly AlarmMember[];
}
export interface SnapshotResponse {
  readonly remaining_bytes: bigint;
  readonly blob: Uint8Array;
}
export interface HeaderOnly {
  readonly header: Header;
}
export interface HashKvResponse {
  readonly header: Header;
  readonly hash: number;
  readonly compact_revision: bigint;
}
export interface LockResponse {
  readonly header: Header;
  readonly key: Uint8Array;
}
export interface CampaignResponse {
  readonly header: Header;
  readonly leader: { readonly key: Uint8Array; readonly rev: bigint } | null;
}
export interface LeaderResponse {
  readonly header: Header;
  readonly kv: KeyValue | null;
}

/** An event as a watcher is told it; `type` 0 is a put, 1 a delete. */
export interface WatchEvent {
  readonly type: number;
  readonly kv: KeyValue;
  readonly prev_kv: KeyValue | null;
}
export interface WatchResponse {
  readonly header: Header;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compact_revision: bigint;
  readonly cancel_reason: string;
  readonly events: readonly WatchEvent[];
}

/** A field to send. */
export type Field = string | number | bigint | boolean | Uint8Array | Fields;
/** A request's fields by their proto names. */
export interface Fields {
  readonly [name: string]: Field;
}

/** The calls the tool makes: full method, request type, response type. */
interface Calls {
  Range: RangeResponse;
  Put: PutResponse;
  DeleteRange: DeleteRangeResponse;
  Compact: { readonly header: Header };
  LeaseGrant: GrantResponse;
  LeaseRevoke: RevokeResponse;
  LeaseKeepAlive: KeepAliveResponse;
  LeaseTimeToLive: TimeToLiveResponse;
  LeaseLeases: LeasesResponse;
  MemberList: MemberListResponse;
  Status: StatusResponse;
  HashKV: HashKvResponse;
  Lock: LockResponse;
  Campaign: CampaignResponse;
  Observe: LeaderResponse;
  Watch: WatchResponse;
  Alarm: AlarmResponse;
  Defragment: HeaderOnly;
  MoveLeader: HeaderOnly;
  Snapshot: SnapshotResponse;
}
/** A call's name. */
export type CallName = keyof Calls;
/** What a call answers. */
export type ResponseOf<N extends CallName> = Calls[N];

/** One call, ready for a transport that moves bytes. */
export interface Call<N extends CallName> {
  /** As gRPC wants it: `/package.Service/Method`. */
  readonly path: string;
  encode(fields: Fields): Buffer;
  decode(bytes: Uint8Array): ResponseOf<N>;
}

const services: Readonly<Record<CallName, string>> = {
  Range: 'etcdserverpb.KV',
  Put: 'etcdserverpb.KV',
  DeleteRange: 'etcdserverpb.KV',
  Compact: 'etcdserverpb.KV',
  LeaseGrant: 'etcdserverpb.Lease',
  LeaseRevoke: 'etcdserverpb.Lease',
  LeaseKeepAlive: 'etcdserverpb.Lease',
  LeaseTimeToLive: 'etcdserverpb.Lease',
  LeaseLeases: 'etcdserverpb.Lease',
  MemberList: 'etcdserverpb.Cluster',
  Status: 'etcdserverpb.Maintenance',
  HashKV: 'etcdserverpb.Maintenance',
  Lock: 'v3lockpb.Lock',
  Campaign: 'v3electionpb.Election',
  Observe: 'v3electionpb.Election',
  Watch: 'etcdserverpb.Watch',
  Alarm: 'etcdserverpb.Maintenance',
  Defragment: 'etcdserverpb.Maintenance',
  MoveLeader: 'etcdserverpb.Maintenance',
  Snapshot: 'etcdserverpb.Maintenance',
};

/** An answer without a header: all zeros, as Go reads it. */
const noHeader: Header = { cluster_id: 0n, member_id: 0n, revision: 0n, raft_term: 0n };

/** Reads the proto files once; `proto/` stands beside `src/` and beside `dist/`. */
export class Wire {
  readonly #root: protobuf.Root;

  constructor() {
    this.#root = new protobuf.Root();
    const folder = fileURLToPath(new URL('../../proto/', import.meta.url));
    // Options of methods are read without the file that declares them, which is Google's.
    this.#root.resolvePath = (_origin, target) => (target.startsWith('google/api/') ? null : `${folder}${target}`);
    this.#root.loadSync(['etcd/rpc.proto', 'etcd/v3lock.proto', 'etcd/v3election.proto'], { keepCase: true });
  }

  /** The call of that name. */
  call<N extends CallName>(name: N): Call<N> {
    const service = services[name];
    const method = this.#root.lookupService(service).methods[name];
    if (method === undefined) throw new Error(`proto/etcd has no ${service}.${name}`);
    const request = method.parent?.lookupType(method.requestType);
    const response = method.parent?.lookupType(method.responseType);
    if (request === undefined || response === undefined) throw new Error(`${name} has no types`);
    return {
      path: `/${service}/${name}`,
      encode: (fields) => Buffer.from(request.encode(request.fromObject(sendable(fields))).finish()),
      decode: (bytes) => {
        const options = { longs: BigInt, defaults: true, arrays: true, bytes: Buffer };
        const fields = response.toObject(response.decode(bytes), options);
        return { ...fields, header: fields['header'] ?? noHeader } as ResponseOf<N>;
      },
    };
  }
}

/** protobufjs takes 64-bit numbers as decimal strings without loss. */
function sendable(fields: Fields): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, sendableField(field)]));
}

function sendableField(field: Field): unknown {
  if (typeof field === 'bigint') return String(field);
  return typeof field === 'object' && !(field instanceof Uint8Array) ? sendable(field) : field;
}
