/** What a client is told when it is made, and what it is without being told. Checked at once, with an error that names the option. */
import { type Clock, systemClock } from './clock.ts';
import { LeaseError } from './errors.ts';
import type { Connect } from './transport/channel.ts';
import { parseEndpoint } from './transport/endpoint.ts';
import { grpcConnect, type TlsOptions } from './transport/grpc-channel.ts';
import type { Credentials } from './transport/tokens.ts';
import { bytesOf, type Duration, durationMs, type KeyLike } from './values.ts';

/** What a client is told when it is made; all but the endpoints may be left out. */
export interface ClientOptions {
  /** Members' client addresses, `host:port` or with `http://` or `https://`; one is enough to begin with. */
  readonly endpoints: readonly string[];
  /** In front of every key that this client names; callers neither write nor see it. */
  readonly namespace?: KeyLike;
  /** For each call without a timeout of its own, all attempts together; 5 s if not given. */
  readonly timeout?: Duration;
  /** Who asks, where the cluster checks that. */
  readonly auth?: Credentials;
  /** How `https://` endpoints are checked; if given, endpoints without a scheme are `https://` too. */
  readonly tls?: TlsOptions;
  /**
   * `'leader'`: calls and streams go to the member that leads, where it is known and can be reached, which makes each one a hop shorter
   * and loads that member alone. `'any'`, the usual: to one that is drawn at random, and stays until it fails.
   */
  readonly prefer?: 'any' | 'leader';
  /** Whether members' own client URLs are added to the endpoints; not, if not given. */
  readonly discover?: boolean;
  /**
   * Silence after which a connection that is in use is pinged; 6 s if not given. etcd closes connections that ping more often than its
   * `--grpc-keepalive-min-time`, which is 5 s.
   */
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
  readonly prefer: 'any' | 'leader';
  readonly discover: boolean;
  /** What an endpoint without a scheme means. */
  readonly secure: boolean;
  readonly clock: Clock;
  readonly connect: Connect;
}

/** Throws `invalid_argument`. */
export function settingsOf(options: ClientOptions): Settings {
  const { endpoints, tls, auth, prefer = 'any' } = options;
  if (!Array.isArray(endpoints) || endpoints.length === 0)
    throw new LeaseError('invalid_argument', "endpoints is empty; name at least one, as in ['127.0.0.1:2379']");
  for (const endpoint of endpoints) parseEndpoint(endpoint, tls !== undefined);
  if (auth !== undefined && auth.user === '')
    throw new LeaseError('invalid_argument', 'auth.user is empty; leave auth out to come without a name');
  if (prefer !== 'any' && prefer !== 'leader')
    throw new LeaseError('invalid_argument', `prefer is ${JSON.stringify(prefer)}; write 'any' or 'leader'`);
  return {
    endpoints: [...new Set(endpoints)],
    namespace: bytesOf(options.namespace ?? ''),
    timeoutMs: durationMs(options.timeout ?? 5_000, 'timeout'),
    auth,
    prefer,
    discover: options.discover ?? false,
    secure: tls !== undefined,
    clock: options.clock ?? systemClock,
    connect: options.connect ?? grpcConnect({ tls, pingMs: durationMs(options.ping ?? 6_000, 'ping') }),
  };
}
