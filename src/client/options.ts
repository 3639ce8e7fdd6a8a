/** What a client is told when it is made, and what it is without being told. Checked at once, with an error that names the option. */
import { type Clock, systemClock } from './clock.ts';
import { LeaseError } from './errors.ts';
import type { Connect } from './transport/channel.ts';
import { parseEndpoint } from './transport/endpoint.ts';
import { grpcConnect, type TlsOptions } from './transport/grpc-channel.ts';
import type { Credentials } from './transport/tokens.ts';
import { bytesOf, type Duration, durationMs, type KeyLike } from './values.ts';

export interface ClientOptions {
  /** Members' client addresses, `host:port` or with `http://` or `https://`; one is enough to begin with. */
  readonly endpoints: readonly string[];
  /** In front of every key that this client names; callers neither write nor see it. */
  readonly namespace?: KeyLike;
  /** For each call without a timeout of its own, all attempts together; 5 s if not given. */
  readonly timeout?: Duration;
  readonly auth?: Credentials;
  readonly tls?: TlsOptions;
  /** Silence after which a connection is pinged; 5 s if not given. */
  readonly ping?: Duration;
  /** For tests: another clock, and another way to members. */
  readonly clock?: Clock;
  readonly connect?: Connect;
}

/** Options with nothing left open. */
export interface Settings {
  readonly endpoints: readonly string[];
  readonly namespace: Uint8Array;
  readonly timeoutMs: number;
  readonly auth: Credentials | undefined;
  readonly clock: Clock;
  readonly connect: Connect;
}

/** Throws `invalid_argument`. */
export function settingsOf(options: ClientOptions): Settings {
  const { endpoints, tls, auth } = options;
  if (!Array.isArray(endpoints) || endpoints.length === 0)
    throw new LeaseError('invalid_argument', "endpoints is empty; name at least one, as in ['127.0.0.1:2379']");
  for (const endpoint of endpoints) parseEndpoint(endpoint, tls !== undefined);
  if (auth !== undefined && auth.user === '')
    throw new LeaseError('invalid_argument', 'auth.user is empty; leave auth out to come without a name');
  return {
    endpoints: [...new Set(endpoints)],
    namespace: bytesOf(options.namespace ?? ''),
    timeoutMs: durationMs(options.timeout ?? 5_000, 'timeout'),
    auth,
    clock: options.clock ?? systemClock,
    connect: options.connect ?? grpcConnect({ tls, pingMs: durationMs(options.ping ?? 5_000, 'ping') }),
  };
}
