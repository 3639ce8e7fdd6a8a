/**
 * The fields format: one `"Name" : value` per line, as etcdctl prints it.
 */
import { quoteGo } from './go-text.ts';
import type { EndpointHash, EndpointHealth, EndpointStatus, Printer, Sink, SnapshotStatus } from './output.ts';
import { alarmNames } from './output.ts';
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

type Value = bigint | number | boolean | string;

/** Strings of unknown content are quoted as Go does; numbers and words stand as they are. */
export class FieldsPrinter implements Printer {
  readonly #sink: Sink;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  get(answer: RangeResponse): void {
    this.#header(answer.header);
    for (const kv of answer.kvs) this.#keyValue('', kv);
    this.#field('More', answer.more);
    this.#field('Count', answer.count);
  }
  put(answer: PutResponse): void {
    this.#header(answer.header);
    if (answer.prev_kv !== null) this.#keyValue('Prev', answer.prev_kv);
  }
  del(answer: DeleteRangeResponse): void {
    this.#header(answer.header);
    this.#field('Deleted', answer.deleted);
    for (const kv of answer.prev_kvs) this.#keyValue('Prev', kv);
  }
  watch(answer: WatchResponse): void {
    this.#header(answer.header);
    for (const { type, kv, prev_kv } of answer.events) {
      this.#field('Type', type === 0 ? 'PUT' : 'DELETE');
      if (prev_kv !== null) this.#keyValue('Prev', prev_kv);
      this.#keyValue('', kv);
    }
  }
  grant(answer: GrantResponse): void {
    this.#renewed(answer);
  }
  revoke(_id: bigint, answer: RevokeResponse): void {
    this.#header(answer.header);
  }
  keepAlive(answer: KeepAliveResponse): void {
    this.#renewed(answer);
  }
  expired(): void {}
  timeToLive(answer: TimeToLiveResponse): void {
    this.#renewed(answer);
    this.#field('GrantedTTL', answer.grantedTTL);
    for (const key of answer.keys) this.#field('Key', quoteGo(key));
  }
  leases(answer: LeasesResponse): void {
    this.#header(answer.header);
    for (const lease of answer.leases) this.#field('ID', lease.ID);
  }
  members(answer: MemberListResponse): void {
    this.#header(answer.header);
    for (const member of answer.members) {
      this.#field('ID', member.ID);
      this.#quoted('Name', member.name);
      for (const url of member.peerURLs) this.#quoted('PeerURL', url);
      for (const url of member.clientURLs) this.#quoted('ClientURL', url);
      this.#field('IsLearner', member.isLearner);
      this.#sink.out('\n');
    }
  }
  health(list: readonly EndpointHealth[]): void {
    for (const one of list) {
      this.#quoted('Endpoint', one.endpoint);
      this.#field('Health', one.healthy);
      this.#field('Took', one.took);
      this.#field('Error', one.error);
      this.#sink.out('\n');
    }
  }
  status(list: readonly EndpointStatus[]): void {
    for (const { endpoint, status } of list) {
      this.#header(status.header);
      this.#quoted('Version', status.version);
      this.#field('DBSize', status.dbSize);
      this.#field('Leader', status.leader);
      this.#field('IsLearner', status.isLearner);
      this.#field('RaftIndex', status.raftIndex);
      this.#field('RaftTerm', status.raftTerm);
      this.#field('RaftAppliedIndex', status.raftAppliedIndex);
      this.#field('Errors', `[${status.errors.join(' ')}]`);
      this.#quoted('Endpoint', endpoint);
      this.#sink.out('\n');
    }
  }
  hashes(list: readonly EndpointHash[]): void {
    for (const { endpoint, hash } of list) {
      this.#header(hash.header);
      this.#quoted('Endpoint', endpoint);
      this.#field('Hash', hash.hash);
      this.#sink.out('\n');
    }
  }

  alarms(answer: AlarmResponse): void {
    // etcdctl ends here on an answer without a header, which is what etcd sends.
    if (answer.header.cluster_id !== 0n) this.#header(answer.header);
    for (const { memberID, alarm } of answer.alarms) {
      this.#field('MemberID', memberID);
      this.#field('AlarmType', alarmNames[alarm] ?? alarm);
      this.#sink.out('\n');
    }
  }
  leaderMoved(_from: bigint, _to: bigint, answer: HeaderOnly): void {
    this.#header(answer.header);
  }
  snapshotSaved(file: string): void {
    this.#sink.out(`Snapshot saved at ${file}\n`);
  }
  snapshotStatus({ hash, revision, totalKey, totalSize }: SnapshotStatus): void {
    this.#field('Hash', hash);
    this.#field('Revision', revision);
    this.#field('Keys', totalKey);
    this.#field('Size', totalSize);
  }

  #renewed(answer: { readonly header: Header; readonly ID: bigint; readonly TTL: bigint }): void {
    this.#header(answer.header);
    this.#field('ID', answer.ID);
    this.#field('TTL', answer.TTL);
  }
  #header(header: Header): void {
    this.#field('ClusterID', header.cluster_id);
    this.#field('MemberID', header.member_id);
    this.#field('Revision', header.revision);
    this.#field('RaftTerm', header.raft_term);
  }
  #keyValue(prefix: string, kv: KeyValue): void {
    this.#field(`${prefix}Key`, quoteGo(kv.key));
    this.#field(`${prefix}CreateRevision`, kv.create_revision);
    this.#field(`${prefix}ModRevision`, kv.mod_revision);
    this.#field(`${prefix}Version`, kv.version);
    this.#field(`${prefix}Value`, quoteGo(kv.value));
    this.#field(`${prefix}Lease`, kv.lease);
  }
  #quoted(name: string, text: string): void {
    this.#field(name, quoteGo(Buffer.from(text)));
  }
  #field(name: string, value: Value): void {
    this.#sink.out(`"${name}" : ${value}\n`);
  }
}
