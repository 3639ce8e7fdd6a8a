/** The work that is done on both clusters, row by row, and what is wanted of us where etcd does the same. */
import type { Part } from '../load/part.ts';

/** What the load of a row looks like; who is asked, for how long and whose CPU is counted comes with the cluster. */
export type Shape = Pick<Part, 'kind' | 'connections' | 'clients' | 'window' | 'perSecond' | 'watchers' | 'leases'>;

export interface RowSpec {
  /** Rows of one road are asked for together, and run on the same two clusters. */
  readonly road: string;
  readonly name: string;
  readonly shape: Shape;
  /** Whom the load asks. */
  readonly on: 'leader' | 'followers';
  readonly wanted: Wanted | undefined;
  /** At most so many milliseconds for 99 of 100 of ours, whatever etcd takes. */
  readonly msP99Max?: number;
  /** Less than all others' where there is only so much to use up. */
  readonly warmSecondsMax?: number;
}

export interface Wanted {
  /** At least so many times etcd's rate, and at most one so-many-th of its CPU per operation. */
  readonly rate: number;
  readonly cpu: number;
}

const one = { connections: 1, clients: 1 };
const hundred = { connections: 20, clients: 100 };
const thousand = { connections: 100, clients: 1_000 };
const revokedMax = 20_000;

const row = (road: string, name: string, shape: Shape, wanted?: readonly [rate: number, cpu: number]): RowSpec => ({
  road,
  name,
  shape,
  on: 'leader',
  wanted: wanted === undefined ? undefined : { rate: wanted[0], cpu: wanted[1] },
});

/** One client comes last, when the members' compilers are through. */
export const rows: readonly RowSpec[] = [
  row('grant', 'grant, 100 clients', { kind: 'grant', ...hundred }, [2, 2.5]),
  row('grant', 'grant, 1,000 clients', { kind: 'grant', ...thousand }, [2, 2.5]),
  row('grant', 'grant, 1 client', { kind: 'grant', ...one }, [1.1, 1.3]),
  row('put-lease', 'put 256 B with a lease, 100 clients', { kind: 'putLease', ...hundred }, [1.3, 1.6]),
  row('put-lease', 'put 256 B with a lease, 1,000 clients', { kind: 'putLease', ...thousand }, [1, 1]),
  row('put-lease', 'put 256 B with a lease, 1 client', { kind: 'putLease', ...one }, [1.1, 1.3]),
  row('lock', 'lock txn, 100 clients', { kind: 'lock', ...hundred }, [2, 2]),
  {
    ...row('revoke', 'revoke, 100 clients', { kind: 'revoke', leases: revokedMax, ...hundred }, [2, 2]),
    warmSecondsMax: 0.3,
  },
  row('time-to-live', 'time to live with keys, 100 clients', { kind: 'timeToLive', ...hundred }, [2, 2]),
  row('range', 'range, linearizable, 100 clients', { kind: 'range', ...hundred }, [2, 2]),
  row('range-serializable', 'range, serializable, 100 clients', { kind: 'rangeSerializable', ...hundred }),
  row(
    'keep-alive',
    'keep-alive, 16 streams × 64',
    { kind: 'keepAlive', connections: 16, clients: 16, window: 64 },
    [5, 8],
  ),
  {
    ...row(
      'keep-alive-followers',
      'keep-alive through followers, 16 × 64',
      { kind: 'keepAlive', connections: 16, clients: 16, window: 64 },
      [8, 8],
    ),
    on: 'followers',
  },
  row(
    'keep-alive-streams',
    'keep-alive, 1,000 streams × 1',
    { kind: 'keepAlive', connections: 100, clients: 1_000, window: 1 },
    [2, 3],
  ),
  row('keep-alive-once', 'keep-alive, a stream each, 100 clients', { kind: 'keepAliveOnce', ...hundred }),
  row('watch', 'watch events, 100 watchers', { kind: 'watch', connections: 20, clients: 10, watchers: 100 }, [2, 3]),
  {
    ...row('grant-rate', 'grant at 2,000 a second', { kind: 'grant', connections: 20, clients: 100, perSecond: 2_000 }),
    msP99Max: 20,
  },
];

export const roads: readonly string[] = [...new Set(rows.map(({ road }) => road))];
