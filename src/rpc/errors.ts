/**
 * The one table of errors a client can see: gRPC code and exact text (etcd's api/v3rpc/rpctypes/error.go; texts compared
 * with etcd 3.4.23 where it has them). Internal text never leaves through here.
 *
 * We differ from etcd knowingly: overload is ResourceExhausted (etcd: Unknown), and a member that cannot renew is Unavailable
 * (etcd: Unknown "not a primary lessor"), so that clients retry.
 */
import { unreachable } from '../base/assert.ts';
import type { Unavailable } from '../node/answer.ts';
import type { Refusal } from '../state/outcome.ts';

/** gRPC's status codes, by name (google.rpc.Code). */
export const codes = {
  OK: 0,
  Canceled: 1,
  Unknown: 2,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  AlreadyExists: 6,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  Aborted: 10,
  OutOfRange: 11,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  DataLoss: 15,
  Unauthenticated: 16,
} as const;
export type CodeName = keyof typeof codes;

/** A status to be sent to a client as it stands. Carries no stack: it is an answer, not an accident. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly code: CodeName;

  constructor(code: CodeName, text: string) {
    const depth = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    super(text);
    Error.stackTraceLimit = depth;
    this.code = code;
  }
}

/** Why the node has no outcome for a request. */
export class UnavailableError extends Error {
  override readonly name = 'UnavailableError';
  readonly why: Unavailable;

  constructor(why: Unavailable) {
    super(why);
    this.why = why;
  }
}

const rows = {
  emptyKey: ['InvalidArgument', 'etcdserver: key is not provided'],
  keyNotFound: ['InvalidArgument', 'etcdserver: key not found'],
  valueProvided: ['InvalidArgument', 'etcdserver: value is provided'],
  leaseProvided: ['InvalidArgument', 'etcdserver: lease is provided'],
  tooManyOps: ['InvalidArgument', 'etcdserver: too many operations in txn request'],
  duplicateKey: ['InvalidArgument', 'etcdserver: duplicate key given in txn request'],
  invalidSortOption: ['InvalidArgument', 'etcdserver: invalid sort option'],
  requestTooLarge: ['InvalidArgument', 'etcdserver: request is too large'],
  compacted: ['OutOfRange', 'etcdserver: mvcc: required revision has been compacted'],
  futureRevision: ['OutOfRange', 'etcdserver: mvcc: required revision is a future revision'],
  noSpace: ['ResourceExhausted', 'etcdserver: mvcc: database space exceeded'],
  corrupt: ['DataLoss', 'etcdserver: corrupt cluster'],

  leaseNotFound: ['NotFound', 'etcdserver: requested lease not found'],
  leaseExists: ['FailedPrecondition', 'etcdserver: lease already exists'],
  leaseTtlTooLarge: ['OutOfRange', 'etcdserver: too large lease TTL'],

  noLeader: ['Unavailable', 'etcdserver: no leader'],
  notLeader: ['FailedPrecondition', 'etcdserver: not leader'],
  leaderChanged: ['Unavailable', 'etcdserver: leader changed'],
  badLeaderTransferee: ['FailedPrecondition', 'etcdserver: bad leader transferee'],
  transferTimedOut: ['Unavailable', 'etcdserver: request timed out, leader transfer took too long'],
  stopped: ['Unavailable', 'etcdserver: server stopped'],
  timedOut: ['Unavailable', 'etcdserver: request timed out'],
  tooManyRequests: ['ResourceExhausted', 'etcdserver: too many requests'],
  authNotEnabled: ['FailedPrecondition', 'etcdserver: authentication is not enabled'],
  userNotFound: ['FailedPrecondition', 'etcdserver: user name not found'],
  roleNotFound: ['FailedPrecondition', 'etcdserver: role name not found'],
  // Locks and elections: whatever code stands here, they say Unknown (`unknownError`).
  sessionExpired: ['Unknown', 'mutex: session is expired'],
  electionNotLeader: ['Unknown', 'election: not leader'],
  electionNoLeader: ['Unknown', 'election: no leader'],
  leaderFieldMissing: ['Unknown', '"leader" field must be provided'],
  callOver: ['Unknown', 'context canceled'],
  deadlineExceeded: ['DeadlineExceeded', 'context deadline exceeded'],
  memberNotFound: ['NotFound', 'etcdserver: member not found'],

  // Ours: etcd has no words for these.
  malformed: ['Internal', 'grpc: error unmarshalling request'],
  invalidCompare: ['InvalidArgument', 'etcdserver: invalid compare in txn request'],
  tooManyKeepAlives: ['InvalidArgument', 'leasehold: too many leases in one keep-alive request'],
  tooManyWatchers: ['ResourceExhausted', 'etcdserver: too many watchers'],
  answerTooLarge: ['ResourceExhausted', 'leasehold: the answer is too large; ask for less at once'],
  invalidAlarm: ['InvalidArgument', 'etcdserver: invalid alarm request'],
  tooManyAlarms: ['ResourceExhausted', 'etcdserver: too many alarms'],
  unknownHealthService: ['NotFound', 'unknown service'],
  emptyReflectionRequest: ['InvalidArgument', 'grpc: a reflection request asks for nothing'],
  noMembership: [
    'Unimplemented',
    'leasehold: changing the member list is not supported in 0.1; it comes with membership changes',
  ],
  // grpc-go's words for a method that it does not have, as etcd 3.4.
  noDowngrade: ['Unimplemented', 'unknown method Downgrade for service etcdserverpb.Maintenance'],
  imageUnreadable: ['Unavailable', 'leasehold: the image of this member cannot be read now; ask another member'],
  noAuth: ['Unimplemented', 'leasehold: users and roles are not supported in 0.1; they come with authentication'],
  internal: ['Internal', 'leasehold: internal error'],
} as const satisfies Record<string, readonly [CodeName, string]>;

export type ErrorName = keyof typeof rows;

/** The row of the table as an error to throw or send. */
export function rpcError(name: ErrorName): RpcError {
  const [code, text] = rows[name];
  return new RpcError(code, text);
}

/** Only the text of a row, where etcd sends a text without a code (`cancel_reason`). */
export function errorText(name: ErrorName): string {
  return rows[name][1];
}

/** Every row, for tests that compare the texts. */
export function errorTable(): ReadonlyMap<ErrorName, readonly [CodeName, string]> {
  return new Map(Object.entries(rows) as [ErrorName, readonly [CodeName, string]][]);
}

/** A deterministic no of the state machine, as its client hears it. `wrongTerm` concerns the leader's own commands only. */
export function refusalError(refusal: Refusal): RpcError {
  return rpcError(refusal === 'wrongTerm' ? 'internal' : refusal);
}

/** No outcome, as the client hears it: code 14 with "timed out" wherever it may have happened. */
export function unavailableError(why: Unavailable): RpcError {
  switch (why) {
    case 'noLeader':
      return rpcError('noLeader');
    case 'overloaded':
      return rpcError('tooManyRequests');
    case 'noSpace':
      return rpcError('noSpace');
    case 'timedOut':
    case 'unknown':
      return rpcError('timedOut');
    case 'stopped':
      return rpcError('stopped');
    default:
      return unreachable(why);
  }
}

/** An error of a lock or an election: etcd's servers of these pass on the text of an inner call, and lose its code. */
export function unknownError(error: RpcError): RpcError {
  return new RpcError('Unknown', error.message);
}

/** Runs a call whose every error is such a one. */
export async function unknownErrors<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof UnavailableError) throw unknownError(unavailableError(error.why));
    throw error instanceof RpcError ? unknownError(error) : error;
  }
}

/**
 * Whatever a service threw, as a status. What is neither an answer nor an unavailability is a bug of ours: `onBug` hears of
 * it (the program exits there), and the client learns no more than that.
 */
export function toRpcError(error: unknown, onBug: (error: unknown) => void): RpcError {
  if (error instanceof RpcError) return error;
  if (error instanceof UnavailableError) return unavailableError(error.why);
  onBug(error);
  return rpcError('internal');
}
