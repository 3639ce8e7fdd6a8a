/**
 * The shapes of etcd's messages as `codec.ts` reads and writes them (field names as in `proto/`, in camelCase). Only what our
 * services touch. 64-bit fields are `Int`; a message-typed field that was not sent reads as null.
 */
import { wireType } from './codec.ts';
import type { Int } from './int64.ts';

export interface HeaderMessage {
  readonly clusterId: Int;
  readonly memberId: Int;
  readonly revision: Int;
  readonly raftTerm: Int;
}
export interface Answer {
  readonly header: HeaderMessage | null;
}

export interface KeyValueMessage {
  readonly key: Uint8Array;
  readonly createRevision: Int;
  readonly modRevision: Int;
  readonly version: Int;
  readonly value: Uint8Array;
  readonly lease: Int;
}
export interface EventMessage {
  readonly type: number;
  readonly kv: KeyValueMessage | null;
  readonly prevKv: KeyValueMessage | null;
}

export interface RangeRequest {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly limit: Int;
  readonly revision: Int;
  readonly sortOrder: number;
  readonly sortTarget: number;
  readonly serializable: boolean;
  readonly keysOnly: boolean;
  readonly countOnly: boolean;
  readonly minModRevision: Int;
  readonly maxModRevision: Int;
  readonly minCreateRevision: Int;
  readonly maxCreateRevision: Int;
}
export interface RangeResponse extends Answer {
  readonly kvs: readonly KeyValueMessage[];
  readonly more: boolean;
  readonly count: Int;
}
export interface PutRequest {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly lease: Int;
  readonly prevKv: boolean;
  readonly ignoreValue: boolean;
  readonly ignoreLease: boolean;
}
export interface PutResponse extends Answer {
  readonly prevKv: KeyValueMessage | null;
}
export interface DeleteRangeRequest {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly prevKv: boolean;
}
export interface DeleteRangeResponse extends Answer {
  readonly deleted: Int;
  readonly prevKvs: readonly KeyValueMessage[];
}
export interface RequestOp {
  /** Which one was sent last; undefined: none. */
  readonly request: 'requestRange' | 'requestPut' | 'requestDeleteRange' | 'requestTxn' | undefined;
  readonly requestRange: RangeRequest | null;
  readonly requestPut: PutRequest | null;
  readonly requestDeleteRange: DeleteRangeRequest | null;
  readonly requestTxn: TxnRequest | null;
}
export interface ResponseOp {
  readonly response: 'responseRange' | 'responsePut' | 'responseDeleteRange' | 'responseTxn' | undefined;
  readonly responseRange: RangeResponse | null;
  readonly responsePut: PutResponse | null;
  readonly responseDeleteRange: DeleteRangeResponse | null;
  readonly responseTxn: TxnResponse | null;
}
export interface CompareMessage {
  readonly result: number;
  readonly target: number;
  readonly key: Uint8Array;
  readonly targetUnion: 'version' | 'createRevision' | 'modRevision' | 'value' | 'lease' | undefined;
  readonly version: Int | null;
  readonly createRevision: Int | null;
  readonly modRevision: Int | null;
  readonly value: Uint8Array | null;
  readonly lease: Int | null;
  readonly rangeEnd: Uint8Array;
}
export interface TxnRequest {
  readonly compare: readonly CompareMessage[];
  readonly success: readonly RequestOp[];
  readonly failure: readonly RequestOp[];
}
export interface TxnResponse extends Answer {
  readonly succeeded: boolean;
  readonly responses: readonly ResponseOp[];
}
export interface CompactionRequest {
  readonly revision: Int;
  readonly physical: boolean;
}

export interface WatchRequest {
  readonly requestUnion: 'createRequest' | 'cancelRequest' | 'progressRequest' | undefined;
  readonly createRequest: WatchCreateRequest | null;
  readonly cancelRequest: { readonly watchId: Int } | null;
  readonly progressRequest: object | null;
}
export interface WatchCreateRequest {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly startRevision: Int;
  readonly progressNotify: boolean;
  readonly filters: readonly number[];
  readonly prevKv: boolean;
  readonly watchId: Int;
  readonly fragment: boolean;
}
export interface WatchResponse extends Answer {
  readonly watchId: Int;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compactRevision: Int;
  readonly cancelReason: string;
  readonly fragment: boolean;
  readonly events: readonly EventMessage[];
}

export interface LeaseGrantMessage {
  readonly TTL: Int;
  readonly ID: Int;
}
export interface LeaseGrantResponse extends Answer {
  readonly ID: Int;
  readonly TTL: Int;
  readonly error: string;
}
export interface LeaseIdMessage {
  readonly ID: Int;
}
export interface LeaseKeepAliveResponse extends Answer {
  readonly ID: Int;
  readonly TTL: Int;
}
export interface LeaseTimeToLiveRequest {
  readonly ID: Int;
  readonly keys: boolean;
}
export interface LeaseTimeToLiveResponse extends Answer {
  readonly ID: Int;
  readonly TTL: Int;
  readonly grantedTTL: Int;
  readonly keys: readonly Uint8Array[];
}
export interface LeaseLeasesResponse extends Answer {
  readonly leases: readonly LeaseIdMessage[];
}

export interface MemberMessage {
  readonly ID: Int;
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
  readonly isLearner: boolean;
}
export interface MemberListResponse extends Answer {
  readonly members: readonly MemberMessage[];
}
export interface AlarmRequest {
  readonly action: number;
  readonly memberID: Int;
  readonly alarm: number;
}
export interface AlarmResponse extends Answer {
  readonly alarms: readonly { readonly memberID: Int; readonly alarm: number }[];
}
export interface StatusResponse extends Answer {
  readonly version: string;
  readonly dbSize: Int;
  readonly leader: Int;
  readonly raftIndex: Int;
  readonly raftTerm: Int;
  readonly raftAppliedIndex: Int;
  readonly errors: readonly string[];
  readonly dbSizeInUse: Int;
  readonly isLearner: boolean;
  readonly dbSizeQuota: Int;
}
export interface HashKvResponse extends Answer {
  readonly hash: number;
  readonly compactRevision: Int;
  readonly hashRevision: Int;
}
export interface SnapshotResponse extends Answer {
  readonly remainingBytes: Int;
  readonly blob: Uint8Array;
}
export interface HealthResponse {
  readonly status: number;
}
export interface AuthStatusResponse extends Answer {
  readonly enabled: boolean;
  readonly authRevision: Int;
}
export interface ReflectionRequest {
  readonly host: string;
  readonly messageRequest:
    | 'fileByFilename'
    | 'fileContainingSymbol'
    | 'fileContainingExtension'
    | 'allExtensionNumbersOfType'
    | 'listServices'
    | undefined;
  readonly fileByFilename: string | null;
  readonly fileContainingSymbol: string | null;
  readonly fileContainingExtension: { readonly containingType: string; readonly extensionNumber: number } | null;
  readonly allExtensionNumbersOfType: string | null;
  readonly listServices: string | null;
}
export interface ReflectionResponse {
  readonly validHost: string;
  readonly originalRequest: ReflectionRequest | null;
  readonly messageResponse:
    | 'fileDescriptorResponse'
    | 'allExtensionNumbersResponse'
    | 'listServicesResponse'
    | 'errorResponse'
    | undefined;
  readonly fileDescriptorResponse: { readonly fileDescriptorProto: readonly Uint8Array[] } | null;
  readonly allExtensionNumbersResponse: {
    readonly baseTypeName: string;
    readonly extensionNumber: readonly number[];
  } | null;
  readonly listServicesResponse: { readonly service: readonly { readonly name: string }[] } | null;
  readonly errorResponse: { readonly errorCode: number; readonly errorMessage: string } | null;
}

/** Every message type we read or write, by name. */
export const wire = {
  RangeRequest: wireType<RangeRequest>('etcdserverpb.RangeRequest'),
  RangeResponse: wireType<RangeResponse>('etcdserverpb.RangeResponse'),
  PutRequest: wireType<PutRequest>('etcdserverpb.PutRequest'),
  PutResponse: wireType<PutResponse>('etcdserverpb.PutResponse'),
  DeleteRangeRequest: wireType<DeleteRangeRequest>('etcdserverpb.DeleteRangeRequest'),
  DeleteRangeResponse: wireType<DeleteRangeResponse>('etcdserverpb.DeleteRangeResponse'),
  TxnRequest: wireType<TxnRequest>('etcdserverpb.TxnRequest'),
  TxnResponse: wireType<TxnResponse>('etcdserverpb.TxnResponse'),
  CompactionRequest: wireType<CompactionRequest>('etcdserverpb.CompactionRequest'),
  CompactionResponse: wireType<Answer>('etcdserverpb.CompactionResponse'),
  WatchRequest: wireType<WatchRequest>('etcdserverpb.WatchRequest'),
  WatchResponse: wireType<WatchResponse>('etcdserverpb.WatchResponse'),
  LeaseGrantRequest: wireType<LeaseGrantMessage>('etcdserverpb.LeaseGrantRequest'),
  LeaseGrantResponse: wireType<LeaseGrantResponse>('etcdserverpb.LeaseGrantResponse'),
  LeaseRevokeRequest: wireType<LeaseIdMessage>('etcdserverpb.LeaseRevokeRequest'),
  LeaseRevokeResponse: wireType<Answer>('etcdserverpb.LeaseRevokeResponse'),
  LeaseKeepAliveRequest: wireType<LeaseIdMessage>('etcdserverpb.LeaseKeepAliveRequest'),
  LeaseKeepAliveResponse: wireType<LeaseKeepAliveResponse>('etcdserverpb.LeaseKeepAliveResponse'),
  LeaseTimeToLiveRequest: wireType<LeaseTimeToLiveRequest>('etcdserverpb.LeaseTimeToLiveRequest'),
  LeaseTimeToLiveResponse: wireType<LeaseTimeToLiveResponse>('etcdserverpb.LeaseTimeToLiveResponse'),
  LeaseLeasesRequest: wireType<object>('etcdserverpb.LeaseLeasesRequest'),
  LeaseLeasesResponse: wireType<LeaseLeasesResponse>('etcdserverpb.LeaseLeasesResponse'),
  MemberListRequest: wireType<{ readonly linearizable: boolean }>('etcdserverpb.MemberListRequest'),
  MemberListResponse: wireType<MemberListResponse>('etcdserverpb.MemberListResponse'),
  AlarmRequest: wireType<AlarmRequest>('etcdserverpb.AlarmRequest'),
  AlarmResponse: wireType<AlarmResponse>('etcdserverpb.AlarmResponse'),
  StatusRequest: wireType<object>('etcdserverpb.StatusRequest'),
  StatusResponse: wireType<StatusResponse>('etcdserverpb.StatusResponse'),
  HashKVRequest: wireType<{ readonly revision: Int }>('etcdserverpb.HashKVRequest'),
  HashKVResponse: wireType<HashKvResponse>('etcdserverpb.HashKVResponse'),
  HashRequest: wireType<object>('etcdserverpb.HashRequest'),
  HashResponse: wireType<Answer & { readonly hash: number }>('etcdserverpb.HashResponse'),
  DefragmentRequest: wireType<object>('etcdserverpb.DefragmentRequest'),
  DefragmentResponse: wireType<Answer>('etcdserverpb.DefragmentResponse'),
  SnapshotRequest: wireType<object>('etcdserverpb.SnapshotRequest'),
  SnapshotResponse: wireType<SnapshotResponse>('etcdserverpb.SnapshotResponse'),
  MoveLeaderRequest: wireType<{ readonly targetID: Int }>('etcdserverpb.MoveLeaderRequest'),
  MoveLeaderResponse: wireType<Answer>('etcdserverpb.MoveLeaderResponse'),
  AuthDisableRequest: wireType<object>('etcdserverpb.AuthDisableRequest'),
  AuthDisableResponse: wireType<Answer>('etcdserverpb.AuthDisableResponse'),
  AuthStatusRequest: wireType<object>('etcdserverpb.AuthStatusRequest'),
  AuthStatusResponse: wireType<AuthStatusResponse>('etcdserverpb.AuthStatusResponse'),
  AuthUserListRequest: wireType<object>('etcdserverpb.AuthUserListRequest'),
  AuthUserListResponse: wireType<Answer>('etcdserverpb.AuthUserListResponse'),
  AuthRoleListRequest: wireType<object>('etcdserverpb.AuthRoleListRequest'),
  AuthRoleListResponse: wireType<Answer>('etcdserverpb.AuthRoleListResponse'),
  HealthCheckRequest: wireType<{ readonly service: string }>('grpc.health.v1.HealthCheckRequest'),
  HealthCheckResponse: wireType<HealthResponse>('grpc.health.v1.HealthCheckResponse'),
  ReflectionRequest: wireType<ReflectionRequest>('grpc.reflection.v1.ServerReflectionRequest'),
  ReflectionResponse: wireType<ReflectionResponse>('grpc.reflection.v1.ServerReflectionResponse'),
};
