/**
 * Errors as JSON. etcd 3.4's gateway says {"error","message","code"} and, on a stream, {"error":{"grpc_code",…}}; later ones
 * look for `code` in there, so it stands beside `grpc_code`. One table of HTTP statuses, grpc-gateway 1's.
 */
import { STATUS_CODES } from 'node:http';
import { codes, RpcError } from '../rpc/errors.ts';
import { jsonString } from './go-quote.ts';

const statuses: Readonly<Record<keyof typeof codes, number>> = {
  OK: 200,
  Canceled: 408,
  Unknown: 500,
  InvalidArgument: 400,
  DeadlineExceeded: 504,
  NotFound: 404,
  AlreadyExists: 409,
  PermissionDenied: 403,
  ResourceExhausted: 429,
  FailedPrecondition: 412,
  Aborted: 409,
  OutOfRange: 400,
  Unimplemented: 501,
  Internal: 500,
  Unavailable: 503,
  DataLoss: 500,
  Unauthenticated: 401,
};

export function httpStatus(error: RpcError): number {
  return statuses[error.code];
}

/** The body that answers a call. */
export function errorJson(error: RpcError): string {
  const text = jsonString(error.message);
  return `{"error":${text},"message":${text},"code":${codes[error.code]}}`;
}

/** The last line of a stream, or its only one. */
export function streamErrorJson(error: RpcError): string {
  const code = codes[error.code];
  const status = httpStatus(error);
  const words = jsonString(STATUS_CODES[status] ?? '');
  const text = jsonString(error.message);
  return `{"error":{"grpc_code":${code},"http_code":${status},"message":${text},"http_status":${words},"code":${code}}}`;
}

/** What the gateway itself says, in the words of etcd's gateway (or of gRPC below it). */
export const gatewayErrors = {
  badJson: (reason: string): RpcError => new RpcError('InvalidArgument', reason),
  /** On a stream etcd's gateway has no code for it. */
  badStreamJson: (reason: string): RpcError => new RpcError('Unknown', reason),
  badTimeout: (given: string): RpcError => new RpcError('InvalidArgument', `invalid grpc-timeout: ${given}`),
  deadline: (): RpcError => new RpcError('DeadlineExceeded', 'context deadline exceeded'),
  tooLong: (bytes: number, bytesMax: number): RpcError =>
    new RpcError('ResourceExhausted', `grpc: received message larger than max (${bytes} vs. ${bytesMax})`),
  unimplemented: (name: string): RpcError =>
    new RpcError('Unimplemented', `The server does not implement the method ${name}`),
} as const;
