/**
 * The shapes that the messages of `schema.ts` have in this library: 64-bit numbers are bigints, what was not sent reads as proto3's
 * default, a message that was not sent as null, a member of a oneof as undefined. A test holds the field names to the schema.
 */

export interface ResponseHeader {
  readonly clusterId: bigint;
  readonly memberId: bigint;
  readonly revision: bigint;
  readonly raftTerm: bigint;
}
interface Answer {
  readonly header?: ResponseHeader | null | undefined;
}
export interface KeyValue {
  readonly key: Uint8Array;
  readonly createRevision: bigint;
  readonly modRevision: bigint;
  readonly version: bigint;
  readonly value: Uint8Array;
  readonly lease: bigint;
}
export interface Event {
  /** 0 is a put, 1 a delete. */
  readonly type: number;
  readonly kv?: KeyValue | null | undefined;
  readonly prevKv?: KeyValue | null | undefined;
}

export interface RangeRequest {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly limit: bigint;
  readonly revision: bigint;
  readonly sortOrder: number;
  readonly sortTarget: number;
  readonly serializable: boolean;
  readonly keysOnly: boolean;
  readonly countOnly: boolean;
  readonly minModRevision: bigint;
  readonly maxModRevision: bigint;
  readonly minCreateRevision: bigint;
  readonly maxCreateRevision: bigint;
}
export interface RangeResponse extends Answer {
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
  readonly count: bigint;
}
export interface PutRequest {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly lease: bigint;
  readonly prevKv: boolean;
  readonly ignoreValue: boolean;
  readonly ignoreLease: boolean;
}
export interface PutResponse extends Answer {
  readonly prevKv?: KeyValue | null | undefined;
}
export interface DeleteRangeRequest {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly prevKv: boolean;
}
export interface DeleteRangeResponse extends Answer {
  readonly deleted: bigint;
  readonly prevKvs: readonly KeyValue[];
}
export interface RequestOp {
  readonly requestRange?: RangeRequest | null | undefined;
  readonly requestPut?: PutRequest | null | undefined;
  readonly requestDeleteRange?: DeleteRangeRequest | null | undefined;
  readonly requestTxn?: TxnRequest | null | undefined;
}
export interface ResponseOp {
  readonly responseRange?: RangeResponse | null | undefined;
  readonly responsePut?: PutResponse | null | undefined;
  readonly responseDeleteRange?: DeleteRangeResponse | null | undefined;
  readonly responseTxn?: TxnResponse | null | undefined;
}
export interface Compare {
  readonly result: number;
  readonly target: number;
  readonly key: Uint8Array;
  readonly version?: bigint | null | undefined;
  readonly createRevision?: bigint | null | undefined;
  readonly modRevision?: bigint | null | undefined;
  readonly value?: Uint8Array | null | undefined;
  readonly lease?: bigint | null | undefined;
  readonly rangeEnd: Uint8Array;
}
export interface TxnRequest {
  readonly compare: readonly Compare[];
  readonly success: readonly RequestOp[];
  readonly failure: readonly RequestOp[];
}
export interface TxnResponse extends Answer {
  readonly succeeded: boolean;
  readonly responses: readonly ResponseOp[];
}
export interface CompactionRequest {
  readonly revision: bigint;
  readonly physical: boolean;
}

export interface WatchCreateRequest {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly startRevision: bigint;
  readonly progressNotify: boolean;
  /** 0: no puts, 1: no deletes. */
  readonly filters: readonly number[];
  readonly prevKv: boolean;
  readonly watchId: bigint;
  readonly fragment: boolean;
}
export interface WatchCancelRequest {
  readonly watchId: bigint;
}
export interface WatchRequest {
  readonly createRequest?: WatchCreateRequest | null | undefined;
  readonly cancelRequest?: WatchCancelRequest | null | undefined;
  readonly progressRequest?: Empty | null | undefined;
}
export interface WatchResponse extends Answer {
  readonly watchId: bigint;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compactRevision: bigint;
  readonly cancelReason: string;
  readonly fragment: boolean;
  readonly events: readonly Event[];
}

export interface LeaseGrantRequest {
  readonly TTL: bigint;
  readonly ID: bigint;
}
export interface LeaseGrantResponse extends Answer {
  readonly ID: bigint;
  readonly TTL: bigint;
  readonly error: string;
}
export interface LeaseId {
  readonly ID: bigint;
}
export interface LeaseKeepAliveResponse extends Answer {
  readonly ID: bigint;
  readonly TTL: bigint;
}
/** Up to 1,000 ids. */
export interface KeepAliveRequest {
  readonly ids: readonly bigint[];
}
/** Answers to some of what was asked: for each id its TTL in milliseconds from now, 0 for none. */
export interface KeepAliveResponse extends Answer {
  readonly ids: readonly bigint[];
  readonly ttlMs: readonly bigint[];
}
export interface LeaseTimeToLiveRequest {
  readonly ID: bigint;
  readonly keys: boolean;
}
export interface LeaseTimeToLiveResponse extends Answer {
  readonly ID: bigint;
  readonly TTL: bigint;
  readonly grantedTTL: bigint;
  readonly keys: readonly Uint8Array[];
}
export interface LeaseLeasesResponse extends Answer {
  readonly leases: readonly LeaseId[];
}

export interface Member {
  readonly ID: bigint;
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
  readonly isLearner: boolean;
}
export interface MemberListRequest {
  readonly linearizable: boolean;
}
export interface MemberListResponse extends Answer {
  readonly members: readonly Member[];
}
export interface StatusResponse extends Answer {
  readonly version: string;
  readonly dbSize: bigint;
  readonly leader: bigint;
  readonly raftIndex: bigint;
  readonly raftTerm: bigint;
  readonly raftAppliedIndex: bigint;
  readonly errors: readonly string[];
  readonly dbSizeInUse: bigint;
  readonly isLearner: boolean;
  readonly dbSizeQuota: bigint;
}
export interface AuthenticateRequest {
  readonly name: string;
  readonly password: string;
}
export interface AuthenticateResponse extends Answer {
  readonly token: string;
}

/** A message without fields. */
export type Empty = Readonly<Record<never, never>>;
/** An answer of which only the header counts. */
export type HeaderOnly = Answer;

/** The shape of each message by its name. */
export interface Messages {
  ResponseHeader: ResponseHeader;
  KeyValue: KeyValue;
  Event: Event;
  RangeRequest: RangeRequest;
  RangeResponse: RangeResponse;
  PutRequest: PutRequest;
  PutResponse: PutResponse;
  DeleteRangeRequest: DeleteRangeRequest;
  DeleteRangeResponse: DeleteRangeResponse;
  RequestOp: RequestOp;
  ResponseOp: ResponseOp;
  Compare: Compare;
  TxnRequest: TxnRequest;
  TxnResponse: TxnResponse;
  CompactionRequest: CompactionRequest;
  CompactionResponse: HeaderOnly;
  WatchRequest: WatchRequest;
  WatchCreateRequest: WatchCreateRequest;
  WatchCancelRequest: WatchCancelRequest;
  WatchProgressRequest: Empty;
  WatchResponse: WatchResponse;
  LeaseGrantRequest: LeaseGrantRequest;
  LeaseGrantResponse: LeaseGrantResponse;
  LeaseRevokeRequest: LeaseId;
  LeaseRevokeResponse: HeaderOnly;
  LeaseKeepAliveRequest: LeaseId;
  LeaseKeepAliveResponse: LeaseKeepAliveResponse;
  KeepAliveRequest: KeepAliveRequest;
  KeepAliveResponse: KeepAliveResponse;
  LeaseTimeToLiveRequest: LeaseTimeToLiveRequest;
  LeaseTimeToLiveResponse: LeaseTimeToLiveResponse;
  LeaseLeasesRequest: Empty;
  LeaseStatus: LeaseId;
  LeaseLeasesResponse: LeaseLeasesResponse;
  Member: Member;
  MemberListRequest: MemberListRequest;
  MemberListResponse: MemberListResponse;
  StatusRequest: Empty;
  StatusResponse: StatusResponse;
  AuthenticateRequest: AuthenticateRequest;
  AuthenticateResponse: AuthenticateResponse;
}
