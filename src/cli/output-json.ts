/**
 * The JSON format: the field names, their order and what is left out when empty are those of Go's structs in etcdctl.
 */
import { type JsonValue, jsonText } from './go-text.ts';
import type { EndpointHash, EndpointHealth, EndpointStatus, Printer, Sink, SnapshotStatus } from './output.ts';
import type {
  AlarmResponse,
  DeleteRangeResponse,
  GrantResponse,
  Header,
  HeaderOnly,
  KeepAliveResponse,
  KeyValue,
  LeasesResponse,
  MemberListResponse,
  PutResponse,
  RangeResponse,
  RevokeResponse,
  TimeToLiveResponse,
  WatchResponse,
} from './wire.ts';

type JsonObject = { readonly [name: string]: JsonValue | undefined };

/** One line of JSON per answer. */
export class JsonPrinter implements Printer {
  readonly #sink: Sink;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  get(answer: RangeResponse): void {
    const kvs = listOrNone(answer.kvs.map(keyValue));
    this.#print({ header: header(answer.header), kvs, more: some(answer.more), count: some(answer.count) });
  }
  put(answer: PutResponse): void {
    this.#print({
      header: header(answer.header),
      prev_kv: answer.prev_kv === null ? undefined : keyValue(answer.prev_kv),
    });
  }
  del(answer: DeleteRangeResponse): void {
    const prev_kvs = listOrNone(answer.prev_kvs.map(keyValue));
    this.#print({ header: header(answer.header), deleted: some(answer.deleted), prev_kvs });
  }
  watch(answer: WatchResponse): void {
    const Events = answer.events.map(({ type, kv, prev_kv }) => ({
      type: some(type),
      kv: keyValue(kv),
      prev_kv: prev_kv === null ? undefined : keyValue(prev_kv),
    }));
    const { compact_revision: CompactRevision, canceled: Canceled, created: Created } = answer;
    this.#print({ Header: header(answer.header), Events, CompactRevision, Canceled, Created });
  }
  grant(answer: GrantResponse): void {
    this.#print({ ...header(answer.header), ID: answer.ID, TTL: answer.TTL, Error: answer.error });
  }
  revoke(_id: bigint, answer: RevokeResponse): void {
    this.#print({ header: header(answer.header) });
  }
  keepAlive(answer: KeepAliveResponse): void {
    this.#print({ ...header(answer.header), ID: answer.ID, TTL: answer.TTL });
  }
  expired(): void {}
  timeToLive(answer: TimeToLiveResponse): void {
    const keys = answer.keys.length === 0 ? null : answer.keys;
    this.#print({ ...header(answer.header), id: answer.ID, ttl: answer.TTL, 'granted-ttl': answer.grantedTTL, keys });
  }
  leases(answer: LeasesResponse): void {
    this.#print({ ...header(answer.header), leases: answer.leases.map((lease) => ({ id: lease.ID })) });
  }
  members(answer: MemberListResponse): void {
    const members = answer.members.map((member) => ({
      ID: some(member.ID),
      name: some(member.name),
      peerURLs: listOrNone(member.peerURLs),
      clientURLs: listOrNone(member.clientURLs),
      isLearner: some(member.isLearner),
    }));
    this.#print({ header: header(answer.header), members: listOrNone(members) });
  }
  health(list: readonly EndpointHealth[]): void {
    this.#print(
      list.map((one) => ({ endpoint: one.endpoint, health: one.healthy, took: one.took, error: some(one.error) })),
    );
  }
  status(list: readonly EndpointStatus[]): void {
    this.#print(list.map(({ endpoint, status }) => ({ Endpoint: endpoint, Status: statusObject(status) })));
  }
  hashes(list: readonly EndpointHash[]): void {
    this.#print(
      list.map(({ endpoint, hash }) => ({
        Endpoint: endpoint,
        HashKV: { header: header(hash.header), hash: some(hash.hash), compact_revision: some(hash.compact_revision) },
      })),
    );
  }

  alarms(answer: AlarmResponse): void {
    const alarms = answer.alarms.map(({ memberID, alarm }) => ({ memberID: some(memberID), alarm: some(alarm) }));
    this.#print({ header: anyHeader(answer.header), alarms: listOrNone(alarms) });
  }
  leaderMoved(_from: bigint, _to: bigint, answer: HeaderOnly): void {
    this.#print({ header: anyHeader(answer.header) });
  }
  snapshotSaved(file: string): void {
    // As etcdctl: this one is no answer of the cluster.
    this.#sink.out(`Snapshot saved at ${file}\n`);
  }
  snapshotStatus({ hash, revision, totalKey, totalSize }: SnapshotStatus): void {
    this.#print({ hash, revision, totalKey, totalSize });
  }

  #print(value: JsonValue): void {
    this.#sink.out(`${jsonText(value)}\n`);
  }
}

function statusObject(status: EndpointStatus['status']): JsonObject {
  return {
    header: header(status.header),
    version: some(status.version),
    dbSize: some(status.dbSize),
    leader: some(status.leader),
    raftIndex: some(status.raftIndex),
    raftTerm: some(status.raftTerm),
    raftAppliedIndex: some(status.raftAppliedIndex),
    errors: listOrNone(status.errors),
    dbSizeInUse: some(status.dbSizeInUse),
    isLearner: some(status.isLearner),
  };
}

/** Nothing where the server sent none. */
function anyHeader(from: Header): JsonObject | undefined {
  return from.cluster_id === 0n ? undefined : header(from);
}

function header(from: Header): JsonObject {
  return {
    cluster_id: some(from.cluster_id),
    member_id: some(from.member_id),
    revision: some(from.revision),
    raft_term: some(from.raft_term),
  };
}

function keyValue(kv: KeyValue): JsonObject {
  return {
    key: kv.key.length === 0 ? undefined : kv.key,
    create_revision: some(kv.create_revision),
    mod_revision: some(kv.mod_revision),
    version: some(kv.version),
    value: kv.value.length === 0 ? undefined : kv.value,
    lease: some(kv.lease),
  };
}

/** Go's `omitempty`: nothing for zero, false and the empty string. */
function some<T extends bigint | number | boolean | string>(value: T): T | undefined {
  return value === 0n || value === 0 || value === false || value === '' ? undefined : value;
}

function listOrNone(list: readonly JsonValue[]): readonly JsonValue[] | undefined {
  return list.length === 0 ? undefined : list;
}
