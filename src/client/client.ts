/**
 * `leasehold/client`: what a Node.js service imports to register itself, hold a lock, lead, and notice in time that it no longer does.
 * The client is the door to all of it; each part stands in a folder of its own.
 */
import type { Core } from './core.ts';
import { type Granted, type GrantOptions, LeaseCalls, type TimeToLive } from './lease/lease-calls.ts';
import { type ClientOptions, settingsOf } from './options.ts';
import { type CallSettings, Calls } from './transport/calls.ts';
import { Members } from './transport/members.ts';
import { Streams } from './transport/streams.ts';
import { Tokens } from './transport/tokens.ts';
import type { Duration, LeaseIdLike } from './values.ts';

export { LeaseError } from './errors.ts';
export type { Guard } from './kv/guard.ts';
export { json } from './values.ts';

export class Client implements AsyncDisposable {
  readonly #leaseCalls: LeaseCalls;
  readonly #members: Members;
  readonly #closed = new AbortController();

  /** Throws a `LeaseError` (`invalid_argument`) that names the option; connects when something is first asked. */
  constructor(options: ClientOptions) {
    const { endpoints, connect, clock, auth, timeoutMs, namespace } = settingsOf(options);
    this.#members = new Members(endpoints, connect, clock);
    const tokens = auth === undefined ? undefined : new Tokens(this.#members, auth);
    const calls = new Calls(this.#members, clock, tokens, timeoutMs);
    const streams = new Streams(this.#members, calls);
    const core: Core = { calls, streams, clock, namespace, closed: this.#closed.signal };
    this.#leaseCalls = new LeaseCalls(core);
  }

  /** Makes a lease that nobody renews yet; see `lease` for one that is kept alive. */
  grant(ttl: Duration, options?: GrantOptions): Promise<Granted> {
    return this.#leaseCalls.grant(ttl, options);
  }

  /** Ends a lease and deletes its keys. */
  revoke(id: LeaseIdLike, settings?: CallSettings): Promise<void> {
    return this.#leaseCalls.revoke(id, settings);
  }

  timeToLive(id: LeaseIdLike, options?: CallSettings & { readonly keys?: boolean }): Promise<TimeToLive> {
    return this.#leaseCalls.timeToLive(id, options);
  }

  leases(settings?: CallSettings): Promise<readonly bigint[]> {
    return this.#leaseCalls.leases(settings);
  }

  /** Ends everything that is open: held things say why (`closed`), calls under way fail. Leases live on until their TTL is over. */
  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    this.#members.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
