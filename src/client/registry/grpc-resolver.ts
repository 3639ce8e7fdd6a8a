/**
 * Names for grpc-js: a channel to `leasehold:///users` connects to the instances of `users`, and follows them as they
 * come and go. Stands on an API that grpc-js calls experimental, so all of that is in this file, and a test holds the
 * installed version to it.
 */
import { experimental, Metadata, status } from '@grpc/grpc-js';
import { LeaseError } from '../errors.ts';
import type { Instance } from './layout.ts';
import type { Registry, RegistryOptions } from './registry.ts';

export interface GrpcResolverOptions {
  /** What targets begin with; `leasehold` if not given. The last to register a scheme has it, in the whole process. */
  readonly scheme?: string | undefined;
  /** Where and how services are registered; etcd's gRPC naming if not given. */
  readonly registry?: Registry | RegistryOptions | undefined;
}

type Listener = experimental.ResolverListener;

/** The part of a client that is needed. */
export interface HasRegistry {
  registry(options?: RegistryOptions): Registry;
}

/**
 * Teaches grpc-js the names of a registry's services. While members of the cluster are away, the instances known last
 * are used on. Channels end with `close()` as any; with the client, they keep the instances they have. Ask for
 * `round_robin` as below: what grpc-js does unasked (`pick_first`) stays with one connection as long as that lasts.
 * @example
 * registerGrpcResolver(client);
 * const users = new Users('leasehold:///users', credentials.createInsecure(), {
 *   'grpc.service_config': '{"loadBalancingConfig":[{"round_robin":{}}]}',
 * });
 */
export function registerGrpcResolver(
  client: HasRegistry,
  { scheme = 'leasehold', registry: given }: GrpcResolverOptions = {},
): void {
  if (typeof experimental?.registerResolver !== 'function')
    throw new LeaseError('unimplemented', 'this version of @grpc/grpc-js has no experimental.registerResolver');
  if (!/^[a-z][a-z0-9+.-]*$/.test(scheme))
    throw new LeaseError('invalid_argument', `scheme ${JSON.stringify(scheme)} cannot begin a target`);
  const registry = given !== undefined && 'watch' in given ? given : client.registry(given);

  class ServiceResolver implements experimental.Resolver {
    readonly #service: string;
    readonly #listener: Listener;
    #following: AbortController | undefined;

    constructor({ path }: experimental.GrpcUri, listener: Listener) {
      this.#service = path;
      this.#listener = listener;
    }

    static getDefaultAuthority({ path }: experimental.GrpcUri): string {
      return encodeURIComponent(path.split('/').at(-1) ?? path);
    }

    updateResolution(): void {
      if (this.#following !== undefined) return;
      const following = new AbortController();
      this.#following = following;
      void this.#follow(following);
    }

    destroy(): void {
      this.#following?.abort();
      this.#following = undefined;
    }

    async #follow({ signal }: AbortController): Promise<void> {
      // Never in the call that asks for it.
      await Promise.resolve();
      let known = false;
      const troubled = (error: unknown): void => {
        if (!known && !signal.aborted) this.#listener(failed(this.#service, error), {}, null, '');
      };
      try {
        for await (const instances of registry.watch(this.#service, { signal, troubled })) {
          if (signal.aborted) return;
          known = true;
          this.#tell(endpointsOf(instances));
        }
      } catch (error) {
        troubled(error);
        // grpc-js asks again after a while if it was given no endpoints.
        if (!signal.aborted) this.#following = undefined;
      }
    }

    /** No endpoints are told as an error too: with the empty list alone, round_robin has calls wait for ever. */
    #tell(value: experimental.Endpoint[]): void {
      this.#listener({ ok: true, value }, {}, null, '');
      if (value.length === 0) this.#listener(failed(this.#service, 'none is registered'), {}, null, '');
    }
  }

  experimental.registerResolver(scheme, ServiceResolver);
}

/** Addresses that are no `host:port` are left out. */
function endpointsOf(instances: readonly Instance[]): experimental.Endpoint[] {
  const addresses = new Set(instances.map(({ addr }) => addr));
  return [...addresses].flatMap((addr) => {
    const parts = experimental.splitHostPort(addr);
    if (parts?.port === undefined) return [];
    return [{ addresses: [{ host: parts.host, port: parts.port }] }];
  });
}

function failed(service: string, error: unknown): Parameters<Listener>[0] {
  const cause = error instanceof Error ? error.message : String(error);
  const details = `no instances of ${service}: ${cause}`;
  return { ok: false, error: { code: status.UNAVAILABLE, details, metadata: new Metadata() } };
}
