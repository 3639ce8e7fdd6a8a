/**
 * How grpc-js finds the addresses of an endpoint. Its own look-up may tell its channel of them after the channel was closed, which then
 * connects again, and nobody ends that. This one is silent from `destroy` on. Stands on an API that grpc-js calls experimental.
 */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { experimental, Metadata, status } from '@grpc/grpc-js';

const scheme = 'leasehold-endpoint';
/** Between two look-ups of one name. */
const lookupMsMin = 1_000;

/** What to give grpc-js as target for `host:port`. A scheme of our own, as it would take a host named `unix` for one. */
export function channelTarget(hostPort: string): string {
  experimental.registerResolver(scheme, EndpointResolver);
  return `${scheme}:///${hostPort}`;
}

class EndpointResolver implements experimental.Resolver {
  readonly #host: string;
  readonly #port: number;
  readonly #listener: experimental.ResolverListener;
  /** Of the look-up under way, or the wait before it. */
  #pending: AbortController | undefined;
  #lastMs = Number.NEGATIVE_INFINITY;
  /** An address needs no second look-up. */
  #told = false;

  constructor({ path }: experimental.GrpcUri, listener: experimental.ResolverListener) {
    const parts = experimental.splitHostPort(path);
    this.#host = parts?.host ?? path;
    this.#port = parts?.port ?? 0;
    this.#listener = listener;
  }

  static getDefaultAuthority({ path }: experimental.GrpcUri): string {
    return path;
  }

  updateResolution(): void {
    if (this.#pending !== undefined || (this.#told && isIP(this.#host) !== 0)) return;
    const pending = new AbortController();
    this.#pending = pending;
    const waitMs = this.#lastMs + lookupMsMin - performance.now();
    const go = (): void => void this.#find(pending);
    // Never in the call that asks for it.
    if (waitMs > 0) {
      const timer = setTimeout(go, waitMs).unref();
      pending.signal.addEventListener('abort', () => clearTimeout(timer));
    } else setImmediate(go);
  }

  destroy(): void {
    this.#pending?.abort();
    this.#pending = undefined;
    this.#told = false;
  }

  async #find(pending: AbortController): Promise<void> {
    if (pending.signal.aborted) return;
    if (isIP(this.#host) !== 0) {
      this.#tell(pending, [this.#host]);
      return;
    }
    this.#lastMs = performance.now();
    try {
      const found = await lookup(this.#host, { all: true });
      this.#tell(
        pending,
        found.map(({ address }) => address),
      );
    } catch (error) {
      if (pending.signal.aborted) return;
      this.#pending = undefined;
      const details = `${this.#host} cannot be looked up: ${(error as NodeJS.ErrnoException).code ?? String(error)}`;
      const failure = { code: status.UNAVAILABLE, details, metadata: new Metadata() };
      this.#listener({ ok: false, error: failure }, {}, null, '');
    }
  }

  #tell(pending: AbortController, hosts: readonly string[]): void {
    if (pending.signal.aborted) return;
    this.#pending = undefined;
    this.#told = true;
    const value = hosts.map((host) => ({ addresses: [{ host, port: this.#port }] }));
    this.#listener({ ok: true, value }, {}, null, '');
  }
}
