/**
 * The messages and calls that the library uses, etcd's and ours (`keepAlive`), field by field. A table and not the `.proto` files
 * themselves, so that a bundled client needs no file at run time; a test holds it to `proto/`.
 */

/** `name=number:type`, `*` for repeated, `?` for a member of a oneof, by message. Names are those of `proto/`, in camelCase. */
export const schema = {
  ResponseHeader: 'clusterId=1:uint64 memberId=2:uint64 revision=3:int64 raftTerm=4:uint64',
  KeyValue: 'key=1:bytes createRevision=2:int64 modRevision=3:int64 version=4:int64 value=5:bytes lease=6:int64',
  Event: 'type=1:int32 kv=2:KeyValue prevKv=3:KeyValue',

  RangeRequest:
    'key=1:bytes rangeEnd=2:bytes limit=3:int64 revision=4:int64 sortOrder=5:int32 sortTarget=6:int32 serializable=7:bool ' +
    'keysOnly=8:bool countOnly=9:bool minModRevision=10:int64 maxModRevision=11:int64 minCreateRevision=12:int64 ' +
    'maxCreateRevision=13:int64',
  RangeResponse: 'header=1:ResponseHeader kvs=2:*KeyValue more=3:bool count=4:int64',
  PutRequest: 'key=1:bytes value=2:bytes lease=3:int64 prevKv=4:bool ignoreValue=5:bool ignoreLease=6:bool',
  PutResponse: 'header=1:ResponseHeader prevKv=2:KeyValue',
  DeleteRangeRequest: 'key=1:bytes rangeEnd=2:bytes prevKv=3:bool',
  DeleteRangeResponse: 'header=1:ResponseHeader deleted=2:int64 prevKvs=3:*KeyValue',
  RequestOp:
    'requestRange=1:?RangeRequest requestPut=2:?PutRequest requestDeleteRange=3:?DeleteRangeRequest requestTxn=4:?TxnRequest',
  ResponseOp:
    'responseRange=1:?RangeResponse responsePut=2:?PutResponse responseDeleteRange=3:?DeleteRangeResponse responseTxn=4:?TxnResponse',
  Compare:
    'result=1:int32 target=2:int32 key=3:bytes version=4:?int64 createRevision=5:?int64 modRevision=6:?int64 value=7:?bytes ' +
    'lease=8:?int64 rangeEnd=64:bytes',
  TxnRequest: 'compare=1:*Compare success=2:*RequestOp failure=3:*RequestOp',
  TxnResponse: 'header=1:ResponseHeader succeeded=2:bool responses=3:*ResponseOp',
  CompactionRequest: 'revision=1:int64 physical=2:bool',
  CompactionResponse: 'header=1:ResponseHeader',

  WatchRequest:
    'createRequest=1:?WatchCreateRequest cancelRequest=2:?WatchCancelRequest progressRequest=3:?WatchProgressRequest',
  WatchCreateRequest:
    'key=1:bytes rangeEnd=2:bytes startRevision=3:int64 progressNotify=4:bool filters=5:*int32 prevKv=6:bool watchId=7:int64 ' +
    'fragment=8:bool',
  WatchCancelRequest: 'watchId=1:int64',
  WatchProgressRequest: '',
  WatchResponse:
    'header=1:ResponseHeader watchId=2:int64 created=3:bool canceled=4:bool compactRevision=5:int64 cancelReason=6:string ' +
    'fragment=7:bool events=11:*Event',

  LeaseGrantRequest: 'TTL=1:int64 ID=2:int64',
  LeaseGrantResponse: 'header=1:ResponseHeader ID=2:int64 TTL=3:int64 error=4:string',
  LeaseRevokeRequest: 'ID=1:int64',
  LeaseRevokeResponse: 'header=1:ResponseHeader',
  LeaseKeepAliveRequest: 'ID=1:int64',
  LeaseKeepAliveResponse: 'header=1:ResponseHeader ID=2:int64 TTL=3:int64',
  KeepAliveRequest: 'ids=1:*int64',
  KeepAliveResponse: 'header=1:ResponseHeader ids=2:*int64 ttlMs=3:*int64',
  LeaseTimeToLiveRequest: 'ID=1:int64 keys=2:bool',
  LeaseTimeToLiveResponse: 'header=1:ResponseHeader ID=2:int64 TTL=3:int64 grantedTTL=4:int64 keys=5:*bytes',
  LeaseLeasesRequest: '',
  LeaseStatus: 'ID=1:int64',
  LeaseLeasesResponse: 'header=1:ResponseHeader leases=2:*LeaseStatus',

  Member: 'ID=1:uint64 name=2:string peerURLs=3:*string clientURLs=4:*string isLearner=5:bool',
  MemberListRequest: 'linearizable=1:bool',
  MemberListResponse: 'header=1:ResponseHeader members=2:*Member',
  StatusRequest: '',
  StatusResponse:
    'header=1:ResponseHeader version=2:string dbSize=3:int64 leader=4:uint64 raftIndex=5:uint64 raftTerm=6:uint64 ' +
    'raftAppliedIndex=7:uint64 errors=8:*string dbSizeInUse=9:int64 isLearner=10:bool dbSizeQuota=12:int64',
  AuthenticateRequest: 'name=1:string password=2:string',
  AuthenticateResponse: 'header=1:ResponseHeader token=2:string',
} as const satisfies Readonly<Record<string, string>>;

export type MessageName = keyof typeof schema;

/** Every call by its short name: full method, request, response. */
export const calls = {
  range: ['/etcdserverpb.KV/Range', 'RangeRequest', 'RangeResponse'],
  put: ['/etcdserverpb.KV/Put', 'PutRequest', 'PutResponse'],
  deleteRange: ['/etcdserverpb.KV/DeleteRange', 'DeleteRangeRequest', 'DeleteRangeResponse'],
  txn: ['/etcdserverpb.KV/Txn', 'TxnRequest', 'TxnResponse'],
  compact: ['/etcdserverpb.KV/Compact', 'CompactionRequest', 'CompactionResponse'],
  watch: ['/etcdserverpb.Watch/Watch', 'WatchRequest', 'WatchResponse'],
  leaseGrant: ['/etcdserverpb.Lease/LeaseGrant', 'LeaseGrantRequest', 'LeaseGrantResponse'],
  leaseRevoke: ['/etcdserverpb.Lease/LeaseRevoke', 'LeaseRevokeRequest', 'LeaseRevokeResponse'],
  leaseKeepAlive: ['/etcdserverpb.Lease/LeaseKeepAlive', 'LeaseKeepAliveRequest', 'LeaseKeepAliveResponse'],
  /** Ours; a server without it answers `unimplemented`. */
  keepAlive: ['/leasehold.v1.Lease/KeepAlive', 'KeepAliveRequest', 'KeepAliveResponse'],
  leaseTimeToLive: ['/etcdserverpb.Lease/LeaseTimeToLive', 'LeaseTimeToLiveRequest', 'LeaseTimeToLiveResponse'],
  leaseLeases: ['/etcdserverpb.Lease/LeaseLeases', 'LeaseLeasesRequest', 'LeaseLeasesResponse'],
  memberList: ['/etcdserverpb.Cluster/MemberList', 'MemberListRequest', 'MemberListResponse'],
  status: ['/etcdserverpb.Maintenance/Status', 'StatusRequest', 'StatusResponse'],
  authenticate: ['/etcdserverpb.Auth/Authenticate', 'AuthenticateRequest', 'AuthenticateResponse'],
} as const satisfies Readonly<Record<string, readonly [string, MessageName, MessageName]>>;

export type CallName = keyof typeof calls;
export type RequestName<N extends CallName> = (typeof calls)[N][1];
export type ResponseName<N extends CallName> = (typeof calls)[N][2];
