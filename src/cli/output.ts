/**
 * What every output format can print, and the simple one: etcdctl's lines, byte for byte, because scripts read them. A
 * format that cannot print something says so before the command is sent.
 */
import { bytesText, hex16 } from './go-text.ts';
import type {
  AlarmResponse,
  DeleteRangeResponse,
  GrantResponse,
  HashKvResponse,
  HeaderOnly,
  KeepAliveResponse,
  KeyValue,
  LeasesResponse,
  MemberListResponse,
  PutResponse,
  RangeResponse,
  RevokeResponse,
  StatusResponse,
  TimeToLiveResponse,
  WatchResponse,
} from './wire.ts';

/** How an endpoint answered a linearizable read. */
export interface EndpointHealth {
  readonly endpoint: string;
  readonly healthy: boolean;
  /** Go's duration text. */
  readonly took: string;
  readonly error: string;
}
/** What an endpoint says of itself. */
export interface EndpointStatus {
  readonly endpoint: string;
  readonly status: StatusResponse;
}
/** An endpoint's hash of its keys. */
export interface EndpointHash {
  readonly endpoint: string;
  readonly hash: HashKvResponse;
}

/** Where output goes. */
export interface Sink {
  out(text: string | Uint8Array): void;
  err(text: string): void;
}

/** One output format. */
export interface Printer {
  get(answer: RangeResponse): void;
  put(answer: PutResponse): void;
  del(answer: DeleteRangeResponse): void;
  watch(answer: WatchResponse): void;
  grant(answer: GrantResponse): void;
  revoke(id: bigint, answer: RevokeResponse): void;
  keepAlive(answer: KeepAliveResponse): void;
  /** A keep-alive stream was told that the lease is gone. */
  expired(id: bigint): void;
  timeToLive(answer: TimeToLiveResponse, keys: boolean): void;
  leases(answer: LeasesResponse): void;
  members(answer: MemberListResponse): void;
  health(list: readonly EndpointHealth[]): void;
  status(list: readonly EndpointStatus[]): void;
  hashes(list: readonly EndpointHash[]): void;
  alarms(answer: AlarmResponse): void;
  leaderMoved(from: bigint, to: bigint, answer: HeaderOnly): void;
  snapshotSaved(file: string): void;
  snapshotStatus(status: SnapshotStatus): void;
}

/** What is in a snapshot file. */
export interface SnapshotStatus {
  /** The first 32 bits of the state's digest, as Maintenance.Hash has it. */
  readonly hash: number;
  readonly revision: number;
  /** Versions of keys, as etcd counts. */
  readonly totalKey: number;
  readonly totalSize: number;
}

/** Options of the simple format. */
export interface SimpleOptions {
  readonly hex: boolean;
  readonly valueOnly: boolean;
}

/** etcdctl's default format. */
export class SimplePrinter implements Printer {
  readonly #sink: Sink;
  readonly #options: SimpleOptions;

  constructor(sink: Sink, options: SimpleOptions) {
    this.#sink = sink;
    this.#options = options;
  }

  get(answer: RangeResponse): void {
    for (const kv of answer.kvs) this.#keyValue(kv);
  }
  put(answer: PutResponse): void {
    this.#line('OK');
    if (answer.prev_kv !== null) this.#keyValue(answer.prev_kv);
  }
  del(answer: DeleteRangeResponse): void {
    this.#line(String(answer.deleted));
    for (const kv of answer.prev_kvs) this.#keyValue(kv);
  }
  watch(answer: WatchResponse): void {
    for (const { type, kv, prev_kv } of answer.events) {
      this.#line(type === 0 ? 'PUT' : 'DELETE');
      if (prev_kv !== null) this.#keyValue(prev_kv);
      this.#keyValue(kv);
    }
  }
  grant(answer: GrantResponse): void {
    this.#line(`lease ${hex16(answer.ID)} granted with TTL(${answer.TTL}s)`);
  }
  revoke(id: bigint): void {
    this.#line(`lease ${hex16(id)} revoked`);
  }
  keepAlive(answer: KeepAliveResponse): void {
    this.#line(`lease ${hex16(answer.ID)} keepalived with TTL(${answer.TTL})`);
  }
  expired(id: bigint): void {
    this.#line(`lease ${hex16(id)} expired or revoked.`);
  }
  timeToLive(answer: TimeToLiveResponse, keys: boolean): void {
    if (answer.grantedTTL === 0n && answer.TTL === -1n) {
      this.#line(`lease ${hex16(answer.ID)} already expired`);
      return;
    }
    const text = `lease ${hex16(answer.ID)} granted with TTL(${answer.grantedTTL}s), remaining(${answer.TTL}s)`;
    if (!keys) {
      this.#line(text);
      return;
    }
    const listed = answer.keys.flatMap((key, i) => (i === 0 ? [key] : [Buffer.from(' '), key]));
    this.#sink.out(Buffer.concat([Buffer.from(`${text}, attached keys([`), ...listed, Buffer.from('])\n')]));
  }
  leases(answer: LeasesResponse): void {
    this.#line(`found ${answer.leases.length} leases`);
    for (const lease of answer.leases) this.#line(hex16(lease.ID));
  }
  members(answer: MemberListResponse): void {
    for (const row of memberRows(answer)) this.#line(row.join(', '));
  }
  health(list: readonly EndpointHealth[]): void {
    for (const { endpoint, healthy, took, error } of list) {
      const text = healthy
        ? `is healthy: successfully committed proposal: took = ${took}`
        : `is unhealthy: failed to commit proposal: ${error}`;
      this.#sink.err(`${endpoint} ${text}\n`);
    }
  }
  status(list: readonly EndpointStatus[]): void {
    for (const row of list.map(statusRow)) this.#line(row.join(', '));
  }
  hashes(list: readonly EndpointHash[]): void {
    for (const { endpoint, hash } of list) this.#line(`${endpoint}, ${hash.hash}`);
  }
  alarms(answer: AlarmResponse): void {
    for (const { memberID, alarm } of answer.alarms) {
      const member = memberID === 0n ? '' : `memberID:${memberID} `;
      this.#line(`${member}${alarm === 0 ? '' : `alarm:${alarmNames[alarm] ?? alarm} `}`);
    }
  }
  leaderMoved(from: bigint, to: bigint): void {
    this.#line(`Leadership transferred from ${from.toString(16)} to ${to.toString(16)}`);
  }
  snapshotSaved(file: string): void {
    this.#line(`Snapshot saved at ${file}`);
  }
  snapshotStatus(status: SnapshotStatus): void {
    this.#line(snapshotRow(status).join(', '));
  }

  /** Keys and values are bytes: they go out untouched. */
  #keyValue(kv: KeyValue): void {
    if (!this.#options.valueOnly) this.#bytes(kv.key);
    this.#bytes(kv.value);
  }
  #bytes(bytes: Uint8Array): void {
    if (this.#options.hex) this.#line([...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join(''));
    else this.#sink.out(Buffer.concat([bytes, Buffer.from('\n')]));
  }
  #line(text: string): void {
    this.#sink.out(`${text}\n`);
  }
}

/** The columns of a member list. */
export const memberColumns: readonly string[] = ['ID', 'STATUS', 'NAME', 'PEER ADDRS', 'CLIENT ADDRS', 'IS LEARNER'];

/** One row per member; a member without a name has not started yet. */
export function memberRows(answer: MemberListResponse): readonly (readonly string[])[] {
  return answer.members.map((member) => [
    member.ID.toString(16),
    member.name === '' ? 'unstarted' : 'started',
    member.name,
    member.peerURLs.join(','),
    member.clientURLs.join(','),
    String(member.isLearner),
  ]);
}

/** As etcd's enumeration spells them. */
export const alarmNames: readonly string[] = ['NONE', 'NOSPACE', 'CORRUPT'];

/** The columns of a snapshot's status. */
export const snapshotColumns: readonly string[] = ['HASH', 'REVISION', 'TOTAL KEYS', 'TOTAL SIZE'];

/** Its row. */
export function snapshotRow({ hash, revision, totalKey, totalSize }: SnapshotStatus): readonly string[] {
  return [hash.toString(16), String(revision), String(totalKey), bytesText(BigInt(totalSize))];
}

/** The columns of an endpoint status. */
export const statusColumns: readonly string[] = [
  'ENDPOINT',
  'ID',
  'VERSION',
  'DB SIZE',
  'IS LEADER',
  'IS LEARNER',
  'RAFT TERM',
  'RAFT INDEX',
  'RAFT APPLIED INDEX',
  'ERRORS',
];

/** One endpoint's row. */
export function statusRow({ endpoint, status }: EndpointStatus): readonly string[] {
  return [
    endpoint,
    status.header.member_id.toString(16),
    status.version,
    bytesText(status.dbSize),
    String(status.leader === status.header.member_id),
    String(status.isLearner),
    String(status.raftTerm),
    String(status.raftIndex),
    String(status.raftAppliedIndex),
    status.errors.join(', '),
  ];
}
