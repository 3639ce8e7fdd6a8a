/**
 * The one error of the library, and the one table that makes it of what a server says. A caller decides by `code`, retries where
 * `retryable` says so, and knows from `mayHaveApplied` whether a write that failed may have happened all the same.
 */

/** What went wrong, as a word to compare. Wire texts behind each: etcd's rpctypes/error.go. */
export type ErrorCode =
  | 'lease_not_found'
  | 'lease_exists'
  | 'lease_ttl_too_large'
  /** Ours: the lease that a call was to be made under is no longer held (`Lease.held()` is false). */
  | 'lease_lost'
  /** Ours: a guard no longer holds; a newer holder owns what it guards. */
  | 'not_held'
  | 'key_not_found'
  | 'empty_key'
  | 'duplicate_key'
  | 'too_many_operations'
  | 'request_too_large'
  | 'invalid_argument'
  | 'compacted'
  | 'future_revision'
  | 'no_space'
  | 'corrupt'
  | 'too_many_requests'
  | 'no_leader'
  | 'not_leader'
  /** No member could be reached, or the one that was asked went away. */
  | 'unavailable'
  | 'timeout'
  /** The caller's own signal. */
  | 'cancelled'
  /** The client, or the thing asked, was closed. */
  | 'closed'
  | 'auth_not_enabled'
  | 'auth_failed'
  | 'invalid_auth_token'
  | 'permission_denied'
  | 'unimplemented'
  | 'internal'
  | 'unknown';

/** What an error says beside its code and its text; no to both if not given. */
export interface LeaseErrorOptions {
  /** The same call may succeed if it is made again, later or elsewhere. */
  readonly retryable?: boolean;
  /** It is not known whether the write was applied. Always false for reads. */
  readonly mayHaveApplied?: boolean;
  readonly cause?: unknown;
}

/** The only error that calls of this library reject with; the message is the server's text where it sent one. */
export class LeaseError extends Error {
  override readonly name = 'LeaseError';
  /** What to decide by. */
  readonly code: ErrorCode;
  /** The same call may succeed if it is made again, later or elsewhere. */
  readonly retryable: boolean;
  /** It is not known whether the write was applied. Always false for reads. */
  readonly mayHaveApplied: boolean;

  constructor(code: ErrorCode, message: string, options: LeaseErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.mayHaveApplied = options.mayHaveApplied ?? false;
  }
}

/** How a call ended on a channel: gRPC's code and the text beside it. Inner: callers see a `LeaseError`. */
export class CallFailure extends Error {
  override readonly name = 'CallFailure';
  /** gRPC's number (google.rpc.Code). */
  readonly grpcCode: number;
  /** False: no byte of the request can have reached a member. */
  readonly sent: boolean;

  constructor(grpcCode: number, details: string, sent: boolean) {
    super(details);
    this.grpcCode = grpcCode;
    this.sent = sent;
  }
}

/** gRPC's codes that the library tells apart. */
export const grpcCodes = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

/** Whether a request may have been applied though its answer is an error: `refused` means that the server decided not to. */
type Fate = 'refused' | 'unsettled';

interface Row {
  readonly text: string;
  readonly code: ErrorCode;
  readonly retryable?: true;
  readonly fate?: Fate;
}

/** etcd's words for a call without a token where one is needed. */
const nameless = 'user name is empty';

/** Server texts by what they contain, most telling first. All are refusals unless a row says otherwise. */
const rows: readonly Row[] = [
  { text: 'requested lease not found', code: 'lease_not_found' },
  { text: 'lease already exists', code: 'lease_exists' },
  { text: 'too large lease TTL', code: 'lease_ttl_too_large' },
  { text: 'key is not provided', code: 'empty_key' },
  { text: 'etcdserver: key not found', code: 'key_not_found' },
  { text: 'duplicate key given', code: 'duplicate_key' },
  { text: 'too many operations in txn', code: 'too_many_operations' },
  { text: 'request is too large', code: 'request_too_large' },
  { text: 'has been compacted', code: 'compacted' },
  { text: 'is a future revision', code: 'future_revision' },
  { text: 'database space exceeded', code: 'no_space' },
  { text: 'corrupt cluster', code: 'corrupt' },
  { text: 'too many requests', code: 'too_many_requests', retryable: true },
  { text: 'too many watchers', code: 'too_many_requests', retryable: true },
  // etcd refuses with these before it proposes; ours holds requests without a leader and never proposes those it refuses so.
  { text: 'etcdserver: no leader', code: 'no_leader', retryable: true },
  { text: 'etcdserver: not leader', code: 'not_leader', retryable: true },
  // The member's own Raft did not take it; etcd has no code for that.
  { text: 'raft proposal dropped', code: 'unavailable', retryable: true },
  { text: 'rpc not supported for learner', code: 'unavailable', retryable: true },
  { text: 'authentication is not enabled', code: 'auth_not_enabled' },
  { text: 'authentication failed', code: 'auth_failed' },
  { text: 'invalid auth token', code: 'invalid_auth_token', retryable: true },
  { text: 'revision of auth store is old', code: 'invalid_auth_token', retryable: true },
  { text: 'permission denied', code: 'permission_denied' },
  { text: nameless, code: 'permission_denied' },
  { text: 'leader changed', code: 'unavailable', retryable: true, fate: 'unsettled' },
  { text: 'request timed out', code: 'unavailable', retryable: true, fate: 'unsettled' },
  { text: 'server stopped', code: 'unavailable', retryable: true, fate: 'unsettled' },
];

/** What is left to say by the code alone. */
function byCode({ grpcCode, message }: CallFailure): Row {
  switch (grpcCode) {
    // The caller's own cancel is known without a server; this one came from a server, or a proxy, that went away.
    case grpcCodes.cancelled:
      return { text: message, code: 'unavailable', retryable: true, fate: 'unsettled' };
    case grpcCodes.invalidArgument:
      return { text: message, code: 'invalid_argument' };
    case grpcCodes.deadlineExceeded:
      return { text: message, code: 'timeout', retryable: true, fate: 'unsettled' };
    case grpcCodes.permissionDenied:
      return { text: message, code: 'permission_denied' };
    case grpcCodes.unauthenticated:
      return { text: message, code: 'auth_failed' };
    case grpcCodes.resourceExhausted:
      return { text: message, code: 'too_many_requests', retryable: true, fate: 'unsettled' };
    case grpcCodes.unimplemented:
      return { text: message, code: 'unimplemented' };
    case grpcCodes.unavailable:
      return { text: message, code: 'unavailable', retryable: true, fate: 'unsettled' };
    case grpcCodes.internal:
      return { text: message, code: 'internal', fate: 'unsettled' };
    default:
      return { text: message, code: 'unknown', fate: 'unsettled' };
  }
}

/** A failed call as its caller is told of it. `kind`: a read changes nothing, so nothing of it may have been applied. */
export function leaseError(failure: CallFailure, kind: 'read' | 'write'): LeaseError {
  const row = rows.find(({ text }) => failure.message.includes(text)) ?? byCode(failure);
  const mayHaveApplied = kind === 'write' && failure.sent && row.fate === 'unsettled';
  return new LeaseError(row.code, failure.message, {
    retryable: row.retryable === true,
    mayHaveApplied,
    cause: failure,
  });
}

/** A member wants to know who asks, and does not take the answer it got: another token may help. */
export function asksForToken({ code, message }: LeaseError): boolean {
  return code === 'invalid_auth_token' || message.includes(nameless);
}

/** The error of whatever was closed. */
export function closedError(what: string, mayHaveApplied = false): LeaseError {
  return new LeaseError('closed', `${what} is closed`, { mayHaveApplied });
}

/** The error of a call whose own signal fired; its reason is the cause. */
export function cancelledError(signal: AbortSignal, mayHaveApplied = false): LeaseError {
  return new LeaseError('cancelled', 'cancelled by the caller', { cause: signal.reason, mayHaveApplied });
}
